/**
 * Reads the server's frames from a stream of any length, and keeps none of it.
 *
 * @module
 */

/** Takes a piece of a payload: a view, valid during the call. */
export type PayloadHandler = (piece: Uint8Array, opcode: number) => void;

/** Takes the end of a message; control frames are messages of one frame. */
export type MessageEndHandler = (opcode: number, size: number) => void;

const MAX_HEADER_SIZE = 10;

/** A push parser of frames that are not masked. Throws at what no server may send. */
export class FrameReader {
  readonly #onPayload: PayloadHandler;
  readonly #onMessageEnd: MessageEndHandler;
  readonly #rsv: number;
  readonly #header = new Uint8Array(MAX_HEADER_SIZE);
  #headerSize = 0;
  /** What is still to come of the payload; undefined while in a header. */
  #remaining: number | undefined;
  /** The opcode and the size so far of the message in progress. */
  #messageOpcode = 0;
  #messageSize = 0;
  /** The payload bytes of all frames so far. */
  totalSize = 0;

  /** Creates a reader, which takes the reserved bits `rsv`, of 0x70, as legal. */
  constructor(onPayload: PayloadHandler, onMessageEnd: MessageEndHandler, rsv = 0) {
    this.#onPayload = onPayload;
    this.#onMessageEnd = onMessageEnd;
    this.#rsv = rsv;
  }

  push(bytes: Uint8Array): void {
    let i = 0;
    while (i < bytes.length) {
      if (this.#remaining === undefined) {
        this.#header[this.#headerSize++] = bytes[i++];
        if (this.#headerSize >= 2) this.#readHeader();
      } else {
        const end = Math.min(bytes.length, i + this.#remaining);
        this.#onPayload(bytes.subarray(i, end), this.#opcode);
        this.totalSize += end - i;
        this.#remaining -= end - i;
        i = end;
        if (this.#remaining === 0) this.#endFrame();
      }
    }
  }

  #readHeader(): void {
    const [first, second] = this.#header;
    if ((first & 0x70 & ~this.#rsv) !== 0 || second >= 0x80) {
      throw new Error("a reserved or the mask bit is set");
    }
    const lengthSize = second < 126 ? 0 : second === 126 ? 2 : 8;
    if (this.#headerSize < 2 + lengthSize) return;
    let length = second;
    if (lengthSize > 0) {
      length = 0;
      for (let i = 2; i < 2 + lengthSize; i++) length = length * 256 + this.#header[i];
    }
    const isControl = (first & 0x08) !== 0;
    if (!isControl) {
      const opcode = first & 0x0f;
      if ((opcode === 0) !== (this.#messageOpcode !== 0)) throw new Error("fragments out of order");
      if (opcode !== 0) this.#messageOpcode = opcode;
      this.#messageSize += length;
    }
    this.#remaining = length;
    if (length === 0) this.#endFrame();
  }

  /** The opcode of the message that the frame belongs to. */
  get #opcode(): number {
    const opcode = this.#header[0] & 0x0f;
    return opcode === 0 ? this.#messageOpcode : opcode;
  }

  #endFrame(): void {
    const isFinal = this.#header[0] >= 0x80;
    const opcode = this.#opcode;
    const isControl = (opcode & 0x08) !== 0;
    const size = isControl ? this.#header[1] : this.#messageSize;
    this.#headerSize = 0;
    this.#remaining = undefined;
    if (!isFinal) return;
    if (!isControl) this.#messageOpcode = this.#messageSize = 0;
    this.#onMessageEnd(opcode, size);
  }
}
