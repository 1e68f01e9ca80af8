import { ByteCollector } from "../codec/byte_collector.ts";
import { decodeUtf8 } from "../codec/utf8.ts";
import type { MessageType } from "../protocol/message_receiver.ts";
import type { IncomingMessage } from "./connection.ts";
import type { ReceiveQueue } from "./receive_queue.ts";
import { MessageBody } from "./views/message_body.ts";

const EMPTY: Uint8Array<ArrayBuffer> = new Uint8Array(0);

/** A message whose body is handed on while it arrives. */
export class StreamedMessage implements IncomingMessage {
  readonly type: MessageType;
  /** What counts its bytes, unless it has arrived already. */
  readonly #queue: ReceiveQueue | undefined;
  /** What has arrived and was not read. */
  readonly #pending = new ByteCollector();
  /** The rest of a piece that was more than a reader had room for; it comes before the others. */
  #rest: Uint8Array<ArrayBuffer> = EMPTY;
  /** What the queue was told last. */
  #toldLength = 0;
  #toldCapacity = 0;
  /** Created when it is asked for: it costs several times as much as the rest of a small message. */
  #body: MessageBody | undefined;
  #controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>> | undefined;
  /** Set while a reader waits for bytes. */
  #wake: (() => void) | undefined;
  /** Whose memory the bytes go to, if they are not to be a piece of their own. */
  #into: ReadableByteStreamController | undefined;
  /** Whether the end of the message has arrived. */
  #ended = false;
  /** Whether anything of the body was asked for. */
  #isUsed = false;
  /** Whether the program waits for the body as a whole. */
  #isCollecting = false;
  /** The body, from its end until the program is given it. */
  #whole: Uint8Array<ArrayBuffer> | undefined;
  /** What keeps others from the body meanwhile. */
  #lock: ReadableStreamDefaultReader | undefined;
  /** Whether nobody reads on: the body was read to its end, cancelled or failed. */
  #done = false;
  /** Set if the body failed: its rest can't come, or was dropped. */
  #getError: (() => unknown) | undefined;

  constructor(type: MessageType, queue?: ReceiveQueue) {
    this.type = type;
    this.#queue = queue;
  }

  get body(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.#body ??= this.#createBody();
  }

  #createBody(): MessageBody {
    const body = new MessageBody(this, {
      start: (controller) => {
        this.#controller = controller;
        if (this.#getError !== undefined) controller.error(this.#getError());
        else if (this.#done) controller.close();
      },
      pull: () => this.#pull(),
      cancel: () => {
        this.#isUsed = true;
        this.#finish();
      },
    });
    if (this.#isCollecting) this.#lock = body.getReader();
    return body;
  }

  /** The bytes that wait to be read. */
  get pendingLength(): number {
    return this.#isCollecting ? 0 : this.#pending.length + this.#rest.length;
  }

  /** The bytes of their memory. */
  get heldLength(): number {
    return this.#pending.capacity + this.#rest.buffer.byteLength;
  }

  push(bytes: Uint8Array, start: number, end: number): void {
    if (this.#done) return;
    this.#pending.append(bytes, start, end, Infinity);
    this.#tellChange();
    this.#deliver();
  }

  end(): void {
    this.#ended = true;
    if (this.#done) return;
    if (this.#isCollecting) this.#takeWhole();
    else if (this.pendingLength === 0) this.#close();
    else this.#deliver();
  }

  /**
   * Errors the body, unless it was read to its end. What had arrived and was not read is lost.
   *
   * @param getError Gives the same error each time. It is only made if it is needed: its stack costs Deno a
   * tenth of a small message.
   */
  fail(getError: () => unknown): void {
    if (this.#done) return;
    this.#getError = getError;
    this.#controller?.error(getError());
    this.#finish();
  }

  /** Errors the body if the program has not read all of it, as it is done with the message. */
  dropRest(): void {
    if (this.#done) return;
    let error: DOMException | undefined;
    this.fail(() =>
      error ??= new DOMException("The rest of the message was dropped", "AbortError")
    );
  }

  async text(): Promise<string> {
    const bytes = await this.bytes();
    const text = decodeUtf8(bytes);
    if (text === undefined) throw new TypeError("Cannot read the message as text: it is not UTF-8");
    return text;
  }

  async bytes(): Promise<Uint8Array<ArrayBuffer>> {
    if (this.#isUsed || this.#body?.locked) {
      throw new TypeError("Cannot read the message: its body was read, or is being read, already");
    }
    this.#isUsed = true;
    if (this.#ended) this.#takeWhole();
    else if (!this.#done) await this.#collect();
    if (this.#getError !== undefined) throw this.#getError();
    const whole = this.#whole!;
    this.#whole = undefined;
    return whole;
  }

  /** Waits for the end of the body. */
  async #collect(): Promise<void> {
    this.#lock = this.#body?.getReader();
    this.#isCollecting = true;
    await this.#wait();
    this.#isCollecting = false;
    if (this.#lock !== undefined) MessageBody.release(this.#body!, this.#lock);
  }

  #takeWhole(): void {
    this.#whole = this.#take();
    if (!this.#done) this.#close();
  }

  /** Fills the memory of a BYOB reader: at once if there are bytes, or else later. */
  pullInto(controller: ReadableByteStreamController): Promise<void> | void {
    this.#into = controller;
    return this.#pull();
  }

  /** No BYOB reader waits any more. */
  forgetReader(): void {
    this.#into = undefined;
    this.#wakeReader();
  }

  #pull(): Promise<void> | void {
    this.#isUsed = true;
    if (this.pendingLength > 0) return this.#read();
    return this.#wait();
  }

  #wait(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    // The queue may have been full, and the socket not be read any more. This may bring the end of the body.
    this.#tellChange();
    return promise;
  }

  #deliver(): void {
    if (this.#wake === undefined || this.#isCollecting) return;
    // Whose reader was released does not wait any more; the next one may be of another kind.
    if (this.#into !== undefined || this.#body!.locked) this.#read();
    this.#wakeReader();
  }

  #read(): void {
    if (this.#into !== undefined) this.#readInto(this.#into.byobRequest!);
    else this.#controller!.enqueue(this.#take());
    if (this.#ended && this.pendingLength === 0) this.#close();
    else this.#tellChange();
  }

  #take(): Uint8Array<ArrayBuffer> {
    if (this.#rest.length === 0) return this.#pending.take();
    const rest = this.#rest;
    this.#rest = EMPTY;
    return rest;
  }

  #readInto(request: ReadableStreamBYOBRequest): void {
    const { buffer, byteOffset, byteLength } = request.view!;
    const bytes = this.#take();
    const length = Math.min(bytes.length, byteLength);
    new Uint8Array(buffer, byteOffset, length).set(bytes.subarray(0, length));
    if (length < bytes.length) this.#rest = bytes.subarray(length);
    request.respond(length);
  }

  #close(): void {
    this.#controller?.close();
    this.#finish();
  }

  #finish(): void {
    this.#done = true;
    this.#pending.borrow();
    this.#rest = EMPTY;
    this.#wakeReader();
    this.#tellChange();
  }

  #tellChange(): void {
    const change = this.pendingLength - this.#toldLength;
    const heldChange = this.heldLength - this.#toldCapacity;
    this.#toldLength += change;
    this.#toldCapacity += heldChange;
    this.#queue?.bodyChanged(change, heldChange);
  }

  #wakeReader(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}
