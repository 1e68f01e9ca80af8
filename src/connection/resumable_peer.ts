import type { Position } from "../resume/position.ts";
import { encodeNote, type Hello, MAX_HELLO_SIZE, parseHello } from "../resume/subprotocol.ts";
import { textSize } from "../text_size.ts";
import type { Clock } from "../transport/clock.ts";
import type { Message } from "./connection.ts";

/** What a position costs that is kept until its topic is subscribed to, beside the topic's characters. */
const POSITION_COST = 128;
/** The longest header of a frame, in bytes. */
const MAX_FRAME_HEADER = 14;

/** A server's side of `sluice.resume.v1`: who the client is, and how far it got before it connected. */
export class ResumablePeer {
  readonly #clock: Clock;
  readonly #protocol: string;
  #hello: Hello | undefined;
  #isReturning = false;
  /** The bytes that have arrived, and count for no rate limit if they turn out to be of the first message. */
  #sparedSize = 0;
  #heldSize = 0;
  #timer: unknown;

  /** @param protocol The subprotocol of the program; `""` for none. */
  constructor(protocol: string, clock: Clock) {
    this.#protocol = protocol;
    this.#clock = clock;
  }

  /** Whether the client has said who it is: nothing begins before. */
  get isGreeted(): boolean {
    return this.#hello !== undefined;
  }

  /** The memory that the client takes by what it said, in bytes. */
  get heldSize(): number {
    return this.#heldSize;
  }

  /** Whether the client told of an earlier connection. */
  get isReturning(): boolean {
    return this.#isReturning;
  }

  /** The client's session, where it has had one before. */
  get session(): string | undefined {
    return this.#hello?.session;
  }

  /** Waits for the first message. */
  wait(timeoutMs: number, onTimeout: () => void): void {
    if (timeoutMs !== Infinity) this.#timer = this.#clock.setTimeout(onTimeout, timeoutMs);
  }

  /** Waits no longer. */
  stop(): void {
    this.#clock.clearTimeout(this.#timer);
  }

  /**
   * Spares the first message the rate limit: bytes arrived before it was whole. It has a limit of its own.
   *
   * @returns How many of them count all the same.
   */
  spare(count: number): number {
    const spared = Math.min(count, MAX_HELLO_SIZE + MAX_FRAME_HEADER - this.#sparedSize);
    this.#sparedSize += spared;
    return count - spared;
  }

  /** Gives how many of the bytes that were spared are not of the first message, and count: once. */
  takeOverspared(data: Message): number {
    const size = typeof data === "string" ? textSize(data) : data.length;
    const excess = this.#sparedSize - size - MAX_FRAME_HEADER;
    this.#sparedSize = 0;
    return Math.max(0, excess);
  }

  /** Forgets how far the client got: nothing more is sent to it. */
  forget(): void {
    this.#hello?.positions.clear();
    this.#heldSize = 0;
  }

  /**
   * Takes the first message.
   *
   * @throws {ProtocolError} Where it is malformed.
   */
  receiveHello(data: Message): void {
    const { session, positions } = this.#hello = parseHello(data);
    this.#isReturning = session !== undefined || positions.size > 0;
    for (const topic of this.#hello.positions.keys()) this.#heldSize += costOf(topic);
    this.stop();
  }

  /** Gives the answer to it, for the session that the client has from now on. */
  answer(session: string): string {
    return encodeNote({ session, protocol: this.#protocol });
  }

  /** Gives how far the client got in a topic, once: after that it is a subscriber like others. */
  takePosition(topic: string): Position | undefined {
    const position = this.#hello?.positions.get(topic);
    if (this.#hello?.positions.delete(topic)) this.#heldSize -= costOf(topic);
    return position;
  }
}

function costOf(topic: string): number {
  return POSITION_COST + textSize(topic);
}
