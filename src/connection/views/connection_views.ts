import { CloseCode } from "../../codec/close_code.ts";
import { setImmediate } from "../../timers.ts";
import type { IncomingMessage, Message, Sendable } from "../connection.ts";
import type { ConnectionCore } from "../core.ts";
import type { EndReason } from "../end_reason.ts";
import { closeStatusOf, isReasonless } from "../give_up.ts";
import { parts } from "../load_parts.ts";
import type { Readable } from "./message_readable.ts";
import { createWritable } from "./message_writable.ts";
import type { WebSocketView } from "./web_socket_view.ts";

/** The iterators, streams and `WebSocket` of a connection, each created on first use. */
export class ConnectionViews {
  readonly #core: ConnectionCore;
  usedReadable: Readable | undefined;
  usedWritable: ReturnType<typeof createWritable> | undefined;
  /** What receives the messages, if a `WebSocket` does. */
  usedWebSocket: WebSocketView | undefined;

  constructor(core: ConnectionCore) {
    this.#core = core;
  }

  iterate(): AsyncIterableIterator<Message, undefined, void> {
    this.#startReceiver(false);
    return parts.views!.iterateMessages(this.#core.inbound.queue);
  }

  iterateStreams(): AsyncIterableIterator<IncomingMessage, undefined, void> {
    this.#startReceiver(true);
    return parts.views!.iterateStreams(this.#core.inbound.queue);
  }

  get readable(): ReadableStream<Message> {
    const { closing, inbound: { queue } } = this.#core;
    if (this.usedReadable !== undefined) {
      queue.assertNotRead(queue.stream);
    } else {
      this.#startReceiver(false);
      const { createReadable, iterateMessages } = parts.views!;
      const messages = iterateMessages(queue, () => this.usedReadable!.stream.locked);
      this.usedReadable = createReadable(
        messages,
        () => streamError(closing.reason),
        (reason) => this.#cancelReading(reason),
      );
      queue.stream = messages;
    }
    return this.usedReadable.stream;
  }

  /**
   * The program cancelled `readable`. A loop does so without a reason even if its body throws: then wait a turn, in
   * which the handler may fail or close with another code.
   */
  #cancelReading(reason: unknown): void {
    const { closing } = this.#core;
    const closeCode = isReasonless(reason) ? CloseCode.NormalClosure : CloseCode.InternalError;
    const status = closeStatusOf(reason);
    if (status !== undefined) closing.close(status);
    else setImmediate(() => closing.close({ closeCode, reason: "" }));
  }

  get writable(): WritableStream<Sendable> {
    const { closing } = this.#core;
    this.usedWritable ??= createWritable(this.#core);
    if (closing.isClosed) this.usedWritable.fail(closing.reason.closedError());
    return this.usedWritable.stream;
  }

  get webSocket(): WebSocket {
    if (this.usedWebSocket === undefined) {
      const { program: { callbacks }, inbound } = this.#core;
      if (inbound.hasReceiver) {
        const receiver = callbacks === undefined ? "an iteration or a stream" : "callbacks";
        failReceiver(`Cannot give the connection as a WebSocket: its messages go to ${receiver}`);
      }
      this.#startReceiver(false);
      const { iterateMessages, WebSocketView } = parts.views!;
      this.usedWebSocket = new WebSocketView(this.#core, iterateMessages(inbound.queue));
    }
    // The `WebSocket` of Bun's types has more methods than the standard's.
    return this.usedWebSocket as EventTarget as WebSocket;
  }

  #startReceiver(asStreams: boolean): void {
    const { program: { callbacks }, inbound } = this.#core;
    if (callbacks !== undefined || this.usedWebSocket !== undefined) {
      const receiver = this.usedWebSocket === undefined ? "the message callback" : "asWebSocket()";
      failReceiver(`Cannot receive by iteration or streams: the messages go to ${receiver}`);
    }
    inbound.queue.assertNotRead();
    inbound.setReceiver(asStreams);
  }
}

function failReceiver(message: string): never {
  throw new DOMException(message, "InvalidStateError");
}

/** What a stream of messages errors with at the end; nothing if the connection ended in order. */
function streamError(reason: EndReason): Error | undefined {
  if (reason.receivedError !== undefined) return reason.receivedError;
  const isInOrder = reason.info !== undefined &&
    reason.info.closeCode !== CloseCode.AbnormalClosure;
  return isInOrder ? undefined : reason.closedError();
}
