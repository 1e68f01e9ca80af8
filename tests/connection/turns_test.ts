import { assert, assertEquals } from "@std/assert";
import { describe, it } from "node:test";
import { MESSAGE_WORK, Turns, type TurnTaker } from "../../src/connection/turns.ts";
import { FakeClock } from "../../src/testing/fake_clock.ts";

/** A clock that work moves. */
class WorkClock extends FakeClock {
  workedMs = 0;

  override now(): number {
    return super.now() + this.workedMs;
  }
}

/** Somebody who has so many messages left, each of which takes some time. */
class Worker implements TurnTaker {
  readonly name: string;
  readonly #office: Office;
  readonly #messageMs: number;
  left: number;

  constructor(office: Office, name: string, left: number, messageMs: number) {
    this.#office = office;
    this.name = name;
    this.left = left;
    this.#messageMs = messageMs;
  }

  /** Works until nothing is left, or it has to stop. */
  work(): void {
    const { turns, clock, log } = this.#office;
    let count = 0;
    let mustStop = turns.isOver;
    while (this.left > 0 && !mustStop) {
      this.left--;
      count++;
      clock.workedMs += this.#messageMs;
      mustStop = turns.spend(MESSAGE_WORK, this);
    }
    if (count > 0) log.push([this.name, count]);
    if (mustStop) turns.wait(this);
  }

  takeTurn(): void {
    this.work();
  }
}

class Office {
  readonly clock = new WorkClock();
  readonly turns = new Turns(this.clock);
  readonly log: [name: string, count: number][] = [];

  worker(name: string, left: number, messageMs: number): Worker {
    return new Worker(this, name, left, messageMs);
  }

  takeLog(): [name: string, count: number][] {
    return this.log.splice(0);
  }
}

/** A turn of the event loop: turns are given by timers here. */
const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

describe("the turns of the event loop", () => {
  it("leave who works little alone", () => {
    const office = new Office();
    for (let i = 0; i < 1_000; i++) office.worker("a", 1, 0.001).work();
    assertEquals(office.turns.isOver, false);
    assertEquals(office.log.length, 1_000);
  });

  it("stop a connection after 2 ms, and another one may still begin", () => {
    const office = new Office();
    office.worker("a", 1_000, 0.1).work();
    office.worker("b", 5, 0.1).work();
    const [[name, count], ...others] = office.log;
    // The time is looked at after every eighth message.
    assertEquals([name, count >= 20 && count <= 36], ["a", true]);
    assertEquals(others, [["b", 5]]);
  });

  it("stop all after 10 ms", () => {
    const office = new Office();
    for (const name of "abcdefghij") office.worker(name, 1_000, 0.1).work();
    assertEquals(office.turns.isOver, true);
    const workedMs = office.clock.workedMs;
    assertEquals(workedMs >= 10 && workedMs < 14, true, `${workedMs} ms`);
  });

  it("go on in the order in which they were waited for, and before what arrives", async () => {
    const office = new Office();
    const names = [..."abcdefghijkl"];
    for (const name of names) office.worker(name, 60, 0.1).work();
    office.takeLog();
    await office.turns.next();
    office.worker("newcomer", 1, 0.1).work();
    while (!office.log.some(([name]) => name === "newcomer")) await office.turns.next();
    const order = office.takeLog().map(([name]) => name);
    const before = order.slice(0, order.indexOf("newcomer"));
    // All that waited when it came were before it: each once, and some that had stopped again by then.
    assertEquals(before.length >= names.length, true);
    assertEquals(before, before.map((_, i) => names[i % names.length]));
  });

  for (const [workers, leastMs, mostMs] of [[16, 1.5, 2.5], [80, 0.4, 1], [400, 0.2, 0.6]]) {
    it(`share 40 ms among ${workers} that wait, with 0.25 to 2 ms for each`, async () => {
      const office = new Office();
      const names = Array.from({ length: workers! }, (_, i) => `${i}`);
      const all = names.map((name) => office.worker(name, 1_000, 0.1));
      for (const worker of all) worker.work();
      while (office.log.length < 2 * workers!) await office.turns.next();
      office.takeLog();
      while (office.log.length < 2 * workers!) await office.turns.next();
      const shares = office.takeLog().map(([, count]) => count * 0.1);
      const mean = shares.reduce((sum, each) => sum + each) / shares.length;
      assertEquals(mean > leastMs! && mean < mostMs!, true, `${mean} ms`);
      for (const worker of all) worker.left = 0;
    });
  }

  it("give all that wait their part, and who stops again another turn", async () => {
    const office = new Office();
    const workers = [..."abcdefghijklmnopqrst"].map((name) => office.worker(name, 10_000, 0.05));
    for (const worker of workers) worker.work();
    for (let turn = 0; turn < 20; turn++) {
      await office.turns.next();
      const before = office.clock.workedMs;
      while (!office.turns.isOver) await office.turns.next();
      assertEquals(office.clock.workedMs - before < 13, true);
    }
    // All of them have had about as much.
    const done = workers.map(({ left }) => 10_000 - left);
    assertEquals(Math.max(...done) < 2 * Math.min(...done), true, done.join(" "));
    for (const worker of workers) worker.left = 0;
  });

  it("look at the time after each message of a program that takes long", async () => {
    const office = new Office();
    office.worker("a", 60, 5).work();
    await office.turns.next();
    while (office.turns.isOver) await office.turns.next();
    // At first every eighth message is looked at.
    const [[, first], ...later] = office.log;
    assertEquals(first <= 16, true, `${first} messages`);
    for (const [, count] of later) assertEquals(count <= 2, true, `${count} messages`);
  });

  it("look at it so also where small work comes between the messages", async () => {
    const office = new Office();
    const { turns, clock } = office;
    const taker = { takeTurn() {} };
    for (let i = 0; i < 20 && !turns.isOver; i++) {
      clock.workedMs += 5;
      turns.spend(MESSAGE_WORK, taker);
      turns.spend(10, taker);
    }
    await turns.next();
    const before = clock.workedMs;
    do {
      clock.workedMs += 5;
      turns.spend(10, taker);
    } while (!turns.spend(MESSAGE_WORK, taker));
    assertEquals(clock.workedMs - before <= 15, true, `${clock.workedMs - before} ms`);
  });

  it("end once programs were given 4 MiB that they deal with later", async () => {
    const { turns } = new Office();
    for (let i = 0; i < 4; i++) turns.handOut(1024 * 1024);
    assertEquals(turns.isOver, false);
    turns.handOut(1);
    assertEquals(turns.isOver, true);
    await turns.next();
    assertEquals(turns.isOver, false);
  });

  it("pass without work while connections are accepted, for at most 5 ms at a time", async () => {
    const office = new Office();
    const { turns, clock } = office;
    const worker = office.worker("a", 10_000, 0.05);
    worker.work();
    const accept = () => {
      clock.workedMs += 0.5;
      turns.rest();
    };
    for (let round = 0; round < 3; round++) {
      office.takeLog();
      for (let i = 0; i < 12 && office.log.length === 0; i++) {
        accept();
        // One turn of the event loop of the test.
        await turn();
      }
      assert(office.log.length > 0, "nobody has worked for longer than 5 ms");
    }
    office.takeLog();
    const before = clock.workedMs;
    await turns.next();
    assert(office.log.length > 0 && clock.workedMs - before < 13);
    worker.left = 0;
  });

  it("pass without work once for each connection", async () => {
    const office = new Office();
    const { turns } = office;
    office.worker("a", 200, 0.05).work();
    office.takeLog();
    turns.rest();
    await turn();
    assertEquals([office.log.length, turns.isOver], [0, true]);
    await turn();
    assert(office.log.length > 0);
  });

  it("come also where nobody waits for one", async () => {
    const { turns } = new Office();
    await turns.next();
    await Promise.all([turns.next(), turns.next()]);
  });
});
