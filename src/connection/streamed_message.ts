import { ByteCollector } from "../codec/byte_collector.ts";
import { decodeUtf8 } from "../codec/utf8.ts";
import type { MessageType } from "../protocol/message_receiver.ts";
import type { IncomingMessage } from "./connection.ts";

/** A message whose body is handed on while it arrives. */
export class StreamedMessage implements IncomingMessage {
  readonly type: MessageType;
  readonly body: ReadableStream<Uint8Array>;
  readonly #onChange: (change: number, heldChange: number) => void;
  /** What has arrived and was not read: one piece, however many it came in. */
  readonly #pending = new ByteCollector();
  /** The length of `#pending` that `#onChange` was told last. */
  #toldLength = 0;
  /** The capacity of `#pending` that it was told. */
  #toldCapacity = 0;
  #controller!: ReadableStreamDefaultController<Uint8Array>;
  /** Set while a reader waits for bytes. */
  #resume: (() => void) | undefined;
  #ended = false;
  /** Whether anything of the body was asked for. */
  #isUsed = false;
  /** Whether nobody reads on: the body was read to its end, cancelled or failed. */
  #done = false;

  /**
   * Creates a message whose body is still to come.
   *
   * @param onChange Called with the change of `pendingLength`: above 0 when bytes arrived, below it
   * when they were read or dropped; 0 when a reader waits, or no more are wanted. Its second argument
   * is the change of the bytes that memory is held for.
   */
  constructor(type: MessageType, onChange: (change: number, heldChange: number) => void) {
    this.type = type;
    this.#onChange = onChange;
    this.body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.#controller = controller;
      },
      pull: () => this.#pull(),
      cancel: () => {
        this.#isUsed = true;
        this.#finish();
      },
    }, { highWaterMark: 0 });
  }

  /** The number of bytes that wait to be read. */
  get pendingLength(): number {
    return this.#pending.length;
  }

  /** The number of bytes that memory is held for. */
  get heldLength(): number {
    return this.#pending.capacity;
  }

  /** Whether the end of the message has arrived. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Takes a piece of the body. */
  push(bytes: Uint8Array, start: number, end: number): void {
    if (this.#done) return;
    this.#pending.append(bytes, start, end, Infinity);
    this.#tellChange();
    this.#deliver();
  }

  /** Takes the end of the body. */
  end(): void {
    this.#ended = true;
    if (this.#done) return;
    if (this.#pending.length === 0) this.#close();
    else this.#deliver();
  }

  /** Errors the body, unless it was read to its end. What had arrived and was not read is lost. */
  fail(error: unknown): void {
    if (this.#done) return;
    this.#controller.error(error);
    this.#finish();
  }

  async text(): Promise<string> {
    const bytes = await this.bytes();
    const text = decodeUtf8(bytes);
    if (text === undefined) throw new TypeError("Cannot read the message as text: it is not UTF-8");
    return text;
  }

  async bytes(): Promise<Uint8Array> {
    if (this.#isUsed || this.body.locked) {
      throw new TypeError("Cannot read the message: its body was read, or is being read, already");
    }
    this.#isUsed = true;
    const collector = new ByteCollector();
    for await (const chunk of this.body) collector.append(chunk, 0, chunk.length, Infinity);
    return collector.take();
  }

  #pull(): Promise<void> | void {
    this.#isUsed = true;
    if (this.#pending.length > 0) return this.#read();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#resume = resolve;
    // The queue may have been full, and the socket not be read any more.
    this.#onChange(0, 0);
    return promise;
  }

  #deliver(): void {
    if (this.#resume === undefined) return;
    this.#read();
    this.#settleRead();
  }

  #read(): void {
    this.#controller.enqueue(this.#pending.take());
    if (this.#ended) this.#close();
    else this.#tellChange();
  }

  #close(): void {
    this.#controller.close();
    this.#finish();
  }

  #finish(): void {
    this.#done = true;
    this.#pending.take();
    this.#settleRead();
    this.#tellChange();
  }

  #tellChange(): void {
    const change = this.#pending.length - this.#toldLength;
    const heldChange = this.#pending.capacity - this.#toldCapacity;
    this.#toldLength += change;
    this.#toldCapacity += heldChange;
    this.#onChange(change, heldChange);
  }

  #settleRead(): void {
    const resume = this.#resume;
    this.#resume = undefined;
    resume?.();
  }
}
