/**
 * Counts the messages in what a server sends, and makes sure of them.
 *
 * @module
 */

const CONTINUATION = 0x0;
const CLOSE = 0x8;
const PING = 0x9;
const MAX_HEADER_SIZE = 14;

/** What each reply has to be. */
export interface ExpectedReply {
  opcode: number;
  /** The length of the message, in bytes. */
  size: number;
  /** Whether it is compressed, and so shorter than that. */
  compressed: boolean;
  /** Whether frames are masked: they are where what was sent comes back as it is. */
  masked: boolean;
}

/** The server closed the connection in order: for a message that it refuses, say. */
export class ClosedByServerError extends Error {}

/**
 * Reads the headers of frames, and passes over payloads. A reply may be of any number of frames, with
 * control frames among them.
 */
export class ReplyReader {
  readonly #expected: ExpectedReply;
  /** Called with the payload, piece by piece; of a masked frame, as it is on the wire. */
  readonly #takePayload: ((bytes: Uint8Array) => void) | undefined;
  readonly #header: Uint8Array = new Uint8Array(MAX_HEADER_SIZE);
  /** How much of a header that arrives in pieces is there. */
  #headerSize = 0;
  /** What is left of the current frame. */
  #remaining = 0;
  #isControl = false;
  #isClose = false;
  readonly #closePayload: number[] = [];
  #fin = true;
  #pings = 0;
  /** How much payload the current message has so far; -1 between messages. */
  #messageSize = -1;
  /** The length of the payloads of all messages so far, as they are on the wire. */
  payloadSize = 0;

  constructor(expected: ExpectedReply, takePayload?: (bytes: Uint8Array) => void) {
    this.#expected = expected;
    this.#takePayload = takePayload;
  }

  /**
   * Takes bytes, and returns how many messages end in them.
   *
   * @throws {ClosedByServerError} Where the server closes.
   * @throws {Error} Where it is not what was expected.
   */
  receive(bytes: Uint8Array): number {
    const { length } = bytes;
    let messages = 0;
    for (let i = 0; i < length;) {
      if (this.#remaining > 0) {
        const size = Math.min(this.#remaining, length - i);
        if (this.#isClose) this.#receiveClose(bytes.subarray(i, i + size));
        if (!this.#isControl) this.#takePayload?.(bytes.subarray(i, i + size));
        this.#remaining -= size;
        i += size;
      } else if (this.#headerSize === 0 && length - i >= MAX_HEADER_SIZE) {
        i += this.#parseHeader(bytes, i);
      } else {
        this.#header[this.#headerSize++] = bytes[i++];
        if (this.#headerSize < 2 || this.#headerSize < headerSizeOf(this.#header[1])) continue;
        this.#headerSize = 0;
        this.#parseHeader(this.#header, 0);
      }
      if (this.#remaining === 0 && this.#headerSize === 0 && this.#endFrame()) messages++;
    }
    return messages;
  }

  /** Tells how many Pings have begun since it was asked last. */
  takePings(): number {
    const pings = this.#pings;
    this.#pings = 0;
    return pings;
  }

  #parseHeader(bytes: Uint8Array, offset: number): number {
    const first = bytes[offset], second = bytes[offset + 1];
    const size = headerSizeOf(second);
    let length = second & 0x7f;
    if (length === 126) length = bytes[offset + 2] << 8 | bytes[offset + 3];
    else if (length === 127) {
      const view = new DataView(bytes.buffer, bytes.byteOffset + offset + 2);
      length = Number(view.getBigUint64(0));
    }
    const opcode = first & 0xf;
    const { masked, size: expectedSize, opcode: expectedOpcode, compressed } = this.#expected;
    const isBeginning = this.#messageSize === -1 && opcode < CLOSE;
    if ((first & 0x40) === 0 && isBeginning && compressed) throw new Error("not compressed");
    if ((first & 0x70) !== (isBeginning && compressed ? 0x40 : 0)) {
      throw new Error("a reserved bit is set");
    }
    if ((second >= 0x80) !== masked) throw new Error(masked ? "not masked" : "masked");
    this.#remaining = length;
    this.#isControl = opcode >= CLOSE;
    this.#isClose = opcode === CLOSE;
    if (opcode === PING) this.#pings++;
    if (this.#isClose && length === 0) throw new ClosedByServerError("closes");
    if (this.#isControl) return size;
    const wanted = this.#messageSize === -1 ? expectedOpcode : CONTINUATION;
    if (opcode !== wanted) throw new Error(`opcode ${opcode} instead of ${wanted}`);
    this.#fin = first >= 0x80;
    this.#messageSize = Math.max(this.#messageSize, 0) + length;
    this.payloadSize += length;
    const isRight = this.#fin && !compressed
      ? this.#messageSize === expectedSize
      : this.#messageSize <= expectedSize;
    if (!isRight) throw new Error(`${this.#messageSize} bytes instead of ${expectedSize}`);
    return size;
  }

  #receiveClose(bytes: Uint8Array): void {
    this.#closePayload.push(...bytes);
    const [high, low] = this.#closePayload;
    if (low !== undefined) throw new ClosedByServerError(`closes with ${high << 8 | low}`);
  }

  /** Ends a frame; `true` where a message ends with it. */
  #endFrame(): boolean {
    if (this.#isControl || !this.#fin || this.#messageSize === -1) return false;
    this.#messageSize = -1;
    return true;
  }
}

function headerSizeOf(second: number): number {
  const length = second & 0x7f;
  return 2 + (length === 126 ? 2 : length === 127 ? 8 : 0) + (second >= 0x80 ? 4 : 0);
}
