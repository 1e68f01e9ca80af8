import { CloseCode } from "../codec/close_code.ts";
import { isThenable, untilSettled } from "../hooks.ts";
import { RESOLVED } from "../promises.ts";
import type { CloseInfo, Connection, ConnectionCallbacks, Message } from "./connection.ts";
import type { ConnectionCore } from "./core.ts";
import { parts } from "./load_parts.ts";
import type { Opening } from "./open_connection.ts";
import type { ReceivedPing } from "./received_memory.ts";
import { MESSAGE_WORK } from "./turns.ts";

/**
 * The program of a connection: its handler or its callbacks, and their errors. Callbacks are called one after
 * another: while a promise of one is awaited, messages and Pings wait in the receive queue.
 */
export class Program {
  readonly callbacks: ConnectionCallbacks | undefined;
  readonly #core: ConnectionCore;
  /** The promises of callbacks that are being awaited. */
  #awaited = 0;
  #handler: ((conn: never) => unknown) | undefined;
  #isStarted = false;
  /** Whether callbacks have yet to begin, in the next turn. */
  #isOpenDue = false;

  constructor(callbacks: ConnectionCallbacks<never, never> | undefined, core: ConnectionCore) {
    this.callbacks = callbacks as ConnectionCallbacks | undefined;
    this.#core = core;
  }

  /**
   * Begins with the handler, as long as which the connection lives, or waits for the layer's handshake. If the
   * program is given the connection `"later"`, by a promise, callbacks begin in the next turn, when the code behind
   * that has run; messages wait for them.
   */
  start(handler: Opening<Connection>["start"]): void {
    const { closing, layer, inbound, settings } = this.#core;
    // An `onEvent` listener may already have aborted it.
    if (closing.isClosed) return;
    const isLater = handler === "later";
    this.#handler = isLater ? undefined : handler;
    this.#isOpenDue = isLater && (this.callbacks !== undefined || layer !== undefined);
    if (this.#isOpenDue) {
      if (this.callbacks !== undefined) this.#awaited++;
      void settings.turns.next().then(() => this.#openLater());
    }
    layer?.start();
    if (layer?.isReady ?? true) this.begin();
    inbound.readOn();
    inbound.reader.pauseUnlessReading();
  }

  /** Begins: there is no layer, or its handshake is done. */
  begin(): void {
    this.#isStarted = true;
    if (this.#handler !== undefined) void this.#run(this.#handler as (conn: Connection) => unknown);
    if (!this.#isOpenDue) this.#open();
  }

  async #run(handler: (conn: Connection) => unknown): Promise<void> {
    try {
      await handler(this.#core.conn);
      this.#core.closing.close({ closeCode: CloseCode.NormalClosure, reason: "" });
    } catch (error) {
      this.failWith(error);
    }
  }

  #openLater(): void {
    this.#open();
    const { closing } = this.#core;
    if (closing.isClosed) this.close(closing.reason.info!);
    else if (this.callbacks !== undefined) this.#goOn();
  }

  #open(): void {
    this.#isOpenDue = false;
    if (!this.#isStarted) return;
    this.#call(this.callbacks?.open, undefined, true);
    this.#core.layer?.opened();
  }

  get isAtWork(): boolean {
    return this.#awaited > 0;
  }

  /** Whether a callback has to wait for others. */
  get mustWait(): boolean {
    return this.#awaited > 0 || this.#core.inbound.queueLength > 0;
  }

  callMessage(data: Message): void {
    this.#call(this.callbacks!.message, data);
  }

  callPing(payload: Uint8Array<ArrayBuffer>): void {
    this.#call(this.callbacks!.ping, payload);
  }

  /** There is room to send again. */
  drain(): void {
    if (this.callbacks === undefined || !this.#isStarted) return;
    // Behind those that begin in the next turn.
    if (this.#isOpenDue) void this.#core.settings.turns.next().then(() => this.#callDrain());
    else this.#callDrain();
  }

  #callDrain(): void {
    if (!this.#core.closing.isClosed) this.#call(this.callbacks!.drain, undefined);
  }

  close(info: CloseInfo): void {
    if (this.#isOpenDue || !(this.#core.layer?.isReady ?? true)) return;
    this.#call(this.callbacks?.close, info);
  }

  /** Calls a callback, if there is one; if it returns a promise, the next message waits for it. */
  #call<T>(
    callback: ((conn: Connection, argument: T) => unknown) | undefined,
    argument: T,
    isOpen?: boolean,
  ): void {
    if (callback === undefined) return;
    try {
      const result: unknown = callback.call(this.callbacks, this.#core.conn, argument);
      // RESOLVED is what `send` returns while the peer keeps up: nothing to wait for.
      if (result !== RESOLVED && isThenable(result)) void this.#await(result, isOpen);
    } catch (error) {
      this.failCallback(error, isOpen);
    }
  }

  async #await(promise: PromiseLike<unknown>, isOpen?: boolean): Promise<void> {
    this.#awaited++;
    await untilSettled(promise, (error) => this.failCallback(error, isOpen));
    this.#goOn();
  }

  #goOn(): void {
    this.#awaited--;
    if (this.#core.inbound.queueLength > 0) this.#callForWaiting();
    this.#core.inbound.readOn();
  }

  /** Calls callbacks for what waits, until one gives a promise, or others are to have their turn. */
  #callForWaiting(): void {
    const { outbound: { writer }, inbound: { queue }, settings: { turns } } = this.#core;
    writer.cork();
    while (this.#awaited === 0 && queue.length > 0) {
      if (turns.isOver) {
        void this.#await(turns.next());
        break;
      }
      const next = queue.shift()!;
      turns.spend(MESSAGE_WORK);
      const { payload } = next as Partial<ReceivedPing>;
      if (payload === undefined) this.callMessage(next as Message);
      else this.callPing(payload);
    }
    writer.uncork();
  }

  /** Takes an error of a callback or a listener; `isOpen`: of `open`, without which nothing was set up. */
  failCallback(error: unknown, isOpen?: boolean): void {
    const { reason } = this.#core.closing;
    if (!isOpen && reason.ownerOf(error) === "another") {
      // This connection's peer did nothing wrong, and its next message has a callback, as ever.
      this.#core.reportError(error);
    } else if (!reason.hasPeerEnded || !reason.isReasonOf(error)) {
      this.failWith(error);
    }
    // Otherwise the messages that came before the peer's end go on to be handled.
  }

  /** Closes for what the program, or this library, failed with. */
  failWith(error: unknown): void {
    const { closing } = this.#core;
    if (!closing.reason.isReasonOf(error)) this.#core.reportError(error);
    closing.close(
      parts.rest!.closeStatusOf(error) ?? { closeCode: CloseCode.InternalError, reason: "" },
    );
  }
}
