import type { CloseStatus } from "../protocol/close_payload.ts";
import { ProtocolError } from "../errors.ts";
import { createDeferred, type Deferred } from "../promises.ts";
import { Closing, type ClosingActions } from "./closing.ts";
import type { CloseInfo } from "./connection.ts";
import type { ConnectionCore } from "./core.ts";
import { EndReason } from "./end_reason.ts";

/**
 * The end of a connection: tells the table of `closing.ts` what happens, with the reason for it, and does
 * what the table says.
 */
export class Ending implements ClosingActions {
  readonly closing: Closing;
  readonly #core: ConnectionCore;
  #reason: EndReason | undefined;
  #closed: Deferred<CloseInfo> | undefined;

  constructor(core: ConnectionCore) {
    this.#core = core;
    this.closing = new Closing(this, core.settings);
  }

  /** Why it ends: created when something asks, as an open connection has no reason to. */
  get reason(): EndReason {
    return this.#reason ??= new EndReason();
  }

  /** Resolves when the connection has ended. */
  get closed(): Promise<CloseInfo> {
    if (this.#closed === undefined) {
      this.#closed = createDeferred();
      if (this.closing.isClosed) this.#closed.resolve(this.reason.info!);
    }
    return this.#closed.promise;
  }

  /** Aborts when the state leaves `open`. */
  get signal(): AbortSignal {
    const { signal } = this.reason;
    if (this.closing.state !== "open") this.reason.abortSignal();
    return signal;
  }

  // ---- What happens ----

  receiveClose(status: CloseStatus): void {
    this.reason.receiveClose(status);
    this.closing.handle("closeReceived");
  }

  receiveEnd(): void {
    this.closing.handle("endReceived");
  }

  /** Takes an error of decoding. */
  failDecoding(error: unknown): void {
    if (error instanceof ProtocolError) {
      this.reason.receiveError(error);
      this.closing.handle("errorReceived");
    } else {
      // A fault of this library, or of memory: it ends this connection, and no other.
      this.#core.program.failWith(error);
    }
  }

  /** Closes, behind all that was accepted. */
  close(status: CloseStatus): void {
    // First, since it may end the connection, for its slow peer.
    this.sendPublished();
    if (this.closing.state === "open") this.reason.close(status);
    this.closing.handle("closeCalled");
  }

  /** Closes without waiting: a message that is being sent as a stream is given up, and all behind it. */
  cut(status: CloseStatus): void {
    this.close(status);
    // A Close frame that still waited must not tell that all before it was sent.
    if (this.closing.isOwnFlush) this.reason.close(status);
    this.closing.handle("cut");
  }

  /** Drops the connection. */
  abort(reason: string): void {
    if (this.closing.isClosed) return;
    this.reason.abort(reason);
    this.closing.handle("abort");
  }

  // ---- What is done ----

  sendPublished(): void {
    this.#core.outbound.source?.flush();
  }

  failArriving(): void {
    const { receivedError } = this.reason;
    this.#core.inbound.usedQueue?.failArriving(
      receivedError === undefined ? this.reason.lazyClosedError() : () => receivedError,
    );
  }

  dropInbound(): void {
    const { inbound, outbound, layer } = this.#core;
    inbound.protocol.dropMessages();
    inbound.usedQueue?.failArriving(this.reason.lazyClosedError());
    inbound.usedQueue?.clear();
    // Otherwise it may still have to encode: it is closed by `release`.
    if (!outbound.hasPending) layer?.close();
  }

  dropUnhandled(): void {
    if (this.#core.program.callbacks !== undefined) this.#core.inbound.usedQueue?.clear();
  }

  endInbound(): void {
    this.#core.inbound.usedQueue?.end();
  }

  endProtocol(): void {
    this.#core.inbound.protocol.receiveEnd();
    this.reason.receiveEnd();
  }

  readOn(): void {
    this.#core.inbound.readOn();
  }

  giveUpStream(): void {
    if (this.#core.outbound.isStreaming && this.reason.isPeerGone) this.closing.handle("cut");
  }

  answerIfHandled(): void {
    if (this.#core.inbound.isHandled || (this.closing.isUnread && this.#keepsUnread())) {
      this.closing.handle("handled");
    } else if (this.#mayBeUnread()) {
      // Unless the program begins to read, as it does behind `connect`.
      void this.#core.settings.turns.next().then(() => {
        if (this.#mayBeUnread()) this.closing.handle("handled");
      });
    }
  }

  /** Whether messages that wait can be received after the end, too: by iteration and streams. */
  #keepsUnread(): boolean {
    const { program, usedViews } = this.#core;
    return program.callbacks === undefined && !usedViews?.hasWebSocket;
  }

  /**
   * On a client: whether the server's Close frame has come, and no reader is at work on the messages before it.
   * The answer does not wait for one. A server's does: its program may still answer them.
   */
  #mayBeUnread(): boolean {
    return this.#core.role === "client" && this.reason.receivedStatus !== undefined &&
      this.closing.isAnswerDue && this.#keepsUnread() && !this.#core.inbound.usedQueue?.isBusy;
  }

  failWritable(): void {
    this.#core.usedViews?.failWritable(this.reason.lazyClosedError());
  }

  finishOutbound(): void {
    this.#core.outbound.finishIfDue();
  }

  takeError(): void {
    this.reason.takeError();
  }

  cutOutbound(): void {
    this.#core.outbound.cut(this.reason.lazyClosedError());
  }

  sendClose(): void {
    this.#core.inbound.protocol.sendClose(this.reason.statusToSend);
    this.#core.outbound.writer.requestFlush();
  }

  failProtocol(): void {
    this.#core.inbound.protocol.fail(this.reason.receivedError!);
  }

  endInTurn(): void {
    if (this.#core.role === "server") this.closing.handle("firstToEnd");
    else if (this.#core.inbound.hasEnded) this.closing.handle("endReceived");
  }

  endOutput(): void {
    this.#core.outbound.writer.end();
  }

  endChannel(): void {
    this.#core.channel.end();
  }

  abortSignal(): void {
    this.reason.abortSignal();
  }

  abortChannel(): void {
    this.#core.channel.abort();
  }

  release(): void {
    const core = this.#core;
    const { inbound, outbound, layer } = core;
    inbound.close();
    core.keepAlive?.stop();
    layer?.close();
    const info = this.reason.finish(inbound.protocol.state === "closed" && outbound.isSent);
    const getError = this.reason.lazyClosedError();
    outbound.close(getError);
    core.usedPings?.close(getError);
    inbound.usedQueue?.failArriving(getError);
    this.dropUnhandled();
    inbound.usedQueue?.end();
    outbound.source?.close();
    core.info.compression?.close();
    core.memory.leave();
    core.usedViews?.failWritable(getError);
    this.#closed?.resolve(info);
    this.reason.abortSignal();
    // Before its callback, in which the program may look which connections are still there.
    core.owner.removeConnection(core, info);
    core.program.close(info);
  }
}
