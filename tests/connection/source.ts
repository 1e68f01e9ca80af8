/**
 * A stream that a test feeds, and whose reading it watches.
 *
 * @module
 */

import type { Sendable } from "../../src/server/mod.ts";

/** A source of chunks, which are there when the test says so. */
export class Source<T = Sendable> {
  /** The stream. It keeps nothing: a chunk is pulled when it is read. */
  readonly stream: ReadableStream<T>;
  /** How many chunks were asked for. */
  pulls = 0;
  /** Why the stream was cancelled, in a list of one; undefined where it was not. */
  cancelled: [reason: unknown] | undefined;
  #controller!: ReadableStreamDefaultController<T>;
  readonly #chunks: T[] = [];
  #isAsked = false;
  #isEnded = false;

  /** Creates a source of these chunks; more may follow. */
  constructor(...chunks: T[]) {
    this.stream = new ReadableStream<T>({
      start: (controller) => void (this.#controller = controller),
      pull: () => {
        this.pulls++;
        this.#isAsked = true;
        this.#deliver();
      },
      cancel: (reason) => void (this.cancelled = [reason]),
    }, { highWaterMark: 0 });
    this.push(...chunks);
  }

  /** Adds chunks. */
  push(...chunks: T[]): this {
    this.#chunks.push(...chunks);
    this.#deliver();
    return this;
  }

  /** Ends the stream behind the chunks. */
  end(): this {
    this.#isEnded = true;
    this.#deliver();
    return this;
  }

  /** Errors the stream. */
  fail(error: unknown): this {
    this.#controller.error(error);
    return this;
  }

  #deliver(): void {
    if (!this.#isAsked) return;
    if (this.#chunks.length > 0) {
      this.#isAsked = false;
      this.#controller.enqueue(this.#chunks.shift()!);
    } else if (this.#isEnded) {
      this.#isAsked = false;
      this.#controller.close();
    }
  }
}
