import { isThenable, untilSettled } from "../hooks.ts";
import { RESOLVED } from "../promises.ts";
import type { CloseInfo, Connection, ConnectionCallbacks, Message } from "./connection.ts";
import type { ConnectionCore } from "./core.ts";
import type { ReceivedPing } from "./received_memory.ts";
import { MESSAGE_COST } from "./turns.ts";

/**
 * Calls the program's callbacks, one after another: while a promise of one is awaited, messages and Pings wait
 * in the receive queue.
 */
export class CallbackRunner {
  readonly #callbacks: ConnectionCallbacks;
  readonly #core: ConnectionCore;
  /** The number of promises that are being awaited. */
  #awaited = 0;

  constructor(callbacks: ConnectionCallbacks, core: ConnectionCore) {
    this.#callbacks = callbacks;
    this.#core = core;
  }

  /** Whether a promise of a callback is being awaited. */
  get isAtWork(): boolean {
    return this.#awaited > 0;
  }

  /** Whether a callback has to wait for the promise of another, or for those that wait already. */
  get mustWait(): boolean {
    return this.#awaited > 0 || this.#core.inbound.queueLength > 0;
  }

  /** Whether Pings have a callback. */
  get takesPings(): boolean {
    return this.#callbacks.ping !== undefined;
  }

  /** Has messages wait until {@linkcode CallbackRunner.goOn}. */
  hold(): void {
    this.#awaited++;
  }

  /** Goes on with what waits. */
  goOn(): void {
    this.#awaited--;
    this.#callForWaiting();
    this.#core.inbound.readOn();
  }

  callOpen(): void {
    if (this.#callbacks.open !== undefined) this.#call(this.#callbacks.open, undefined, true);
  }

  callMessage(data: Message): void {
    if (this.#callbacks.message !== undefined) this.#call(this.#callbacks.message, data);
  }

  callPing(payload: Uint8Array<ArrayBuffer>): void {
    if (this.#callbacks.ping !== undefined) this.#call(this.#callbacks.ping, payload);
  }

  callDrain(): void {
    if (this.#callbacks.drain !== undefined) this.#call(this.#callbacks.drain);
  }

  callClose(info: CloseInfo): void {
    if (this.#callbacks.close !== undefined) this.#call(this.#callbacks.close, info);
  }

  /** Calls a callback; if it returns a promise, the next message waits for it. */
  #call<T>(
    callback: (conn: Connection, argument: T) => unknown,
    argument?: T,
    isOpen?: boolean,
  ): void {
    try {
      const result: unknown = callback.call(this.#callbacks, this.#core.conn, argument as T);
      // RESOLVED is what `send` returns while the peer keeps up: nothing to wait for.
      if (result !== RESOLVED && isThenable(result)) void this.#await(result, isOpen);
    } catch (error) {
      this.#core.program.failCallback(error, isOpen);
    }
  }

  async #await(promise: PromiseLike<unknown>, isOpen?: boolean): Promise<void> {
    this.hold();
    await untilSettled(promise, (error) => this.#core.program.failCallback(error, isOpen));
    this.goOn();
  }

  /** Calls callbacks for what waits, until one gives a promise, or others are to have their turn. */
  #callForWaiting(): void {
    const { outbound: { writer }, inbound: { usedQueue: queue }, settings: { turns } } = this.#core;
    if (queue === undefined || queue.length === 0) return;
    writer.cork();
    while (this.#awaited === 0 && queue.length > 0) {
      if (turns.isOver) {
        void this.#await(turns.next());
        break;
      }
      const next = queue.shift()!;
      turns.spend(MESSAGE_COST);
      const { payload } = next as Partial<ReceivedPing>;
      if (payload === undefined) this.callMessage(next as Message);
      else this.callPing(payload);
    }
    writer.uncork();
  }
}
