import "../connection/common.ts";
import type { Message, Sendable } from "../connection/connection.ts";
import type { LayerConnection, MessageLayer } from "../connection/message_layer.ts";
import { textSize } from "../text_size.ts";
import type { Position } from "./position.ts";
import {
  encodeControl,
  ESCAPE,
  escapeMessage,
  MAX_REQUEST_SIZE,
  parseResumeRequest,
  type ResumeRequest,
} from "./subprotocol.ts";

export { RESUME, RESUME_FIELD } from "./subprotocol.ts";

/** The memory that a position takes until its topic is subscribed to, besides the topic's characters. */
const POSITION_COST = 128;

/** A server's side of `sluice.resume.v1`: has the client's session, and its positions when it connected. */
export class ServerLayer implements MessageLayer {
  readonly #protocol: string;
  #conn: LayerConnection | undefined;
  #request: ResumeRequest | undefined;
  /** Identifies the client, over several connections; `undefined` if it has no session yet. */
  session: string | undefined;
  /** Whether the client told of an earlier connection. */
  isReturning = false;
  heldSize = 0;
  #onRequest: (() => void) | undefined;

  /** @param protocol The subprotocol of the program; `""` for none. */
  constructor(protocol: string) {
    this.#protocol = protocol;
  }

  get hasRequest(): boolean {
    return this.#request !== undefined;
  }

  get maxMessageSize(): number | undefined {
    return this.hasRequest ? undefined : MAX_REQUEST_SIZE;
  }

  /** Calls back once the resume request has been answered. */
  whenRequested(callback: () => void): void {
    this.#onRequest = callback;
  }

  openSession(): string {
    return this.session ??= crypto.randomUUID();
  }

  start(conn: LayerConnection): void {
    this.#conn = conn;
  }

  /** @throws {ProtocolError} If the resume request is malformed. */
  handshake(data: Message): boolean {
    const { session, positions } = this.#request = parseResumeRequest(data);
    this.isReturning = session !== undefined || positions.size > 0;
    for (const topic of positions.keys()) this.heldSize += costOf(topic);
    this.session = session ?? this.session;
    this.#conn!.send(encodeControl({ session: this.openSession(), protocol: this.#protocol }));
    this.#onRequest?.();
    return true;
  }

  encode(data: Sendable): Sendable {
    return escapeMessage(data);
  }

  encodeStart(): string {
    return ESCAPE;
  }

  /** Returns the client's position in a topic, once. */
  takePosition(topic: string): Position | undefined {
    const position = this.#request?.positions.get(topic);
    if (this.#request?.positions.delete(topic)) this.heldSize -= costOf(topic);
    return position;
  }

  close(): void {
    this.#request?.positions.clear();
    this.heldSize = 0;
  }
}

function costOf(topic: string): number {
  return POSITION_COST + textSize(topic);
}
