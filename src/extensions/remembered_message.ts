import { copyBytes } from "../codec/byte_collector.ts";
import { MAX_VIEW_LENGTH } from "./deflate_stream.ts";

/** The most bytes or characters that a remembered message has, and the most bytes when it is compressed. */
const MAX_LENGTH = 64 * 1024;

const EMPTY = new Uint8Array(0);

/** A message and its compressed form, in memory that is reused for the next one. */
export class RememberedMessage {
  #text: string | undefined;
  /** The message if it is binary, and its length; -1 if it is not. */
  #bytes: Uint8Array = EMPTY;
  #length = -1;
  /** Memory for a compressed form that is short. */
  #buffer: Uint8Array = EMPTY;
  #deflated: Uint8Array = EMPTY;

  /** Returns the compressed form if the message is this one. */
  recall(data: string | Uint8Array): Uint8Array | undefined {
    if (typeof data === "string") return data === this.#text ? this.#deflated : undefined;
    if (data.length !== this.#length) return undefined;
    for (let i = 0; i < data.length; i++) if (data[i] !== this.#bytes[i]) return undefined;
    return this.#deflated;
  }

  /** Remembers another message instead, if it is not too large. Returns its compressed form. */
  replace(data: string | Uint8Array, deflated: Uint8Array): Uint8Array {
    if (data.length > MAX_LENGTH || deflated.length > MAX_LENGTH) return deflated;
    if (typeof data === "string") {
      this.#text = data;
      this.#length = -1;
    } else {
      this.#text = undefined;
      if (data.length > this.#bytes.length) this.#bytes = new Uint8Array(data.length);
      copyBytes(data, 0, data.length, this.#bytes, 0);
      this.#length = data.length;
    }
    return this.#deflated = this.#keep(deflated);
  }

  #keep(deflated: Uint8Array): Uint8Array {
    const { length } = deflated;
    if (length > MAX_VIEW_LENGTH) return deflated;
    if (this.#buffer === EMPTY) this.#buffer = new Uint8Array(MAX_VIEW_LENGTH);
    copyBytes(deflated, 0, length, this.#buffer, 0);
    return this.#buffer.subarray(0, length);
  }
}
