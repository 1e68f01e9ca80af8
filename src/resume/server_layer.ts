import { CloseCode } from "../codec/close_code.ts";
import type { Message, Sendable } from "../connection/connection.ts";
import type { LayerConnection, MessageLayer } from "../connection/message_layer.ts";
import { textSize } from "../text_size.ts";
import type { Clock } from "../transport/clock.ts";
import type { Position } from "./position.ts";
import {
  encodeNote,
  ESCAPE,
  escapeMessage,
  type Hello,
  MAX_HELLO_SIZE,
  type Note,
  parseHello,
} from "./subprotocol.ts";

/** The memory that a position takes until its topic is subscribed to, beside the topic's characters. */
const POSITION_COST = 128;

/** A server's side of `sluice.resume.v1`: who the client is, and how far it got before it connected. */
export class ServerLayer implements MessageLayer {
  readonly #clock: Clock;
  readonly #protocol: string;
  readonly #timeoutMs: number;
  #conn: LayerConnection | undefined;
  #hello: Hello | undefined;
  #session: string | undefined;
  #isReturning = false;
  #heldSize = 0;
  #timer: unknown;
  #onGreeted: (() => void) | undefined;

  /**
   * @param protocol The subprotocol of the program; `""` for none.
   * @param timeoutMs How long to wait for the client's first message, or `Infinity`.
   */
  constructor(protocol: string, timeoutMs: number, clock: Clock) {
    this.#protocol = protocol;
    this.#timeoutMs = timeoutMs;
    this.#clock = clock;
  }

  /** Whether the client has sent its first message. */
  get isGreeted(): boolean {
    return this.#hello !== undefined;
  }

  get maxMessageSize(): number | undefined {
    return this.isGreeted ? undefined : MAX_HELLO_SIZE;
  }

  get heldSize(): number {
    return this.#heldSize;
  }

  /** Calls back once the client has sent its first message, and was answered. */
  whenGreeted(callback: () => void): void {
    this.#onGreeted = callback;
  }

  /** Whether the client told of an earlier connection. */
  get isReturning(): boolean {
    return this.#isReturning;
  }

  /** The session of the client, over several connections; `undefined` if there is none yet. */
  get session(): string | undefined {
    return this.#session;
  }

  /** Gives the session, which exists from now on. */
  openSession(): string {
    return this.#session ??= crypto.randomUUID();
  }

  start(conn: LayerConnection): void {
    this.#conn = conn;
    if (this.#timeoutMs === Infinity) return;
    this.#timer = this.#clock.setTimeout(() => {
      conn.close({ closeCode: CloseCode.TryAgainLater, reason: "No first message in time" });
    }, this.#timeoutMs);
  }

  /**
   * Takes the first message, and answers it.
   *
   * @throws {ProtocolError} If it is malformed.
   */
  handshake(data: Message): boolean {
    const { session, positions } = this.#hello = parseHello(data);
    this.#clock.clearTimeout(this.#timer);
    this.#isReturning = session !== undefined || positions.size > 0;
    for (const topic of positions.keys()) this.#heldSize += costOf(topic);
    this.#session = session ?? this.#session;
    this.#conn!.send(encodeNote({ session: this.openSession(), protocol: this.#protocol }));
    this.#onGreeted?.();
    return true;
  }

  encode(data: Sendable): Sendable {
    return escapeMessage(data);
  }

  encodeStart(): string {
    return ESCAPE;
  }

  encodeNote(note: Note): string {
    return encodeNote(note);
  }

  /** Gives how far the client got in a topic, once: after that it is a subscriber like others. */
  takePosition(topic: string): Position | undefined {
    const position = this.#hello?.positions.get(topic);
    if (this.#hello?.positions.delete(topic)) this.#heldSize -= costOf(topic);
    return position;
  }

  close(): void {
    this.#clock.clearTimeout(this.#timer);
    this.#hello?.positions.clear();
    this.#heldSize = 0;
  }
}

function costOf(topic: string): number {
  return POSITION_COST + textSize(topic);
}
