// @engines: all of it happens in memory.

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { ResumeState } from "../../src/resume/resume_state.ts";
import { utf8 } from "../codec/support.ts";

/** What a hello may have, as docs/resume.md says. */
const MAX_TOPICS = 4_096;
const MAX_SIZE = 524_288;
const SESSION = "0123456789abcdef";

/** A client that is remembered for by itself. */
class Client {
  readonly lost: string[] = [];
  readonly state = new ResumeState((topic) => void this.lost.push(topic));

  begin(): { session?: string; positions: Record<string, string> } {
    const hello = this.state.begin(() => {});
    assert(utf8(hello).length <= MAX_SIZE, `${hello.length}`);
    this.state.tellLost();
    return JSON.parse(hello);
  }

  subscribe(topic: string, number: number, position: string | null = "e.1"): void {
    this.state.receiveControl({ topic, number, position: position ?? undefined });
  }

  /** Begins, and has the answer. */
  answer(): Record<string, string> {
    const { positions } = this.begin();
    this.state.receiveControl({ session: SESSION, protocol: "" });
    return positions;
  }
}

function range(start: number, end: number): number[] {
  return Array.from({ length: end - start }, (_, i) => start + i);
}

describe("what a client remembers of a server", () => {
  it("is as many topics as a hello may have, those of which it heard last", () => {
    const client = new Client();
    // Topics come and go with the connections, but for one.
    for (let i = 0; i <= 64; i++) {
      client.answer();
      client.subscribe("lasting", 1);
      for (let k = 0; k < 64; k++) client.subscribe(`${i * 64 + k}`, k + 2);
      client.state.advance(1, { epoch: "e", number: i + 2 });
    }
    const { positions } = client.begin();
    const { lasting, ...others } = positions;
    assertEquals(lasting, "e.66");
    assertEquals(Object.keys(others).map(Number), range(65, 65 * 64));
    assertEquals(client.lost, range(0, 65).map(String));
  });

  it("is all topics of a connection, however many may be told, until they are subscribed to again", () => {
    const client = new Client();
    client.begin();
    for (let i = 0; i < MAX_TOPICS; i++) client.subscribe(`${i}`, i + 1);
    client.begin();
    for (let i = 0; i < MAX_TOPICS; i += 2) client.subscribe(`${i}`, i + 1);
    assertEquals(Object.keys(client.begin().positions).length, MAX_TOPICS);
    assertEquals(client.lost, []);
  });

  it("fits a hello, whatever the topics and positions are, and the program is told of the others", () => {
    for (const topic of ["x".repeat(1_019), "\x01".repeat(1_019), "é".repeat(509), "\ud800"]) {
      const client = new Client();
      const names = range(0, MAX_TOPICS + 100).map((i) => `${topic}${i}`);
      const position = `${"e".repeat(32)}.${Number.MAX_SAFE_INTEGER}`;
      client.answer();
      names.forEach((name, i) => client.subscribe(name, i + 1, position));
      const kept = Object.keys(client.answer());
      assert(kept.length >= MAX_SIZE / 6_300, `${kept.length}`);
      assert(kept.join() === names.slice(-kept.length).join(), `${kept.length} others`);
      assertEquals(client.lost, []);
      names.forEach((name, i) => client.subscribe(name, i + 1, position));
      const others = names.slice(0, -kept.length);
      assert(client.lost.join() === others.join(), `${client.lost.length}`);
      // Those that are not known were forgotten.
      client.answer();
      client.subscribe(names.at(-1)!, 1, position);
      client.subscribe(names[0], 2, position);
      assertEquals(client.lost.slice(others.length), [names[0]]);
    }
  });

  it("is what the connection before had, until it is subscribed to again: what is new has to wait", () => {
    const client = new Client();
    client.answer();
    for (let i = 0; i < MAX_TOPICS; i++) client.subscribe(`${i}`, i + 1);
    client.answer();
    client.subscribe("new", 1);
    client.subscribe("0", 2);
    client.state.advance(1, { epoch: "e", number: 7 });
    assertEquals(client.lost, []);
    const positions = client.answer();
    assertEquals([Object.keys(positions).length, positions["new"]], [MAX_TOPICS, undefined]);
    // Now those have to make room that the connection before did not have.
    client.subscribe("new", 1);
    client.subscribe("2", 2);
    client.subscribe("1", 3);
    client.subscribe("newer", 3);
    assertEquals(client.lost, ["1", "new", "3", "1", "4"]);
    assertEquals(client.answer()["new"], "e.1");
  });

  it("is not told for ever of what is new, where it once had too many topics", () => {
    const client = new Client();
    const names = range(0, MAX_TOPICS + 50).map((i) => `topic ${i}`);
    client.answer();
    names.forEach((name, i) => client.subscribe(name, i + 1));
    for (let i = 0; i < 20; i++) {
      client.answer();
      for (let k = 0; k < 20; k++) client.subscribe(`new ${i}/${k}`, k + 1);
    }
    // Those that had to make room are told of; of what is new, a few of 400 at most.
    const wrong = client.lost.filter((name) => name.startsWith("new"));
    assert(wrong.length <= 8, `${wrong.length}`);
    // However late, it is told of what was forgotten.
    client.answer();
    client.subscribe(names[0], 1);
    assertEquals(client.lost.at(-1), names[0]);
    const count = client.lost.length;
    client.answer();
    client.subscribe(names[0], 1);
    client.answer();
    client.subscribe(names[0], 1);
    assertEquals(client.lost.slice(count).filter((name) => name === names[0]), []);
  });

  it("never goes back within an epoch, whatever it is told late", () => {
    const client = new Client();
    client.answer();
    client.subscribe("a", 1, "e.3");
    client.state.advance(1, { epoch: "e", number: 9 });
    client.state.receiveControl({ progress: "e.7" });
    assertEquals(client.answer(), { a: "e.9" });
    client.subscribe("a", 1, "e.9");
    client.state.receiveControl({ progress: "e.12" });
    client.state.receiveControl({ progress: "e.10" });
    assertEquals(client.answer(), { a: "e.12" });
    client.subscribe("a", 1, "f.2");
    client.state.advance(1, { epoch: "f", number: 5 });
    assertEquals(client.answer(), { a: "f.5" });
    client.subscribe("a", 1, "f.1");
    // It lost what was behind it there: the place is the server's.
    assertEquals(client.answer(), { a: "f.1" });
  });

  it("is what is known of each number now", () => {
    const client = new Client();
    client.answer();
    client.subscribe("a", 1);
    client.subscribe("a", 2, "e.2");
    // Number 1 is nobody's any more.
    client.state.advance(1, { epoch: "e", number: 9 });
    client.subscribe("b", 2, "e.3");
    // Nor is number 2 that of a.
    client.state.advance(2, { epoch: "e", number: 4 });
    client.state.receiveControl({ unsubscribed: 1 });
    assertEquals(client.answer(), { a: "e.2", b: "e.4" });
    assertEquals(client.lost, []);
  });

  it("is told once for all topics of a connection, and for no others", () => {
    const client = new Client();
    client.answer();
    for (const [i, name] of ["a", "b", "c", "gone"].entries()) client.subscribe(name, i + 1);
    client.answer();
    client.subscribe("a", 1, "e.2");
    client.subscribe("b", 2, "e.2");
    client.state.receiveControl({ progress: "e.5" });
    client.subscribe("c", 3, null);
    client.subscribe("d", 4, null);
    client.subscribe("a", 1, null);
    client.state.advance(2, { epoch: "e", number: 6 });
    assertEquals(client.answer(), { a: "e.5", b: "e.6", c: "e.1", gone: "e.1" });
    client.subscribe("c", 3, null);
    client.state.receiveControl({ progress: "e.7" });
    assertEquals(client.answer(), { a: "e.5", b: "e.6", c: "e.7", gone: "e.1" });
  });
});

describe("a server that refuses what a client says first", () => {
  /** A client that knows of two topics, and has been connected again. */
  function connected(): Client {
    const client = new Client();
    client.answer();
    client.subscribe("a", 1);
    client.subscribe("b", 2);
    assertEquals(client.begin(), { session: SESSION, positions: { a: "e.1", b: "e.1" } });
    return client;
  }

  for (const code of [1002, 1003, 1007, 1008, 1009, 1011]) {
    it(`is not told it again after ${code}, and the program is told of the topics`, () => {
      const client = connected();
      assertEquals(client.state.end(code, true), true);
      assertEquals(client.begin(), { positions: {} });
      client.state.receiveControl({ session: SESSION, protocol: "" });
      client.subscribe("new", 1);
      client.subscribe("b", 2);
      assertEquals(client.lost, ["b"]);
      assertEquals(client.state.end(code, true), false);
      assertEquals(client.answer(), { new: "e.1", b: "e.1" });
      client.subscribe("a", 3);
      client.subscribe("b", 4);
      assertEquals(client.lost, ["b", "a"]);
    });
  }

  it("has refused it where five connections in a row end before it is answered", () => {
    for (const code of [1000, 1001, 1005, 1006, 1012, 1013, 4000]) {
      const client = connected();
      for (let i = 1; i < 5; i++) {
        assertEquals(client.state.end(code, true), false);
        assertEquals(Object.keys(client.begin().positions), ["a", "b"]);
      }
      assertEquals(client.state.end(code, true), true);
      assertEquals(client.begin(), { positions: {} });
    }
  });

  it("has not refused it where it answered, or the client ended it, or there was nothing to refuse", () => {
    const client = connected();
    for (let i = 0; i < 4; i++) {
      assertEquals(client.state.end(1006, true), false);
      client.begin();
    }
    client.state.receiveControl({ session: SESSION, protocol: "" });
    assertEquals(client.state.end(1008, true), false);
    client.begin();
    assertEquals(client.state.end(1009, false), false);
    // A connection without the subprotocol.
    assertEquals(client.state.end(1009, true), false);
    assertEquals(Object.keys(client.begin().positions), ["a", "b"]);
    const fresh = new Client();
    fresh.begin();
    assertEquals(fresh.state.end(1009, true), false);
  });
});
