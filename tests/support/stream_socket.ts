import type { ByteStreamPair } from "../../src/server/mod.ts";
import type { RawSocket, RawSocketHandler } from "./raw_socket.ts";

/** The client's end of two streams; it can't tell a reset from an end with an error. */
export class StreamSocket implements RawSocket {
  handler!: RawSocketHandler;
  /** The server's end. */
  readonly server: ByteStreamPair;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  /** What the client writes with. */
  readonly writer: WritableStreamDefaultWriter<Uint8Array>;
  unsentSize = 0;
  hasEnded = false;
  #isPaused = true;

  /** @param highWaterMark How many chunks the writables take before they say that they are full. */
  constructor(highWaterMark = 1) {
    const fromClient = new TransformStream<Uint8Array, Uint8Array>(undefined, { highWaterMark });
    const toClient = new TransformStream<Uint8Array, Uint8Array>(undefined, { highWaterMark });
    this.server = { readable: fromClient.readable, writable: toClient.writable };
    this.#reader = toClient.readable.getReader();
    this.writer = fromClient.writable.getWriter();
  }

  send(bytes: Uint8Array): void {
    this.unsentSize += bytes.length;
    this.writer.write(bytes).then(() => void (this.unsentSize -= bytes.length), () => {});
  }

  end(): void {
    this.hasEnded = true;
    this.writer.close().catch(() => {});
  }

  reset(): void {
    this.hasEnded = true;
    const error = new Error("The client reset the streams");
    this.writer.abort(error).catch(() => {});
    this.#reader.cancel(error).catch(() => {});
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    void this.#read();
  }

  async #read(): Promise<void> {
    try {
      while (!this.#isPaused) {
        const { done, value } = await this.#reader.read();
        if (done) return this.handler.receiveEnd();
        this.handler.receive(value);
      }
    } catch (error) {
      this.handler.receiveClosed(error);
    }
  }
}
