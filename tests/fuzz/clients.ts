/**
 * Whole clients in memory: a server, or a proxy, that sends what it likes, as it likes, to a program that
 * does what it likes. Where both are calm, it is known what must come of it; in any case nothing may be
 * left.
 */

import { assertEquals } from "@std/assert";
import type { ConnectOptions } from "../../src/client/options.ts";
import type { Connection, ConnectionCallbacks } from "../../src/connection/connection.ts";
import { ConnectError, UnexpectedResponseError } from "../../src/errors.ts";
import { acceptOf, type ScriptedPeer, ScriptedServer } from "../client/scripted_server.ts";
import { Random } from "../codec/support.ts";
import { describeMessage } from "../protocol/events.ts";
import { receivePlainly } from "../protocol/reference_receiver.ts";
import { concatBytes } from "../support/reference_frames.ts";
import { settle } from "../support/turn.ts";
import { watch, type Watched } from "../support/watch.ts";
import {
  checkConversation,
  closingOf,
  type ConversationInput,
  cut,
  interfere,
  LIMITS,
  misbehave,
  PROGRAM_ERROR,
  showInput,
  until,
  untilQuiet,
} from "./conversation.ts";
import { makeSession, makeStream } from "./frame_streams.ts";
import { asLatin1, readOutput } from "./output.ts";
import { type AnswerHead, readAnswer, readUpgradeAnswer } from "./reference_answer.ts";
import { mutateHead } from "./request_heads.ts";
import { check, type Target } from "./target.ts";
import { latin1 } from "../support/raw_client.ts";

const HEAD_LIMITS = { maxHeadSize: 400, maxLineSize: 8192, maxFields: 100 };
const MAX_INTERIM = 8;
const MAX_BODY_SIZE = 16 * 1024;
/** What stands for the value of `Sec-WebSocket-Accept`, which depends on the request. */
const ACCEPT = "{accept}";

/** What the program aborts with. */
const ABORTED = new Error("The program aborts");

const SWITCHING = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n" +
  `Connection: Upgrade\r\nSec-WebSocket-Accept: ${ACCEPT}\r\n`;
const OTHERS = [
  "HTTP/1.1 400 Bad Request\r\nContent-Length: 5\r\n\r\nabcde",
  "HTTP/1.1 503 Busy\r\nRetry-After: 5\r\n\r\nno length",
  "HTTP/1.1 401 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
  "HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n",
  "HTTP/1.1 308 Moved\r\nLocation: wss://other.example/\r\n\r\n",
  "HTTP/1.0 200 OK\r\n\r\n",
];

export const CLIENTS: Target<ConversationInput> = {
  make(random) {
    let head = random.below(5) === 0 ? random.pick(OTHERS) : `${SWITCHING}\r\n`;
    if (random.below(8) === 0) {
      const early = "HTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\n";
      head = early.repeat(random.pick([1, 2, 8, 9])) + head;
    }
    if (random.below(5) === 0) head = mutateHead(head, random);
    const isCutOff = random.below(20) === 0;
    if (isCutOff) head = head.slice(0, random.below(head.length));
    return {
      head,
      bytes: isCutOff
        ? new Uint8Array(0)
        : random.below(2) === 0
        ? makeStream(false, random)
        : makeSession(random, false),
      isCalm: random.below(2) === 0,
      seed: random.below(2 ** 31),
    };
  },

  async check(input) {
    const play = new Play(input);
    try {
      return await (input.isCalm ? play.playCalmly() : play.playWildly());
    } catch (error) {
      throw new Error(`${error}: ${play.way} ${showInput(input)}`, { cause: error });
    }
  },
};

/** A client, the server it reaches, and what comes of it. */
class Play {
  readonly way: string;
  readonly #input: ConversationInput;
  readonly #random: Random;
  readonly #server = new ScriptedServer();
  readonly #controller = new AbortController();
  readonly #errors: unknown[] = [];
  /** The messages the program got, where it takes whole ones. */
  #lines: string[] | undefined;
  #connecting!: Watched<Connection>;
  #conn: Connection | undefined;
  #closed: Watched<Awaited<Connection["closed"]>> | undefined;
  #loop: Watched<void> | undefined;

  constructor(input: ConversationInput) {
    this.#input = input;
    this.#random = new Random(input.seed);
    this.way = this.#random.pick([
      "messages",
      "callback",
      "iteration",
      "streams",
      "async callback",
    ]);
    if (this.way !== "messages" && this.way !== "streams") this.#lines = [];
  }

  // ---- The program ----

  #connect(options: ConnectOptions): void {
    const callbacks = this.way.endsWith("callback") ? this.#callbacks() : {};
    this.#connecting = watch(
      this.#server.connect("ws://example.com/", {
        maxHeadSize: HEAD_LIMITS.maxHeadSize,
        limits: {
          ...LIMITS,
          receiveQueueMessages: 1 + this.#random.below(4),
          sendHighWaterMark: this.#random.below(500),
        },
        onError: (error) => void this.#errors.push(error),
        ...options,
        ...callbacks,
      }).then((conn) => {
        this.#keep(conn);
        const loop = this.#receive(conn);
        // What a connection ends with is no matter here: the program sees it in `closed`.
        this.#loop = watch(loop.catch(() => {}));
        return conn;
      }),
    );
  }

  #keep(conn: Connection): void {
    this.#conn = conn;
    this.#closed ??= watch(conn.closed);
  }

  #callbacks(): ConnectionCallbacks {
    const take = (data: string | Uint8Array) => {
      this.#lines!.push(describeMessage(typeof data === "string" ? "text" : "binary", data));
    };
    const isAsync = this.way === "async callback";
    return {
      open: (conn) => this.#keep(conn),
      message: (conn, data) => {
        take(data);
        if (!isAsync) return void conn.send(data).catch(() => {});
        return this.#act(conn).then(() => conn.send(data));
      },
    };
  }

  async #receive(conn: Connection): Promise<void> {
    if (this.way === "streams") await conn.readable.pipeTo(conn.writable);
    if (this.way === "iteration") {
      for await (const message of conn) {
        const type = typeof message === "string" ? "text" : "binary";
        this.#lines!.push(describeMessage(type, message));
        await this.#act(conn);
        await conn.send(message);
      }
    }
    if (this.way === "messages") {
      for await (const { type, body } of conn.messages()) {
        await this.#act(conn);
        if (!this.#input.isCalm && this.#random.below(4) === 0) await body.cancel();
        else await conn.sendStream(type, body);
      }
    }
  }

  /** Does something at a bad time, unless the program is calm. */
  async #act(conn: Connection): Promise<void> {
    if (this.#input.isCalm) return;
    if (this.#random.below(16) === 0) this.#controller.abort(ABORTED);
    else await misbehave(conn, this.#random);
  }

  // ---- Where it is known what must happen ----

  async playCalmly(): Promise<string> {
    this.#connect({ keepAlive: false });
    const peer = await this.#next();
    const isSlow = this.#random.below(3) === 0;
    const request = await peer.readRequest();
    if (isSlow) peer.socket.takeSlowly(1 + this.#random.below(300));
    const accept = acceptOf(request);
    const sent = concatBytes([latin1(this.#input.head.replace(ACCEPT, accept)), this.#input.bytes]);
    for (const piece of this.#cut(sent)) {
      if (peer.isClosed) break;
      peer.send(piece);
      if (this.#random.below(8) === 0) await settle(1);
    }
    const expected = readAnswers(sent, accept);
    if (expected.kind !== "open") return await this.#checkRefused(peer, expected);
    return await this.#checkConversation(peer, sent.subarray(expected.consumed), isSlow);
  }

  async #checkRefused(peer: ScriptedPeer, expected: Refused): Promise<string> {
    if (expected.kind === "incomplete") {
      // A head that is only begun is waited for.
      await this.#server.clock.advance(this.#random.below(9_000));
      check(this.#connecting.state === "pending", () => "it did not wait");
    }
    if (!peer.isClosed) peer.socket.end();
    await this.#untilSettled();
    const { reason } = this.#connecting;
    if (expected.kind === "incomplete") {
      check(reason instanceof ConnectError && reason.code === "ECONNRESET", () => `${reason}`);
    } else {
      check(reason instanceof UnexpectedResponseError, () => `${reason}`);
      const { status, headers, body, message } = reason;
      check(status === expected.status, () => `status ${status} instead of ${expected.status}`);
      check(/^[^\r\n]+$/.test(message) && body.length <= MAX_BODY_SIZE, () => message);
      for (const [name] of expected.fields) check(headers.has(name), () => `no ${name}`);
    }
    await this.#end();
    return expected.kind === "incomplete" ? expected.kind : `refused ${expected.status}`;
  }

  /** Checks what becomes of the frames. */
  async #checkConversation(
    peer: ScriptedPeer,
    bytes: Uint8Array,
    isSlow: boolean,
  ): Promise<string> {
    const expected = receivePlainly(bytes, { masked: false, ...LIMITS });
    await untilQuiet(peer, this.#lines);
    check(this.#connecting.state === "resolved", () => `${this.#connecting.reason}`);
    const isOpen = expected.closeCode === undefined && closingOf(expected) === undefined;
    if (isOpen) check(this.#conn!.state === "open", () => `${this.#conn!.state} instead of open`);
    // It fails a connection by itself, but leaves it to the server to end one that was closed.
    if (expected.closeCode === undefined) check(!peer.hasEnded, () => "it ended first");
    if (!peer.hasSentEnd) peer.socket.end();
    await until("the end", () => peer.hasEnded || peer.isClosed);
    const output = readOutput(await peer.readToEnd(), "client");
    await until("the connection to be closed", () => peer.isClosed);
    await this.#end();

    return checkConversation(
      expected,
      output,
      this.#closed!.value!,
      this.#lines,
      isSlow,
      this.way === "messages",
    );
  }

  // ---- Where it is not ----

  async playWildly(): Promise<string> {
    const random = this.#random;
    const hasProxy = random.below(4) === 0;
    this.#connect({
      signal: this.#controller.signal,
      maxRedirects: random.below(3),
      keepAlive: random.below(2) === 0 ? false : {
        intervalMs: 1 + random.below(3000),
        timeoutMs: 1 + random.below(3000),
      },
      ...hasProxy &&
        { proxy: random.pick(["http://me:pw@proxy.example", "https://proxy.example"]) },
      ...random.below(4) === 0 && { connectTimeoutMs: 1 + random.below(5000) },
    });
    for (let count = 0; count < 4; count++) {
      const peer = await this.#nextIfAny();
      if (peer === undefined) break;
      await this.#playPeer(peer, hasProxy);
    }
    if (random.below(8) === 0) this.#controller.abort(ABORTED);
    await this.#end();
    const { reason, value } = this.#connecting;
    if (value === undefined) {
      const isKnown = reason === ABORTED || reason instanceof ConnectError ||
        reason instanceof UnexpectedResponseError;
      check(isKnown, () => `connect() rejected with ${reason}`);
      return "wild without a WebSocket";
    }
    const { closeCode, initiator } = this.#closed!.value!;
    const codes = [1000, 1002, 1006, 1007, 1008, 1009, 1011, 4000];
    if (initiator === "local") check(codes.includes(closeCode), () => `code ${closeCode}`);
    return "wild";
  }

  async #playPeer(peer: ScriptedPeer, hasProxy: boolean): Promise<void> {
    const random = this.#random;
    const isPatient = random.below(8) > 0;
    let { head } = this.#input;
    if (isPatient && hasProxy && await this.#hasRequest(peer)) {
      await peer.readRequest();
      const answer = "HTTP/1.1 200 OK\r\n\r\n";
      peer.send(random.below(4) === 0 ? mutateHead(answer, random) : answer);
    }
    if (isPatient && await this.#hasRequest(peer)) {
      head = head.replace(ACCEPT, acceptOf(await peer.readRequest()));
    }
    const { bytes } = this.#input;
    const pieces = random.below(2) === 0
      ? this.#cut(concatBytes([latin1(head), bytes]))
      : [latin1(head), ...this.#cut(bytes)];
    for (const piece of pieces) {
      if (random.below(20) === 0) this.#interfere(peer);
      if (peer.hasSentEnd) return;
      peer.send(piece);
      if (random.below(4) === 0) await settle(random.below(3));
      if (random.below(30) === 0) await this.#server.clock.advance(random.below(12_000));
    }
    if (random.below(2) === 0) this.#interfere(peer);
    await settle(random.below(4));
    if (!peer.hasSentEnd && random.below(2) === 0) peer.socket.end();
  }

  #interfere(peer: ScriptedPeer): void {
    interfere(peer, this.#random, () => {
      if (this.#random.below(3) === 0) this.#controller.abort(ABORTED);
    });
  }

  #cut(bytes: Uint8Array): Uint8Array[] {
    if (this.#random.below(4) === 0) return [bytes];
    return cut(bytes, this.#random);
  }

  async #untilSettled(): Promise<void> {
    await until("connect()", () => this.#connecting.state !== "pending");
  }

  async #next(): Promise<ScriptedPeer> {
    let peer: ScriptedPeer | undefined;
    await until("a connection", () => (peer = this.#server.poll()) !== undefined);
    return peer!;
  }

  async #nextIfAny(): Promise<ScriptedPeer | undefined> {
    for (let turns = 0; turns < 8; turns++) {
      const peer = this.#server.poll();
      if (peer !== undefined) return peer;
      await settle(1);
    }
    return undefined;
  }

  async #hasRequest(peer: ScriptedPeer): Promise<boolean> {
    for (let turns = 0; turns < 8 && peer.unreadSize === 0; turns++) await settle(1);
    return peer.unreadSize > 0;
  }

  /** Ends everything, and checks that nothing is left. */
  async #end(): Promise<void> {
    const server = this.#server;
    await settle(1);
    // A connection that nothing is wrong with stays; all else has an end of its own.
    if (this.#connecting.state === "pending") await server.clock.advance(100_000);
    await this.#untilSettled();
    await settle(2);
    // What became of its channel is told to a connection, whenever that was.
    if (this.#conn !== undefined && server.openCount === 0) {
      check(this.#conn.state === "closed", () => `${this.#conn!.state} without a channel`);
    }
    this.#conn?.abort();
    await settle(3);
    check(server.openCount === 0, () => `${server.openCount} connections are left`);
    const { pending } = server.clock;
    check(pending.length === 0, () => `timers are left: ${pending}`);
    assertEquals(server.violations, []);
    for (const error of this.#errors) {
      check(error === PROGRAM_ERROR, () => `an error was reported: ${error}`);
    }
    if (this.#connecting.value === undefined) return;
    check(this.#closed!.state === "resolved", () => "closed is pending");
    const { state, bufferedAmount } = this.#conn!;
    check(state === "closed" && bufferedAmount === 0, () => `${state}, ${bufferedAmount} buffered`);
    await until("the program's loop", () => this.#loop!.state !== "pending");
  }
}

type Refused =
  | { kind: "incomplete" }
  | { kind: "refused"; status: number; fields: AnswerHead["fields"] };

/** Reads the answers up to the last one, and whether it opens a connection. */
function readAnswers(
  sent: Uint8Array,
  accept: string,
): Refused | { kind: "open"; consumed: number } {
  const text = asLatin1(sent);
  let consumed = 0;
  for (let interim = 0;;) {
    const head = readAnswer(text.slice(consumed), HEAD_LIMITS);
    if (head === "incomplete") return { kind: head };
    if (head === "refused") return { kind: head, status: 0, fields: [] };
    consumed += head.consumed;
    const { status, fields } = head;
    const refused = { kind: "refused" as const, status, fields };
    if (status >= 200) return refused;
    if (status === 101) {
      const asked = { accept, subprotocols: [], deflate: undefined };
      return "faults" in readUpgradeAnswer(head, asked) ? refused : { kind: "open", consumed };
    }
    if (++interim > MAX_INTERIM) return refused;
  }
}
