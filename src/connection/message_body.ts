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

const { getReader } = ReadableStream.prototype;

/**
 * The body of a message. It is no stream of the type "bytes", which would cost each message that is read
 * otherwise: `getReader({ mode: "byob" })` makes one, as long as that reader has the body.
 */
export class MessageBody extends ReadableStream<Uint8Array<ArrayBuffer>> {
  readonly #from: BodySource;

  constructor(from: BodySource, source: PieceSource) {
    super(source, { highWaterMark: 0 });
    this.#from = from;
  }

  // Not as a method: the types that runtimes give it differ.
  static {
    Object.defineProperty(this.prototype, "getReader", {
      value(this: MessageBody, options?: { mode?: unknown }) {
        return options?.mode === "byob"
          ? this.#getByteReader()
          : (getReader as (this: ReadableStream, options?: unknown) => unknown).call(this, options);
      },
      writable: true,
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
