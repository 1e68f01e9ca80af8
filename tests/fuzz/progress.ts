/**
 * Servers and clients in memory that send each other numbered messages in all ways, with small queues, rates and
 * budgets, on a network that stalls and a clock that jumps at any look at it. Nothing may wait for ever: once the
 * network flows and the time goes on, each of them has all that was sent to it, nothing that a program waits for
 * is pending, and a connection that is closed comes to its end without a deadline.
 */

import { createReconnecting } from "../../src/client/reconnecting.ts";
import type { ConnectOptions } from "../../src/client/options.ts";
import type {
  Connection,
  ConnectionCallbacks,
  ConnectionOptions,
  Message,
  Server,
  ServerConnection,
} from "../../src/server/mod.ts";
import { FakeClock } from "../../src/testing/fake_clock.ts";
import { type Link, randomSizes } from "../../src/testing/link.ts";
import { MemoryNetwork } from "../../src/testing/memory_network.ts";
import { STYLES } from "../client/resuming_peer.ts";
import { Random } from "../codec/support.ts";
import { NUMBERED } from "../layers/layers.ts";
import { settle } from "../support/turn.ts";
import { check, type Target } from "./target.ts";

/** What follows from a seed. */
interface ProgressInput {
  seed: number;
}

const TOPICS = ["x", "y"];
const STYLE_NAMES = Object.keys(STYLES);
/** How long everything may take once the network flows, in seconds of the clock: rates make it wait. */
const MAX_SECONDS = 600;

/** A clock that jumps, as in a busy process: from one look to the next. */
class JumpingClock extends FakeClock {
  readonly #random: Random;
  /** One of so many looks sees a jump. */
  readonly #rarity: number;
  #jumpedMs = 0;

  constructor(random: Random) {
    super();
    this.#random = random;
    this.#rarity = random.pick([3, 30, Infinity]);
  }

  override now(): number {
    if (this.#random.below(this.#rarity) === 0) {
      this.#jumpedMs += this.#random.pick([0.01, 0.4, 3, 11, 60, 300]);
    }
    return super.now() + this.#jumpedMs;
  }
}

/** One side of a connection: what it sends, and what it got. */
class Side {
  readonly name: string;
  readonly callbacks: ConnectionCallbacks;
  conn: Connection | undefined;
  /** How many messages of each kind were sent to the other side, and came from it. */
  readonly sent: Map<string, number> = new Map();
  readonly received: Map<string, number> = new Map();
  /** What the program waits for. */
  readonly pending: Set<string> = new Set();
  readonly #random: Random;
  readonly #style: string;
  #drained = Promise.withResolvers<void>();
  /** Whether its program does nothing more by itself. */
  isQuiet = false;
  /** Called within the next message. */
  onTake: (() => void) | undefined;
  other!: Side;

  constructor(name: string, style: string, random: Random) {
    this.name = name;
    this.#random = random;
    this.#style = style;
    const drain = () => {
      this.#drained.resolve();
      this.#drained = Promise.withResolvers();
    };
    const given = STYLES[this.#style].callbacks?.((data) => this.#take(data));
    this.callbacks = given === undefined ? {} : { ...given, drain };
  }

  get hasCallbacks(): boolean {
    return this.callbacks.message !== undefined;
  }

  /** Handles the connection until its end. */
  async run(conn: Connection): Promise<void> {
    this.conn = conn;
    const received = STYLES[this.#style].receive(conn, (data) => this.#take(data));
    this.#track("receiving", Promise.resolve(received));
    await conn.closed;
  }

  /** Sends a lot, in any way. */
  async send(count: number): Promise<void> {
    for (; count > 0 && this.conn!.state === "open"; count--) await this.#sendOnce();
  }

  #track(what: string, promise: Promise<unknown>): Promise<void> {
    const name = `${what} ${this.pending.size}`;
    this.pending.add(name);
    const done = () => void this.pending.delete(name);
    return promise.then(done, done);
  }

  /** Makes the next message of a kind, without counting it. */
  #make(kind: string): string {
    const size = this.#random.pick([0, 20, 20, 300, 3_000]);
    return `${kind} ${(this.sent.get(kind) ?? 0) + 1} `.padEnd(size, ".");
  }

  #next(kind = "m"): string {
    const text = this.#make(kind);
    this.sent.set(kind, (this.sent.get(kind) ?? 0) + 1);
    return text;
  }

  async #sendOnce(): Promise<void> {
    const conn = this.conn!;
    const random = this.#random;
    switch (random.below(9)) {
      case 0:
        return await this.#track("send", conn.send(this.#next()));
      case 1:
        void this.#track("send", conn.send(new TextEncoder().encode(this.#next())));
        return;
      case 2: {
        let result = conn.trySend(this.#make("try"));
        while (result === "dropped") {
          if (this.hasCallbacks) {
            await this.#track("drain", Promise.race([this.#drained.promise, conn.closed]));
          } else await settle(1);
          result = conn.trySend(this.#make("try"));
        }
        if (result !== "closed") this.#next("try");
        return;
      }
      case 3: {
        const text = this.#next();
        const at = random.below(text.length);
        const stream = slowStreamOf([text.slice(0, at), text.slice(at)], random.below(4));
        const sent = this.#track("sendStream", conn.sendStream("text", stream));
        return random.below(2) === 0 ? await sent : undefined;
      }
      case 4: {
        if (conn.writable.locked) return;
        const writer = conn.writable.getWriter();
        writer.closed.catch(() => {});
        writer.ready.catch(() => {});
        const written = this.#track("write", writer.write(this.#next("written")));
        writer.releaseLock();
        return await written;
      }
      case 5:
        void this.#track("ping", conn.ping());
        return;
      default:
        await settle(random.below(3));
    }
  }

  #take(data: Message): Promise<void> | void {
    const text = typeof data === "string" ? data : new TextDecoder().decode(data);
    const [kind, number] = text.split(" ", 2);
    const before = this.received.get(kind) ?? 0;
    check(Number(number) === before + 1, () => `${this} got ${kind} ${number} after ${before}`);
    this.received.set(kind, before + 1);
    this.onTake?.();
    this.onTake = undefined;
    const conn = this.conn;
    if (conn === undefined || this.isQuiet) return;
    switch (this.#random.below(8)) {
      case 0:
        void this.#track("send", conn.send(this.#next()));
        break;
      case 1:
        void this.#track("ping", conn.ping());
        break;
      case 2:
        return settle(1);
    }
  }

  /** What is missing still. */
  get missing(): string[] {
    const { conn, other } = this;
    const missing = [...other.sent].filter(([kind, count]) => this.received.get(kind) !== count)
      .map(([kind, count]) => `${kind} ${this.received.get(kind) ?? 0} of ${count}`);
    if ((conn?.bufferedAmount ?? 0) > 0) missing.push(`${conn!.bufferedAmount} bytes are buffered`);
    for (const what of this.pending) if (!what.startsWith("receiving")) missing.push(what);
    return missing;
  }

  toString(): string {
    return `${this.name} (${this.#style})`;
  }
}

/** A stream that gives each piece after some turns. */
function slowStreamOf(pieces: string[], turns: number): ReadableStream<string> {
  return new ReadableStream({
    async pull(controller) {
      await settle(turns);
      const piece = pieces.shift();
      if (piece === undefined) controller.close();
      else controller.enqueue(piece);
    },
  });
}

function pickOptions(
  random: Random,
): ConnectionOptions & { compression?: ConnectOptions["compression"] } {
  const isRated = random.below(3) === 0;
  return {
    limits: {
      receiveQueueMessages: random.pick([1, 2, 16]),
      receiveQueueSize: random.pick([1, 100, 5_000, 1_000_000]),
      sendHighWaterMark: random.pick([0, 1, 100, 5_000, 65_536]),
      sendQueueSize: random.pick([0, 5_000, 1_000_000]),
      sendQueueOverflow: "wait",
    },
    rateLimits: isRated
      ? {
        messagesPerSecond: random.pick([2, 10, 1_000, Infinity]),
        bytesPerSecond: random.pick([1_000, 50_000, Infinity]),
        controlFramesPerSecond: random.pick([1, 5, Infinity]),
        inflatedBytesPerSecond: random.pick([1_000, 50_000, Infinity]),
      }
      : undefined,
    keepAlive: random.pick([false, { intervalMs: 2_500, timeoutMs: Infinity }]),
    // A deadline would hide that something waits in vain.
    closeTimeoutMs: Infinity,
    compression: random.pick([false, { threshold: 0 }, { threshold: 200, contextTakeover: true }]),
  };
}

/** A server, its clients, and all that happens to them. */
class Play {
  readonly #random: Random;
  readonly #clock: JumpingClock;
  readonly #links: Link[] = [];
  readonly #network: MemoryNetwork;
  readonly #sides: Side[] = [];
  readonly #errors: unknown[] = [];
  #isLayered = false;
  /** Whether programs close and abort, and links are lost, at any moment. */
  #isInterrupted = false;
  #server!: Server;
  readonly #returns: (() => unknown)[] = [];

  constructor(random: Random) {
    this.#random = random;
    this.#clock = new JumpingClock(random);
    this.#network = new MemoryNetwork({
      clock: this.#clock,
      onLink: (link) => {
        this.#links.push(link);
        for (const wire of [link.toServer, link.toClient]) {
          if (random.below(2) === 0) wire.pieceSize = randomSizes(random.below(2 ** 31), 300);
          wire.capacity = random.pick([0, 100, 5_000, 65_536]);
          wire.delayMs = random.pick([0, 0, 1, 40]);
        }
      },
    });
  }

  async run(): Promise<string> {
    const random = this.#random;
    const count = random.pick([1, 1, 3]);
    // All connections of a server are received from in the same way.
    const style = random.pick(STYLE_NAMES);
    const sides = Array.from({ length: count }, (_, i) => new Side(`server ${i}`, style, random));
    const hasBudget = random.below(4) === 0;
    const opened: ServerConnection[] = [];
    this.#isLayered = random.below(3) === 0;
    this.#isInterrupted = random.below(3) === 0;
    const options = {
      ...pickOptions(random),
      layers: this.#isLayered ? [NUMBERED] : [],
      ...(hasBudget ? { memoryBudget: { size: 3_000, sizePerConnection: 1_000 } } : {}),
      port: 80,
      resume: random.below(2) === 0,
      onError: (error: unknown) => void this.#errors.push(error),
    };
    const sideOf = (conn: Connection) => sides[Number(new URL(conn.request.url).pathname.slice(1))];
    const begin = (conn: ServerConnection) => {
      opened.push(conn);
      for (const topic of TOPICS) {
        conn.subscribe(topic, { lag: "drop-oldest", queueSize: Infinity });
      }
      return sideOf(conn).run(conn);
    };
    this.#server = sides[0].hasCallbacks
      ? await this.#network.serve({
        ...options,
        open: (conn) => void begin(conn),
        message: (conn, data) => sideOf(conn).callbacks.message!(conn, data),
        drain: (conn) => sideOf(conn).callbacks.drain!(conn),
      })
      : await this.#network.serve(options, begin);
    for (const side of sides) {
      await this.#connect(
        side,
        new Side(side.name.replace("server", "client"), random.pick(STYLE_NAMES), random),
      );
    }
    const isLost = () => this.#sides.some(({ conn }) => conn?.state === "closed");
    await this.#until("the beginning", () => opened.length === count || isLost());
    if (opened.length < count) {
      check(hasBudget, () => `${this.#describe()} did not begin`);
      await this.#finish();
      return "closed for memory";
    }
    await this.#play();
    return await this.#end(hasBudget);
  }

  async #connect(server: Side, client: Side): Promise<void> {
    const random = this.#random;
    [server.other, client.other] = [client, server];
    this.#sides.push(server, client);
    const isLayered = this.#isLayered && random.below(2) === 0;
    const options = {
      ...pickOptions(random),
      layers: isLayered ? [NUMBERED] : [],
      onError: (error: unknown) => void this.#errors.push(error),
    };
    const url = `ws://server.example/${server.name.split(" ")[1]}`;
    let conn: Connection | undefined;
    const onConnected = (opened: Connection) => {
      conn = opened;
      void client.run(opened);
    };
    if (random.below(3) === 0) {
      const resume = random.below(2) === 0 && !isLayered;
      const reconnecting = createReconnecting(this.#network.connect, this.#clock, () => 0.5);
      const conns = reconnecting(url, { ...options, ...client.callbacks as object, resume });
      void conns.next().then(
        ({ value }) => onConnected(value!),
        (error) => this.#errors.push(error),
      );
      this.#returns.push(() => conns.return());
    } else {
      void this.#network.connect(url, { ...options, ...client.callbacks as object })
        .then(onConnected, (error) => this.#errors.push(error));
    }
    await this.#until("a connection", () => conn !== undefined);
  }

  async #play(): Promise<void> {
    const random = this.#random;
    const running = this.#sides.map((side) => side.send(random.pick([0, 1, 3, 25])));
    const publish = () => {
      const topic = random.pick(TOPICS);
      const number = this.#published(topic);
      this.#server.publish(topic, `${topic} ${number} `.padEnd(random.pick([0, 300, 3_000]), "."));
    };
    for (let step = random.pick([3, 10, 40]); step > 0; step--) {
      const link = random.pick(this.#links);
      const wire = random.pick([link.toServer, link.toClient]);
      switch (random.below(9)) {
        case 0:
          wire.stall();
          break;
        case 1:
          wire.flow();
          break;
        case 2:
          await this.#clock.advance(random.pick([0, 1, 50, 1_100]));
          break;
        case 3:
        case 4:
          await settle(1);
          break;
        case 5:
          void random.pick(this.#sides).send(1);
          break;
        case 6:
          if (this.#isInterrupted && random.below(4) === 0) this.#interrupt(link);
          break;
        default:
          publish();
      }
    }
    for (const link of this.#links) {
      link.toServer.flow();
      link.toClient.flow();
    }
    let isSent = false;
    void Promise.all(running).then(() => isSent = true);
    await this.#until("all to be sent", () => isSent);
    for (const side of this.#sides) side.isQuiet = true;
    const isOver = () =>
      this.#sides.every((side) => this.#isOver(side) || side.missing.length === 0);
    await this.#until("all to arrive", isOver);
  }

  /** Ends something, or has a program do so when it receives next. */
  #interrupt(link: Link): void {
    const random = this.#random;
    const side = random.pick(this.#sides);
    const end = random.pick([
      () => void side.conn!.close(),
      () => void side.conn!.close(),
      () => side.conn!.abort(),
      () => void this.#server.shutdown({ timeoutMs: Infinity }),
      () => link.toClient.resetAfter(random.below(500)),
      () => link.toServer.endAfter(random.below(500)),
    ]);
    if (random.below(2) === 0) end();
    else side.onTake = end;
  }

  /** The number of the next message of a topic, which all clients get that are there. */
  #published(topic: string): number {
    const number = Math.max(0, ...this.#sides.map(({ sent }) => sent.get(topic) ?? 0)) + 1;
    for (const { name, sent } of this.#sides) {
      if (name.startsWith("server")) sent.set(topic, number);
    }
    return number;
  }

  #isOver({ conn, other }: Side): boolean {
    return conn?.state === "closed" || other.conn?.state === "closed";
  }

  /** Closes all, from either side. */
  async #end(hasBudget: boolean): Promise<string> {
    const random = this.#random;
    const open = this.#sides.filter((side) => !this.#isOver(side));
    const ends = await Promise.all(
      this.#sides.map(({ conn }) => conn!.state === "closed" ? conn!.closed : undefined),
    );
    const areAllOpen = open.length === this.#sides.length;
    check(
      hasBudget || areAllOpen || this.#isInterrupted,
      () => `${JSON.stringify(ends)} ended: ${this.#describe()}`,
    );
    const isShutDown = random.below(3) === 0;
    if (isShutDown) {
      void this.#server.shutdown({ timeoutMs: Infinity, spreadMs: random.pick([0, 500]) });
    }
    for (const side of open) {
      // Both at once, or one of them.
      if (!isShutDown && (side.name.startsWith("server") || random.below(2) === 0)) {
        void side.conn!.close();
      }
    }
    await this.#until(
      "the end",
      () =>
        this.#sides.every(({ conn, pending }) => conn!.state === "closed" && pending.size === 0),
    );
    for (const { conn } of open) {
      const { wasClean } = await conn!.closed;
      check(wasClean || this.#isInterrupted, () => `${this.#describe()} ended uncleanly`);
    }
    await this.#finish();
    if (this.#isInterrupted) return "ended early";
    return areAllOpen ? "all arrived" : "closed for memory";
  }

  /** Shuts down, and checks that nothing is left. */
  async #finish(): Promise<void> {
    for (const end of this.#returns) end();
    let isFinished = false;
    void this.#server.shutdown().then(() => isFinished = true);
    await this.#until("the shutdown", () => isFinished);
    check(this.#errors.length === 0, () => `reported: ${this.#errors}`);
    check(this.#server.stats().heldSize === 0, () => "bytes are counted still");
  }

  async #until(what: string, holds: () => boolean): Promise<void> {
    for (let turns = 0; !holds(); turns++) {
      check(this.#errors.length === 0, () => `reported: ${this.#errors}`);
      if (turns >= 50 + MAX_SECONDS) throw new Error(`Waited for ${what}: ${this.#describe()}`);
      await (turns < 50 ? settle(1) : this.#clock.advance(1_000));
    }
  }

  #describe(): string {
    return this.#sides.map((side) =>
      `${side} ${side.conn?.state}, misses ${side.missing}, ${[
        ...side.pending,
      ]}`
    ).join("; ");
  }
}

export const PROGRESS: Target<ProgressInput> = {
  make: (random) => ({ seed: random.below(2 ** 31) }),
  check: ({ seed }) => new Play(new Random(seed)).run(),
};
