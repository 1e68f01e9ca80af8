import type { StreamedMessage } from "../streamed_message.ts";

/** The underlying source of a body's stream: the types of Node alone have no name for it. */
interface PieceSource {
  start(controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>): void;
  pull(): Promise<void> | void;
  cancel(): void;
}

/** Readers of other libraries may lack it. */
type Reader = { releaseLock?: () => void };

/** The methods of a stream that need it to be unlocked. */
const USES = [
  "cancel",
  "getReader",
  "pipeThrough",
  "pipeTo",
  "tee",
  "values",
  Symbol.asyncIterator,
] as const;

/** A body. It is no byte stream, which makes all messages slower: there is one while a BYOB reader has the lock. */
export class MessageBody extends ReadableStream<Uint8Array<ArrayBuffer>> {
  readonly #from: StreamedMessage;
  /** A reader to be released later: see {@linkcode MessageBody.release}. */
  #reader: Reader | undefined;

  constructor(from: StreamedMessage, source: PieceSource) {
    super(source, { highWaterMark: 0 });
    this.#from = from;
  }

  /**
   * Releases a reader that has no pending read and that the program can't reach; of a body, only when the program
   * uses it again: that creates an error, whose stack trace costs Deno as much as the rest of a small message.
   */
  static release(stream: object, reader: Reader): void {
    if (#reader in stream) stream.#reader = reader;
    else reader.releaseLock?.();
  }

  #release(): void {
    const reader = this.#reader;
    this.#reader = undefined;
    reader?.releaseLock?.();
  }

  // Defined here instead of as methods, since their types differ between runtimes.
  static {
    const stream = ReadableStream.prototype;
    for (const name of USES) {
      const use = stream[name] as (this: MessageBody, ...args: unknown[]) => unknown;
      Object.defineProperty(this.prototype, name, {
        value(this: MessageBody, ...args: [{ mode?: unknown }?]) {
          this.#release();
          if (name === "getReader" && args[0]?.mode === "byob") return this.#getByteReader();
          return use.apply(this, args);
        },
        writable: true,
        configurable: true,
      });
    }
    const isLocked = Object.getOwnPropertyDescriptor(stream, "locked")!.get!;
    Object.defineProperty(this.prototype, "locked", {
      get(this: MessageBody) {
        this.#release();
        return isLocked.call(this);
      },
      configurable: true,
    });
  }

  #getByteReader(): ReadableStreamBYOBReader {
    // Locks the body, and reports its end.
    const lock = super.getReader();
    // An earlier reader may have been released during a read.
    this.#from.forgetReader();
    let controller!: ReadableByteStreamController;
    const bytes = new ReadableStream({
      type: "bytes",
      start: (startController) => void (controller = startController),
      pull: () => this.#from.pullInto(controller),
      cancel: (reason) => lock.cancel(reason),
    });
    lock.closed.then(() => close(controller), (error) => controller.error(error));
    const reader = bytes.getReader({ mode: "byob" });
    const { releaseLock } = reader;
    return Object.assign(reader, {
      releaseLock: () => {
        releaseLock.call(reader);
        this.#from.forgetReader();
        lock.releaseLock();
      },
    });
  }
}

function close(controller: ReadableByteStreamController): void {
  try {
    controller.close();
    controller.byobRequest?.respond(0);
  } catch {
    // It was cancelled, or the body ends within an element of the reader's view, which errors the stream.
  }
}
