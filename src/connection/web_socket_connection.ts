import type { Optional } from "../checks.ts";
import { CloseCode } from "../codec/close_code.ts";
import { rejected, RESOLVED } from "../promises.ts";
import type { CloseStatus } from "../protocol/close_payload.ts";
import type { MessageType } from "../protocol/message_receiver.ts";
import { assertMessage } from "../protocol/protocol.ts";
import type { Address } from "../transport/byte_channel.ts";
import type {
  CloseInfo,
  Connection,
  ConnectionStats,
  IncomingMessage,
  Message,
  Sendable,
  SendableStream,
  SendOptions,
  SendStreamOptions,
  TrySendResult,
  WaitOptions,
} from "./connection.ts";
import type { ConnectionCore } from "./core.ts";
import { parts } from "./load_parts.ts";

/** Gives the inside of a connection; `undefined` for what is no connection. */
export let coreOf: (conn: unknown) => ConnectionCore | undefined;

/** What programs have: checks what it is given, and leaves the rest to the parts of its core. */
export class WebSocketConnection<Data> implements Connection<Data> {
  // Not a method: nothing but the public interface can be reached on a connection.
  static {
    coreOf = (conn) =>
      typeof conn === "object" && conn !== null && #core in conn ? conn.#core : undefined;
  }

  readonly #core: ConnectionCore;
  data: Data;

  constructor(core: ConnectionCore) {
    this.#core = core;
    this.data = core.info.data as Data;
  }

  get request(): Request {
    const { info: { request }, memory } = this.#core;
    const value = request.get(parts.rest!.toRequest);
    memory.requestSize = request.heldSize;
    return value;
  }

  get protocol(): string {
    return this.#core.info.protocol;
  }

  get extensions(): string {
    return this.#core.info.extensions;
  }

  get remoteAddress(): Address {
    return this.#core.channel.remoteAddress;
  }

  get localAddress(): Address {
    return this.#core.channel.localAddress;
  }

  get state(): "open" | "closing" | "closed" {
    return this.#core.closing.state;
  }

  get signal(): AbortSignal {
    return this.#core.closing.signal;
  }

  get bufferedAmount(): number {
    return this.#core.outbound.length;
  }

  get closed(): Promise<CloseInfo> {
    return this.#core.closing.closed;
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<Message, undefined, void> {
    return this.#core.views.iterate();
  }

  messages(): AsyncIterableIterator<IncomingMessage, undefined, void> {
    return this.#core.views.iterateStreams();
  }

  get readable(): ReadableStream<Message> {
    return this.#core.views.readable;
  }

  asWebSocket(): WebSocket {
    return this.#core.views.webSocket;
  }

  send(data: Sendable, options?: SendOptions): Promise<void> {
    assertMessage(data);
    if (options !== undefined) parts.rest!.checkSendOptions(options);
    const { closing, outbound } = this.#core;
    // First, since that may close this connection, too.
    outbound.source?.sendPublished();
    if (!closing.accepts) return rejected(closing.reason.closedError());
    if (options?.signal?.aborted) return rejected(options.signal.reason);
    if (!outbound.hasRoomFor(data)) {
      const { sendQueueOverflow } = this.#core.settings.limits;
      if (sendQueueOverflow === "drop") return RESOLVED;
      if (sendQueueOverflow === "close") {
        closing.cut({
          closeCode: CloseCode.TryAgainLater,
          reason: "The send queue is full: the peer reads too slowly",
        });
        return rejected(closing.reason.closedError());
      }
    }
    const sent = outbound.sendMessage(data, options?.compress);
    if (sent === undefined) return rejected(closing.reason.closedError());
    return options === undefined ? sent : parts.rest!.abortable(sent, options.signal);
  }

  trySend(data: Sendable): TrySendResult {
    assertMessage(data);
    const { closing, outbound } = this.#core;
    outbound.source?.sendPublished();
    if (!closing.accepts) return "closed";
    if (!outbound.hasRoomFor(data)) return "dropped";
    if (outbound.sendMessage(data) === undefined) return "closed";
    return outbound.isAboveHighWater ? "queued" : "sent";
  }

  sendStream(
    type: MessageType,
    stream: SendableStream,
    options?: SendStreamOptions,
  ): Promise<void> {
    return parts.rest!.sendStream(this.#core, type, stream, options);
  }

  get writable(): WritableStream<Sendable> {
    return this.#core.views.writable;
  }

  ping(options?: WaitOptions): Promise<number> {
    return parts.rest!.ping(this.#core, options);
  }

  close(status?: Optional<CloseStatus>, ...others: never[]): Promise<CloseInfo> {
    this.#core.closing.close(parts.rest!.resolveCloseStatus(status, others));
    return this.closed;
  }

  abort(): void {
    this.#core.closing.abort("");
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close().then(() => {});
  }

  stats(): ConnectionStats {
    return parts.rest!.statsOf(this.#core);
  }
}
