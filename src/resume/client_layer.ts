import { concatBytes } from "../codec/byte_collector.ts";
import type { Message } from "../connection/connection.ts";
import type { LayerConnection, MessageLayer } from "../connection/message_layer.ts";
import { MessageTooBigError } from "../errors.ts";
import type { MessageType } from "../protocol/message_receiver.ts";
import { utf8LengthAbove } from "../text_size.ts";
import type { ResumeState } from "./resume_state.ts";
import { MAX_HEADER_SIZE, parseServerMessage, type ServerMessage } from "./subprotocol.ts";

/** How many control messages may wait until the program takes the messages before them. */
const MAX_WAITING_CONTROLS = 100;

const EMPTY = new Uint8Array(0);

interface Received {
  readonly message: ServerMessage;
  /** Whether the program was given it; a control message is not for the program. */
  isTaken: boolean;
  isWhole: boolean;
}

/** A client's side: strips headers, and moves the position past each message that the program has all of. */
export class ClientLayer implements MessageLayer {
  readonly #state: ResumeState;
  readonly #maxBodySize: number;
  #conn!: LayerConnection;
  /** Whether the client told the server of an earlier connection. */
  isReturning = false;
  readonly #received: Received[] = [];
  #waitingControls = 0;
  #type: MessageType = "text";
  /** The beginning of a streamed message until its header is complete. */
  #beginning: Uint8Array | undefined;
  /** The streamed message whose body is arriving. */
  #arriving: Received | undefined;
  /** How many bytes of its body have arrived. */
  #arrivedSize = 0;

  /** @param maxMessageSize The largest message of the program, in bytes: the header does not count. */
  constructor(state: ResumeState, maxMessageSize: number) {
    this.#state = state;
    this.#maxBodySize = maxMessageSize;
  }

  get maxMessageSize(): number {
    const withHeader = this.#maxBodySize + MAX_HEADER_SIZE;
    return Number.isSafeInteger(withHeader) ? withHeader : Infinity;
  }

  /** Whether too many control messages wait: the receive queue does not count them. */
  get isFull(): boolean {
    return this.#waitingControls >= MAX_WAITING_CONTROLS;
  }

  start(conn: LayerConnection): void {
    this.#conn = conn;
    conn.send(this.#state.begin(() => conn.dropReceived()));
    this.isReturning = this.#state.isReturning;
  }

  opened(): void {
    this.#state.tellLost();
  }

  /** @throws {ProtocolError} If the header is malformed, or the program's message too large. */
  decode(data: Message): Message | undefined {
    const message = parseServerMessage(data, true)!;
    if (message.kind === "control") return this.#addControl(message);
    const body = message.start === 0 ? data : data.slice(message.start);
    this.#checkSize(
      typeof body === "string" ? utf8LengthAbove(body, this.#maxBodySize) ?? 0 : body.length,
    );
    this.#add(message, true);
    return body;
  }

  decodeStart(type: MessageType): void {
    this.#type = type;
    this.#beginning = EMPTY;
  }

  /** @throws {ProtocolError} If the header is malformed, or the program's message too large by now. */
  decodeChunk(bytes: Uint8Array, start: number, end: number): void {
    if (this.#beginning === undefined) {
      this.#pushChunk(bytes, start, end);
      return;
    }
    const length = this.#beginning.length + end - start;
    this.#beginning = concatBytes([this.#beginning, bytes.subarray(start, end)], length);
    this.#parseBeginning(false);
  }

  /** @throws {ProtocolError} If the header is malformed. */
  decodeEnd(): void {
    if (this.#beginning !== undefined) this.#parseBeginning(true);
    const arriving = this.#arriving;
    this.#arriving = undefined;
    if (arriving === undefined) return;
    arriving.isWhole = true;
    this.#conn.pushEnd();
    this.#advance();
  }

  delivered(): void {
    // The program hears of lost messages before it gets later ones.
    this.#state.tellLost();
    const next = this.#received.find(({ isTaken }) => !isTaken);
    if (next === undefined) return;
    next.isTaken = true;
    this.#advance();
  }

  #parseBeginning(isWhole: boolean): void {
    const bytes = this.#beginning!;
    const message = parseServerMessage(bytes, isWhole);
    if (message === undefined) return;
    this.#beginning = undefined;
    if (message.kind === "control") return this.#addControl(message);
    this.#arriving = this.#add(message, false);
    this.#arrivedSize = 0;
    this.#conn.pushStart(this.#type);
    if (bytes.length > message.start) this.#pushChunk(bytes, message.start, bytes.length);
  }

  #pushChunk(bytes: Uint8Array, start: number, end: number): void {
    this.#checkSize(this.#arrivedSize += end - start);
    this.#conn.pushChunk(bytes, start, end);
  }

  #checkSize(size: number): void {
    if (size > this.#maxBodySize) throw new MessageTooBigError(size, this.#maxBodySize);
  }

  #add(message: ServerMessage, isWhole: boolean): Received {
    const received = { message, isTaken: message.kind === "control", isWhole };
    this.#received.push(received);
    return received;
  }

  #addControl(message: ServerMessage): undefined {
    this.#add(message, true);
    this.#waitingControls++;
    this.#advance();
  }

  /** Moves the position past the messages that the program has, up to the first that it does not have. */
  #advance(): void {
    const received = this.#received;
    while (received[0]?.isTaken && received[0].isWhole) {
      const { message } = received.shift()!;
      if (message.kind === "control") {
        this.#waitingControls--;
        this.#state.receiveControl(message.control);
      } else if (message.kind === "published") {
        this.#state.advance(message.number, message.position);
      }
    }
  }
}
