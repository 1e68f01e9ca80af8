import { assert } from "@std/assert";
import type { RequestInfo } from "../../src/server/mod.ts";
import { utf8 } from "./raw_client.ts";
import { eventually } from "./waiter.ts";

/** A hook of a server, and what it was given. */
export class Hook<Result = Response> {
  /** How often it was called. */
  calls = 0;
  readonly #respond: ((info: RequestInfo) => Result | Promise<Result>) | undefined;
  readonly #gate = Promise.withResolvers<Result>();
  #info: RequestInfo | undefined;

  /** @param respond Gives the result; by default, that waits until the test gives it. */
  constructor(respond?: (info: RequestInfo) => Result | Promise<Result>) {
    this.#respond = respond;
  }

  /** The hook itself. */
  readonly call = (_request: Request, info: RequestInfo): Result | Promise<Result> => {
    this.calls++;
    this.#info = info;
    return this.#respond === undefined ? this.#gate.promise : this.#respond(info);
  };

  /** Returns with this from all calls. */
  resolve(result: Result): void {
    this.#gate.resolve(result);
  }

  /** Fails all calls. */
  reject(error: unknown): void {
    this.#gate.reject(error);
  }

  /** What it was given last. */
  get info(): RequestInfo {
    assert(this.#info !== undefined, "the hook was not called");
    return this.#info;
  }

  get signal(): AbortSignal {
    return this.info.signal;
  }

  /** Waits until it is called. */
  untilCalled(): Promise<void> {
    return eventually("the hook to be called", () => this.calls > 0);
  }
}

/** Rejects once the signal aborts: with its reason, or this error. */
export function untilAborted(signal: AbortSignal, error?: unknown): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(error ?? signal.reason));
  });
}

/** A body that is written to by hand, and tells what becomes of it. */
export class Body {
  /** What it was cancelled with. */
  readonly reasons: unknown[] = [];
  readonly stream: ReadableStream<Uint8Array>;
  #controller!: ReadableStreamDefaultController<Uint8Array>;

  constructor() {
    this.stream = new ReadableStream<Uint8Array>({
      start: (controller) => void (this.#controller = controller),
      cancel: (reason) => void this.reasons.push(reason),
    }, { highWaterMark: 0 });
  }

  /** A response with this body. */
  readonly respond = (): Response => new Response(this.stream);

  get isCancelled(): boolean {
    return this.reasons.length > 0;
  }

  write(text: string): void {
    this.#controller.enqueue(utf8(text));
  }

  close(): void {
    this.#controller.close();
  }

  fail(error: unknown): void {
    this.#controller.error(error);
  }
}
