import type { CloseStatus } from "../protocol/close_payload.ts";
import { ProtocolError } from "../errors.ts";
import { createDeferred, type Deferred } from "../promises.ts";
import { type ClosingEvent, TABLE } from "./closing_table.ts";
import type { CloseInfo } from "./connection.ts";
import type { ConnectionCore } from "./core.ts";
import { EndReason } from "./end_reason.ts";

/**
 * The end of a connection: is told what happens, notes the reason, and does what the table of `closing_table.ts`
 * says. No other class keeps a flag about how far it is.
 */
export class Closing {
  readonly #core: ConnectionCore;
  readonly #actions: Actions;
  #state = TABLE.open;
  #deadline: unknown;
  #reason: EndReason | undefined;
  #closed: Deferred<CloseInfo> | undefined;

  /** @param actions What the actions do. Tests only watch which come. */
  constructor(core: ConnectionCore, actions: Actions = ACTIONS) {
    this.#core = core;
    this.#actions = actions;
  }

  /** The state, as programs see it. */
  get state(): "open" | "closing" | "closed" {
    if (this.isClosed) return "closed";
    return this.#state === TABLE.open ? "open" : "closing";
  }

  get isClosed(): boolean {
    return this.#state === TABLE.closed;
  }

  // What holds in the state: see `State` in `closing_table.ts`.

  get accepts(): boolean {
    return this.#state.accepts;
  }

  get finishes(): boolean {
    return this.#state.finishes;
  }

  /** Whether nothing of the program is sent any more, not even what was accepted before. */
  get isFinished(): boolean {
    return !this.#state.accepts && !this.#state.finishes;
  }

  get handles(): boolean {
    return this.#state.handles;
  }

  /** Whether the peer has ended, and the answer waits until what came before has been handled. */
  get isAnswerDue(): boolean {
    return this.#state.handles && this.#state !== TABLE.open;
  }

  /** Whether FIN is to follow the output. */
  get isEndDue(): boolean {
    return this.#state === TABLE.ending;
  }

  /** Why it ends: created when something asks, as an open connection has no reason to. */
  get reason(): EndReason {
    return this.#reason ??= new EndReason();
  }

  get closed(): Promise<CloseInfo> {
    if (this.#closed === undefined) {
      this.#closed = createDeferred();
      if (this.isClosed) this.#closed.resolve(this.reason.info!);
    }
    return this.#closed.promise;
  }

  /** Aborts when the state leaves `open`. */
  get signal(): AbortSignal {
    const { signal } = this.reason;
    if (this.state !== "open") this.reason.abortSignal();
    return signal;
  }

  receiveClose(status: CloseStatus): void {
    this.reason.receiveClose(status);
    this.handle("closeReceived");
  }

  failDecoding(error: unknown): void {
    if (error instanceof ProtocolError) {
      this.reason.receiveError(error);
      this.handle("errorReceived");
    } else {
      // A fault of this library, or of memory: it ends this connection, and no other.
      this.#core.program.failWith(error);
    }
  }

  /** Closes, behind all that was accepted. */
  close(status: CloseStatus): void {
    // First, since it may end the connection, for its slow peer.
    this.#actions.sendPublished(this.#core);
    if (this.state === "open") this.reason.close(status);
    this.handle("closeCalled");
  }

  /** Closes without waiting: a message that is being sent as a stream is given up, and all behind it. */
  cut(status: CloseStatus): void {
    this.close(status);
    // This side's Close frame, if it still waits, must not tell that all before it was sent.
    if (this.#state === TABLE.finishing || this.#state === TABLE.crossing) {
      this.reason.close(status);
    }
    this.handle("cut");
  }

  abort(reason: string): void {
    if (this.isClosed) return;
    this.reason.abort(reason);
    this.handle("abort");
  }

  /** Goes to the next state, and does what is due in it. */
  handle(event: ClosingEvent): void {
    const next = this.#state.on[event]?.[0];
    if (next === undefined) return;
    // This may close the connection, if its peer is slow: the transition is looked up again.
    if (this.accepts && next !== "closed" && !TABLE[next].accepts) {
      this.#actions.sendPublished(this.#core);
    }
    const transition = this.#state.on[event];
    if (transition === undefined) return;
    this.#state = TABLE[transition[0]];
    for (let i = 1; i < transition.length; i++) {
      this.#actions[transition[i] as ClosingAction](this.#core);
    }
  }

  startDeadline(): void {
    const { clock, closeTimeoutMs } = this.#core.settings;
    this.stopDeadline();
    if (closeTimeoutMs === Infinity) return;
    this.#deadline = clock.setTimeout(() => this.handle("deadline"), closeTimeoutMs);
  }

  stopDeadline(): void {
    this.#core.settings.clock.clearTimeout(this.#deadline);
  }

  answerIfHandled(): void {
    const { inbound, settings: { turns } } = this.#core;
    if (inbound.isHandled || (this.#state === TABLE.unread && this.#keepsUnread())) {
      this.handle("handled");
    } else if (this.#mayBeUnread()) {
      // Unless the program begins to read, as it does behind `connect`.
      void turns.next().then(() => {
        if (this.#mayBeUnread()) this.handle("handled");
      });
    }
  }

  /** Whether messages that wait can be received after the end, too: by iteration and streams. */
  #keepsUnread(): boolean {
    const { program, usedViews } = this.#core;
    return program.callbacks === undefined && usedViews?.usedWebSocket === undefined;
  }

  /** On a client: whether the server has closed, and nobody reads what came before. Its answer does not wait. */
  #mayBeUnread(): boolean {
    return this.#core.role === "client" && this.reason.receivedStatus !== undefined &&
      this.isAnswerDue && this.#keepsUnread() && !this.#core.inbound.usedQueue?.isBusy;
  }

  /** The connection has ended, and holds nothing any more. */
  finish(info: CloseInfo): void {
    this.#closed?.resolve(info);
    this.reason.abortSignal();
  }
}

/** What the actions of the table do. */
const ACTIONS = {
  /** Sends what was published to the connection: also before it accepts no more, whatever comes then. */
  sendPublished: ({ outbound }: ConnectionCore): void => outbound.source?.sendPublished(),
  /** Starts the deadline, `closeTimeoutMs`, or starts it again. */
  startDeadline: ({ closing }: ConnectionCore): void => closing.startDeadline(),
  stopDeadline: ({ closing }: ConnectionCore): void => closing.stopDeadline(),
  /** Errors the message that is arriving as a stream: its rest won't come. */
  failArriving({ closing: { reason }, inbound }: ConnectionCore): void {
    const { receivedError } = reason;
    inbound.usedQueue?.failArriving(
      receivedError === undefined ? reason.lazyClosedError() : () => receivedError,
    );
  },
  /** Drops all messages that were received, or will be: the program has closed. */
  dropInbound({ closing: { reason }, inbound, layer, outbound }: ConnectionCore): void {
    inbound.protocol.dropMessages();
    inbound.usedQueue?.failArriving(reason.lazyClosedError());
    inbound.usedQueue?.clear();
    // Otherwise it may still have to encode: it is closed by `release`.
    if (!outbound.hasPending) layer?.close();
  },
  /** Drops the messages that wait for callbacks, if there are callbacks. */
  dropUnhandled({ inbound, program }: ConnectionCore): void {
    if (program.callbacks !== undefined) inbound.usedQueue?.clear();
  },
  /** Ends the receive queue: behind what is in it comes nothing. */
  endInbound: ({ inbound }: ConnectionCore): void => inbound.usedQueue?.end(),
  /** Takes no more frames: the peer's FIN came without a Close frame (section 7.1.5: 1006). */
  endProtocol({ closing, inbound }: ConnectionCore): void {
    inbound.protocol.receiveEnd();
    closing.reason.receiveEnd();
  },
  /** Reads on, what comes being dropped: the peer's Close frame and FIN are not to wait for room. */
  readOn: ({ inbound }: ConnectionCore): void => inbound.readOn(),
  /** Says `cut` if the peer's Close frame says that nobody reads the message that is being sent as a stream. */
  giveUpStream({ closing, outbound }: ConnectionCore): void {
    if (outbound.held?.isStreaming && closing.reason.isPeerGone) closing.handle("cut");
  },
  /** Says `handled` if the program has handled all that was received, or nobody is going to. */
  answerIfHandled: ({ closing }: ConnectionCore): void => closing.answerIfHandled(),
  failWritable: ({ closing, usedViews }: ConnectionCore): void =>
    usedViews?.usedWritable?.fail(closing.reason.closedError()),
  /** Says `finished` if nothing accepted waits; otherwise that comes later, maybe not at all. */
  finishOutbound: ({ outbound }: ConnectionCore): void => outbound.finishIfDue(),
  /** Has the connection end with the error's code and reason, if it has no other yet. */
  takeError: ({ closing }: ConnectionCore): void => closing.reason.takeError(),
  /** Gives up what waits to be sent: a message that is being sent as a stream, and all behind it. */
  cutOutbound: ({ closing, outbound }: ConnectionCore): void =>
    outbound.cut(closing.reason.lazyClosedError()),
  /** Sends this side's Close frame: the status it closes with, or the peer's code (section 5.5.1). */
  sendClose({ closing, inbound, outbound }: ConnectionCore): void {
    inbound.protocol.sendClose(closing.reason.statusToSend);
    outbound.writer.requestFlush();
  },
  /** Sends the error's Close frame, if none was sent (section 7.1.7). */
  failProtocol: ({ closing, inbound }: ConnectionCore): void =>
    inbound.protocol.fail(closing.reason.receivedError!),
  /** Says `firstToEnd` on a server, and `endReceived` on a client whose server has sent FIN already. */
  endIfFirst({ closing, inbound, role }: ConnectionCore): void {
    if (role === "server") closing.handle("firstToEnd");
    else if (inbound.hasEnded) closing.handle("endReceived");
  },
  /** Writes the output, behind which FIN comes: `written`. */
  endOutput: ({ outbound }: ConnectionCore): void => outbound.writer.end(),
  endChannel: ({ channel }: ConnectionCore): void => channel.end(),
  /** Aborts `conn.signal`: last, since the program's listeners may do anything. */
  abortSignal: ({ closing }: ConnectionCore): void => closing.reason.abortSignal(),
  abortChannel: ({ channel }: ConnectionCore): void => channel.abort(),
  /** Gives back all that the connection holds, and tells the program that it has ended. */
  release(core: ConnectionCore): void {
    const { closing, inbound, layer, outbound } = core;
    inbound.close();
    core.keepAlive?.stop();
    layer?.close();
    const info = closing.reason.finish(inbound.protocol.state === "closed" && outbound.isSent);
    const getError = closing.reason.lazyClosedError();
    outbound.close(getError);
    core.usedPings?.close(getError);
    inbound.usedQueue?.failArriving(getError);
    ACTIONS.dropUnhandled(core);
    inbound.usedQueue?.end();
    outbound.source?.close();
    core.info.compression?.close();
    core.memory.leave();
    core.usedViews?.usedWritable?.fail(getError());
    closing.finish(info);
    // Before its callback, in which the program may look which connections are still there.
    core.owner.removeConnection(core, info);
    core.program.close(info);
  },
};

/** What is done besides going to the next state. */
export type ClosingAction = keyof typeof ACTIONS;

type Actions = { readonly [A in ClosingAction]: (core: ConnectionCore) => void };
