import { CloseCode } from "../codec/close_code.ts";
import { CallbackRunner } from "./callback_runner.ts";
import type { CloseInfo, Connection, ConnectionCallbacks } from "./connection.ts";
import type { ConnectionCore } from "./core.ts";
import { parts } from "./load_parts.ts";

/** The program of a connection: its handler and callbacks, from the first to the last, and its errors. */
export class Program {
  readonly callbacks: CallbackRunner | undefined;
  readonly #core: ConnectionCore;
  #handler: ((conn: never) => unknown) | undefined;
  #isStarted = false;
  /** Whether callbacks have yet to begin, in the next turn. */
  #isOpenDue = false;

  constructor(callbacks: ConnectionCallbacks<never, never> | undefined, core: ConnectionCore) {
    this.#core = core;
    if (callbacks !== undefined) {
      this.callbacks = new CallbackRunner(callbacks as ConnectionCallbacks, core);
    }
  }

  /**
   * Begins, or waits for the layer's handshake.
   *
   * @param handler Handles the connection for its whole life, which ends with it.
   * @param isLater Whether the program is given the connection by a promise. Then callbacks begin in the next
   * turn, when the promise has resolved and the code behind it has run; messages wait for them.
   */
  start(handler: ((conn: never) => unknown) | undefined, isLater: boolean): void {
    const { closing, layer, inbound, settings } = this.#core;
    // An `onEvent` listener may already have aborted it.
    if (closing.isClosed) return;
    this.#handler = handler;
    this.#isOpenDue = isLater && (this.callbacks !== undefined || layer !== undefined);
    if (this.#isOpenDue) {
      this.callbacks?.hold();
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
      this.#core.end.close({ closeCode: CloseCode.NormalClosure, reason: "" });
    } catch (error) {
      this.failWith(error);
    }
  }

  #openLater(): void {
    this.#open();
    const { end } = this.#core;
    if (end.closing.isClosed) this.close(end.reason.info!);
    else this.callbacks?.goOn();
  }

  #open(): void {
    this.#isOpenDue = false;
    if (!this.#isStarted) return;
    this.callbacks?.callOpen();
    this.#core.layer?.opened();
  }

  /** There is room to send again. */
  drain(): void {
    if (this.callbacks === undefined || !this.#isStarted) return;
    // Behind those that begin in the next turn.
    if (this.#isOpenDue) void this.#core.settings.turns.next().then(() => this.#callDrain());
    else this.#callDrain();
  }

  #callDrain(): void {
    if (!this.#core.end.closing.isClosed) this.callbacks!.callDrain();
  }

  /** The connection has ended. */
  close(info: CloseInfo): void {
    if (!this.#isOpenDue && (this.#core.layer?.isReady ?? true)) this.callbacks?.callClose(info);
  }

  /**
   * Takes an error of a callback, or a listener.
   *
   * @param isOpen Whether it is that of `open`, without which nothing was checked or set up.
   */
  failCallback(error: unknown, isOpen?: boolean): void {
    const { reason } = this.#core.end;
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
    const { end } = this.#core;
    if (!end.reason.isReasonOf(error)) this.#core.reportError(error);
    end.close(
      parts.rest!.closeStatusOf(error) ?? { closeCode: CloseCode.InternalError, reason: "" },
    );
  }
}
