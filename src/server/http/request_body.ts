import { ByteCollector } from "../../codec/byte_collector.ts";

/** How often a `Request` holds its body: once on Bun and Deno, twice on Node; the mean is near both. */
export const BODY_COPIES = 1.5;

/** The body of a plain HTTP request: collected while it arrives, and counted while the program has it. */
export class RequestBody {
  readonly #length: number;
  readonly #collector: ByteCollector = new ByteCollector();
  readonly #complete = Promise.withResolvers<void>();
  #givenSize = 0;
  isArriving = true;

  /** @param length The value of `Content-Length`. */
  constructor(length: number) {
    this.#length = length;
  }

  get isGiven(): boolean {
    return this.#givenSize > 0;
  }

  get heldSize(): number {
    return this.isGiven ? this.#givenSize : this.#collector.capacity;
  }

  /** Resolves when all of it has arrived; rejects if it won't. */
  get complete(): Promise<void> {
    return this.#complete.promise;
  }

  /** Takes bytes that have arrived; those behind the body are dropped. */
  receive(bytes: Uint8Array): void {
    const length = this.#length;
    const collector = this.#collector;
    collector.append(bytes, 0, Math.min(bytes.length, length - collector.length), length);
    if (collector.length < length) return;
    this.isArriving = false;
    this.#complete.resolve();
  }

  /** Gives up what has not arrived. */
  fail(error: unknown): void {
    this.isArriving = false;
    this.#complete.reject(error);
  }

  /** Gives the bytes to the program. */
  give(): Uint8Array<ArrayBuffer> {
    this.#givenSize = Math.ceil(this.#length * BODY_COPIES);
    // It has been allocated by this library: there is no SharedArrayBuffer.
    return this.#collector.take() as Uint8Array<ArrayBuffer>;
  }
}
