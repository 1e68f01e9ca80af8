/** What a body is read from. */
export interface BodySource {
  /** Has bytes put into the memory of a reader: at once where there are some, or later. */
  pullInto(controller: ReadableByteStreamController): Promise<void> | void;
  /** Nobody waits for bytes any more. */
  forgetReader(): void;
}

/** How the pieces of a body are read. */
export interface PieceSource {
  start(controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>): void;
  pull(): Promise<void> | void;
  cancel(): void;
}

/** A reader, as far as it matters here; those of other libraries may lack `releaseLock`. */
type Reader = { releaseLock?: () => void };

/** What programs can do with a stream, all of which needs one that nobody reads. */
const USES = [
  "cancel",
  "getReader",
  "pipeThrough",
  "pipeTo",
  "tee",
  "values",
  Symbol.asyncIterator,
] as const;

/**
 * The body of a message. It is no stream of the type "bytes", which would cost each message that is read
 * otherwise: `getReader({ mode: "byob" })` makes one, as long as that reader has the body.
 */
export class MessageBody extends ReadableStream<Uint8Array<ArrayBuffer>> {
  readonly #from: BodySource;
  /** The reader that is still to be released: see {@linkcode MessageBody.release}. */
  #reader: Reader | undefined;

  constructor(from: BodySource, source: PieceSource) {
    super(source, { highWaterMark: 0 });
    this.#from = from;
  }

  /**
   * Releases a reader that nobody else has, and that waits for nothing. That of a body is released when the
   * program looks at the body again, which it hardly ever does: to release it makes an error, whose stack costs
   * Deno as much as the rest of a small message.
   */
  static release(stream: object, reader: Reader): void {
    if (#reader in stream) stream.#reader = reader;
    // Streams of other libraries may lack it.
    else reader.releaseLock?.();
  }

  #release(): void {
    const reader = this.#reader;
    this.#reader = undefined;
    reader?.releaseLock?.();
  }

  // Not as methods: the types that runtimes give them differ.
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
    // It has the body locked, and tells of its end.
    const lock = super.getReader();
    // A reader before may have been released while it waited.
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
    // It was cancelled, or the body ends within an element of what it is read as, which is its error.
  }
}
