/**
 * Whole servers in memory: a client that sends what it likes, as it likes, to a program that does what
 * it likes. Where both are calm, it is known what must come of it; in any case nothing may be left.
 */

import { assertEquals } from "@std/assert";
import type { Connection, ServeOptions } from "../../src/server/mod.ts";
import { Random } from "../codec/support.ts";
import { describeMessage } from "../protocol/events.ts";
import { receivePlainly } from "../protocol/reference_receiver.ts";
import type { MemorySocket } from "../support/memory_channel.ts";
import type { RawClient } from "../support/raw_client.ts";
import { concatBytes } from "../support/reference_frames.ts";
import { httpRequest, upgradeRequest } from "../support/requests.ts";
import { type MemoryHarness, type Setup, withMemoryServer } from "../support/transports.ts";
import { settle } from "../support/turn.ts";
import { watch, type Watched } from "../support/watch.ts";
import {
  checkConversation,
  closingOf,
  type ConversationInput,
  cut,
  interfere,
  LIMITS,
  messagesOf,
  misbehave,
  PROGRAM_ERROR,
  showInput,
  streamOfPieces,
  until,
  untilQuiet,
} from "./conversation.ts";
import { makeSession, makeStream } from "./frame_streams.ts";
import { asLatin1, readOutput } from "./output.ts";
import { readHead } from "./reference_head.ts";
import {
  isMeantAsUpgrade,
  isOwnTarget,
  readContentLength,
  readHost,
  readUpgrade,
} from "./reference_upgrade.ts";
import { mutateHead } from "./request_heads.ts";
import { check, type Target } from "./target.ts";
import { latin1 } from "../support/raw_client.ts";

const HEAD_LIMITS = { maxHeadSize: 400, maxLineSize: 120, maxFields: 9 };
const MAX_BODY_SIZE = 20;
/** The methods that reach the program. */
const METHODS = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];

/** What other clients ask for. */
const OTHER_TARGET = "/other";

export const SERVERS: Target<ConversationInput> = {
  make(random) {
    let head = random.below(10) === 0
      ? httpRequest({
        method: random.pick(["GET", "POST", "HEAD", "TRACE"]),
        headers: {
          "Content-Length": random.pick(["0", "5", "20", "21", "x", undefined]),
          "Transfer-Encoding": random.pick([undefined, undefined, undefined, "chunked", "gzip"]),
        },
      })
      : upgradeRequest();
    if (random.below(6) === 0) head = mutateHead(head, random);
    return {
      head,
      bytes: random.below(2) === 0 ? makeStream(true, random) : makeSession(random),
      isCalm: random.below(2) === 0,
      seed: random.below(2 ** 31),
    };
  },

  async check(input) {
    const { setup, record } = createProgram(input);
    let outcome = "";
    await withMemoryServer(setup, async (server) => {
      const client = await server.connect();
      const random = new Random(input.seed);
      try {
        const exchange = new Exchange(input, server, client, record, random);
        outcome = await (input.isCalm ? exchange.playCalmly() : exchange.playWildly());
      } catch (error) {
        throw new Error(`${error}: ${record.way}, ${record.hook} ${showInput(input)}`, {
          cause: error,
        });
      }
    });
    return outcome;
  },
};

/** What is known of the program. */
interface Program {
  /** What the upgrade hook does. */
  hook: "none" | "accepts" | "refuses" | "throws" | "lies" | "hangs";
  hasFetch: boolean;
  /** How it receives messages, which it sends back. */
  way: string;
  /** The messages it got, where it takes whole ones. */
  lines: string[] | undefined;
  conn: Connection | undefined;
  closed: Watched<Awaited<Connection["closed"]>> | undefined;
}

function createProgram(
  { isCalm, seed }: ConversationInput,
): { setup: Setup<unknown>; record: Program } {
  const random = new Random(seed + 1);
  const record: Program = {
    hook: random.below(4) > 0
      ? random.pick(["none", "accepts"])
      : random.pick(["accepts", "refuses", "throws", "lies", "hangs"]),
    hasFetch: random.below(2) === 0,
    way: "",
    lines: undefined,
    conn: undefined,
    closed: undefined,
  };
  const options: ServeOptions = {
    ...{ maxHeadSize: HEAD_LIMITS.maxHeadSize, maxHeadLineSize: HEAD_LIMITS.maxLineSize },
    ...{ maxHeadFields: HEAD_LIMITS.maxFields, maxRequestBodySize: MAX_BODY_SIZE },
    limits: {
      ...LIMITS,
      receiveQueueMessages: 1 + random.below(4),
      receiveQueueSize: 1 + random.below(500),
      sendHighWaterMark: random.below(500),
      sendQueueSize: isCalm ? 100_000 : random.below(2000),
      sendQueueOverflow: isCalm ? "wait" : random.pick(["close", "drop", "wait"]),
    },
    upgrade: createHook(record.hook, random),
    fetch: record.hasFetch ? createFetch(isCalm, random) : undefined,
  };
  if (!isCalm) {
    if (random.below(2) === 0) {
      const [intervalMs, timeoutMs] = [1 + random.below(3000), 1 + random.below(3000)];
      options.keepAlive = { intervalMs, timeoutMs };
    }
    if (random.below(3) === 0) {
      options.rateLimits = {
        bytesPerSecond: 1 + random.below(500),
        messagesPerSecond: 1 + random.below(5),
        controlFramesPerSecond: 1 + random.below(5),
        onExceeded: random.pick(["pause", "close"]),
      };
    }
    if (random.below(4) === 0) {
      options.memoryBudget = { size: 1 + random.below(2000), sizePerConnection: random.below(500) };
    }
    if (random.below(8) === 0) options.maxConnections = random.below(2);
  }
  return { setup: { ...options, ...createReceiver(record, isCalm, random) }, record };
}

function createHook(kind: Program["hook"], random: Random): ServeOptions["upgrade"] {
  const isLate = random.below(2) === 0;
  if (kind === "none") return undefined;
  return async (_request, { signal }) => {
    if (isLate) await settle(random.below(3));
    if (kind === "refuses") return new Response("no", { status: 403 });
    if (kind === "throws") throw PROGRAM_ERROR;
    if (kind === "lies") return { protocol: "not offered" };
    if (kind === "hangs") {
      return await new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason));
      });
    }
    return { headers: { "X-A": "b" }, data: 1 };
  };
}

function createFetch(isCalm: boolean, random: Random): ServeOptions["fetch"] {
  return async (request) => {
    const body = await request.text();
    check(body.length <= MAX_BODY_SIZE, () => "too large a body");
    if (!isCalm && random.below(4) === 0) throw PROGRAM_ERROR;
    if (!isCalm && random.below(2) === 0) return new Response(streamOfPieces(random));
    return new Response("x".repeat(random.below(3) * 100));
  };
}

/** Ways to receive; a program that is not calm does other things too. */
function createReceiver(record: Program, isCalm: boolean, random: Random): Setup<unknown> {
  const keep = (conn: Connection) => {
    if (new URL(conn.request.url).pathname === OTHER_TARGET) return;
    record.conn = conn;
    record.closed = watch(conn.closed);
  };
  const receive = (conn: Connection, data: string | Uint8Array) => {
    if (conn !== record.conn) return;
    record.lines!.push(describeMessage(typeof data === "string" ? "text" : "binary", data));
  };
  const act = async (conn: Connection) => {
    if (!isCalm) await misbehave(conn, random);
  };
  const way = random.below(5);
  record.way = ["messages", "async callback", "iteration", "callback", "streams"][way];
  if (way === 0) {
    return {
      async handler(conn) {
        keep(conn);
        for await (const { type, body } of conn.messages()) {
          await act(conn);
          const kind = isCalm ? 0 : random.below(4);
          if (kind === 0) await conn.sendStream(type, body);
          else if (kind === 1) await body.cancel();
          else if (kind === 2) await conn.send(await new Response(body).bytes());
        }
      },
    };
  }
  if (way < 4) record.lines = [];
  if (way === 1) {
    return {
      open: keep,
      async message(conn, data) {
        receive(conn, data);
        await act(conn);
        await conn.send(data);
      },
    };
  }
  if (way === 2) {
    return {
      async handler(conn) {
        keep(conn);
        for await (const message of conn) {
          receive(conn, message);
          await act(conn);
          await conn.send(message);
        }
      },
    };
  }
  if (way === 3) {
    return {
      open: keep,
      message(conn, data) {
        receive(conn, data);
        if (!isCalm && random.below(50) === 0) throw PROGRAM_ERROR;
        conn.send(data).catch(() => {});
      },
      drain(conn) {
        if (!isCalm && random.below(2) === 0) conn.trySend("");
      },
      close() {
        if (!isCalm && random.below(4) === 0) throw PROGRAM_ERROR;
      },
    };
  }
  return {
    async handler(conn) {
      keep(conn);
      await conn.readable.pipeTo(conn.writable);
    },
  };
}

/** One client, and what comes back. */
class Exchange {
  readonly input: ConversationInput;
  readonly server: MemoryHarness<unknown>;
  readonly client: RawClient<MemorySocket>;
  readonly record: Program;
  readonly random: Random;
  #isCrowded = false;

  constructor(
    input: ConversationInput,
    server: MemoryHarness<unknown>,
    client: RawClient<MemorySocket>,
    record: Program,
    random: Random,
  ) {
    this.input = input;
    this.server = server;
    this.client = client;
    this.record = record;
    this.random = random;
  }

  /** Everything that is sent. */
  get #sent(): Uint8Array {
    return concatBytes([latin1(this.input.head), this.input.bytes]);
  }

  #pieces(): Uint8Array[] {
    return this.random.below(4) === 0 ? [this.#sent] : cut(this.#sent, this.random);
  }

  // ---- Where it is known what must happen ----

  async playCalmly(): Promise<string> {
    const { client, random, server } = this;
    const isSlow = random.below(3) === 0;
    if (isSlow) client.socket.takeSlowly(1 + random.below(300));
    for (const piece of this.#pieces()) {
      client.send(piece);
      if (random.below(8) === 0) await settle(1);
    }
    const expected = this.#expectResponse();
    if (expected === "incomplete") {
      // A head that is only begun is answered when the time is over, or the client ends.
      await server.clock.advance(random.below(9000));
      assertEquals(client.receivedSize, 0);
      client.socket.end();
      await this.#untilEnd();
      const whole = await client.readToEnd();
      if (this.#sent.length > 0) assertEquals(statusOf(whole), 400);
      await this.#end();
      return expected;
    }
    const hangs = this.record.hook === "hangs" && expected.statuses.has(101);
    if (hangs) await server.clock.advance(10_000);
    await until("an answer", () => client.receivedSize > 0 || client.isClosed);
    const { status } = await client.readHead();
    const statuses = [...expected.statuses];
    check(
      hangs ? status === 408 : expected.statuses.has(status),
      () => `status ${status} instead of ${statuses}`,
    );
    if (status !== 101) {
      await this.#untilEnd();
      await this.#end();
      return `${status}`;
    }
    return await this.#checkConversation(this.#sent.subarray(expected.consumed), isSlow);
  }

  /** The statuses that the answer may have, or that there is none. */
  #expectResponse(): "incomplete" | { statuses: Set<number>; consumed: number } {
    const sent = this.#sent;
    const head = readHead(asLatin1(sent.subarray(0, 500)), HEAD_LIMITS);
    if (head === "incomplete") return head;
    if ("statuses" in head) return { statuses: new Set(head.statuses), consumed: 0 };
    const { consumed } = head;
    const { hook, hasFetch } = this.record;
    const request = { ...head, secure: false, origin: "same" as const };
    if (isMeantAsUpgrade(head)) {
      const upgrade = readUpgrade(request);
      if ("statuses" in upgrade) return { statuses: upgrade.statuses, consumed };
      const status = hook === "refuses" ? 403 : hook === "throws" || hook === "lies" ? 500 : 101;
      return { statuses: new Set([status]), consumed };
    }
    const statuses = new Set<number>();
    const host = readHost(request);
    const body = readContentLength(head);
    const length = "statuses" in body ? 0 : body.length ?? 0;
    if (host === undefined) statuses.add(400);
    if ("statuses" in body) body.statuses.forEach((status) => statuses.add(status));
    if (!hasFetch) {
      if (statuses.size === 0) statuses.add(426);
      return { statuses, consumed };
    }
    if (!isOwnTarget(request, host)) statuses.add(400);
    if (!METHODS.includes(head.method)) statuses.add(501);
    if (length > 0 && (head.method === "GET" || head.method === "HEAD")) statuses.add(400);
    if (length > MAX_BODY_SIZE) statuses.add(413);
    if (statuses.size === 0) {
      if (sent.length - consumed < length) return "incomplete";
      statuses.add(200);
    }
    return { statuses, consumed };
  }

  /** Checks what becomes of the frames. */
  async #checkConversation(bytes: Uint8Array, isSlow: boolean): Promise<string> {
    const { client, record } = this;
    const expected = receivePlainly(bytes, { masked: true, ...LIMITS });
    await untilQuiet(client, record.lines);
    if (expected.closeCode === undefined && closingOf(expected) === undefined) {
      check(record.conn?.state === "open", () => `${record.conn?.state} instead of open`);
    }
    if (!client.hasSentEnd) client.socket.end();
    await this.#untilEnd();
    const output = readOutput(await client.readToEnd(), "server");
    await this.#end();

    return checkConversation(
      expected,
      output,
      record.closed!.value!,
      record.lines,
      isSlow,
      record.way === "messages",
    );
  }

  async #untilEnd(): Promise<void> {
    await until("the end", () => this.client.hasEnded || this.client.isClosed);
  }

  // ---- Where it is not ----

  async playWildly(): Promise<string> {
    const { client, random, server } = this;
    await this.#crowd();
    let sent = 0;
    const pieces = this.#pieces();
    if (random.below(3) > 0) {
      const [head, bytes] = [latin1(this.input.head), this.input.bytes];
      pieces.splice(0, pieces.length, head, ...cut(bytes, random));
    }
    const isPatient = random.below(4) > 0;
    for (const piece of pieces) {
      if (isPatient && sent === this.input.head.length) await this.#untilAnswered();
      if (random.below(20) === 0) this.#interfere();
      if (client.hasSentEnd) break;
      client.send(piece);
      sent += piece.length;
      if (random.below(4) === 0) await settle(random.below(3));
      if (random.below(30) === 0) await server.clock.advance(random.below(12_000));
    }
    if (random.below(2) === 0) this.#interfere();
    await settle(random.below(4));
    if (!client.hasSentEnd) random.below(2) === 0 ? client.socket.end() : client.socket.reset();
    const output = await this.#end();
    this.#checkProgram(sent, output);
    return this.record.conn === undefined ? "wild without a WebSocket" : "wild";
  }

  /** Has others take a part of the server's memory. */
  async #crowd(): Promise<void> {
    const { random, server } = this;
    if (random.below(3) > 0) return;
    this.#isCrowded = true;
    for (let count = 1 + random.below(3); count > 0; count--) {
      const other = await server.connect();
      if (random.below(2) === 0) other.socket.takeSlowly(1 + random.below(50));
      const session = makeSession(random);
      const request = upgradeRequest({ target: OTHER_TARGET });
      other.send(request.slice(0, random.pick([10, 1000, 1000])));
      other.send(session.subarray(0, random.below(session.length)));
    }
  }

  /** Waits for the accept key, which is computed elsewhere. */
  async #untilAnswered(): Promise<void> {
    const { client } = this;
    for (let i = 0; i < 20 && client.receivedSize === 0 && !client.hasSentEnd; i++) await settle(1);
  }

  #interfere(): void {
    const { client, random, server } = this;
    interfere(client, random, () => {
      if (random.below(4) === 0) void server.server.shutdown();
    });
  }

  /** Checks that the program was told the truth, as far as it got. */
  #checkProgram(sentLength: number, output: Uint8Array): void {
    const { record } = this;
    const sent = this.#sent.subarray(0, sentLength);
    const head = readHead(asLatin1(sent.subarray(0, 500)), HEAD_LIMITS);
    if (record.conn === undefined) {
      const status = statusOf(output);
      const known = [101, 200, 400, 403, 405, 408, 411, 413, 414, 426, 431, 500, 501, 503, 505];
      check(status === undefined || known.includes(status), () => `status ${status}`);
      return;
    }
    check(typeof head === "object" && "consumed" in head, () => "a WebSocket without a request");
    const expected = receivePlainly(sent.subarray(head.consumed), { masked: true, ...LIMITS });
    if (record.lines !== undefined) {
      assertEquals(record.lines, messagesOf(expected).slice(0, record.lines.length));
    }
    const { closeCode, initiator, wasClean, reason } = record.closed!.value!;
    const closing = closingOf(expected);
    // Behind its own Close frame a side does not look at messages: it can see a Close behind wrong ones.
    if (wasClean && initiator === "remote") check(closing !== undefined, () => "no Close");
    if (initiator === "remote" && closeCode !== 1006) {
      assertEquals(`close ${closeCode} ${JSON.stringify(reason)}`, closing);
    }
    const codes = [expected.closeCode, 1000, 1001, 1006, 1008, 1011, 1013, 4000];
    if (initiator === "local") check(codes.includes(closeCode), () => `code ${closeCode}`);
    const end = asLatin1(output).indexOf("\r\n\r\n");
    if (end !== -1) readOutput(output.subarray(end + 4), "server");
  }

  /** Ends everything, and checks that nothing is left. Gives what was received. */
  async #end(): Promise<Uint8Array> {
    const { client, server, record } = this;
    if (!client.hasSentEnd) client.socket.end();
    await settle(1);
    if (this.input.isCalm) {
      await until("the connection to be closed", () => client.isClosed);
    }
    // Nothing waits for a time once all connections have ended.
    if (client.isClosed && !this.#isCrowded && server.server.connections.size === 0) {
      await settle(1);
      check(server.clock.pending.length === 0, () => `timers are left: ${server.clock.pending}`);
    }
    await server.clock.advance(100_000);
    // A program that does not receive does not see its client's end.
    record.conn?.abort();
    await settle(1);
    server.resetClients();
    await settle(2);
    const output = await client.readBytes(client.unreadSize);
    for (const error of server.takeErrors()) {
      const isLie = this.record.hook === "lies" && error instanceof TypeError;
      check(error === PROGRAM_ERROR || isLie, () => `an error was reported: ${error}`);
    }
    check(server.server.connections.size === 0, () => "a connection is left");
    check(server.server.stats().heldSize === 0, () => "bytes are counted still");
    check(server.clock.pending.length === 0, () => `timers are left: ${server.clock.pending}`);
    if (record.conn !== undefined) {
      check(record.closed!.state === "resolved", () => "closed is pending");
      check(record.conn.state === "closed" && record.conn.bufferedAmount === 0, () => "not closed");
    }
    return output;
  }
}

/** The status of the response that the bytes begin with. */
function statusOf(bytes: Uint8Array): number | undefined {
  const match = /^HTTP\/1\.1 ([0-9]{3}) .*\r\n/.exec(asLatin1(bytes.subarray(0, 100)));
  return match === null ? undefined : Number(match[1]);
}
