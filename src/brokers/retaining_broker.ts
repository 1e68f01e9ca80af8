import type { BrokerHandler, KeepWindow, KeptMessagesHandler } from "../topics/cluster/broker.ts";

/** The common part of the brokers: what `keep` and `start` were called with, and the message store. */
export abstract class RetainingBroker<Log> {
  /** The server; `undefined` before `start`. */
  protected handler: BrokerHandler | undefined;
  protected keeping: { window: KeepWindow; handler: KeptMessagesHandler } | undefined;
  protected log: Log | undefined;
  protected isClosed = false;

  keep(window: KeepWindow, handler: KeptMessagesHandler): void {
    if (this.handler !== undefined || this.keeping !== undefined) {
      throw new TypeError("Cannot retain messages: keep() must be called once, before start()");
    }
    this.keeping = { window, handler };
  }

  /** @throws {TypeError} If the broker was started before. */
  protected begin(handler: BrokerHandler): void {
    if (this.handler !== undefined) {
      throw new TypeError("Cannot start the broker again: each server needs a broker of its own");
    }
    this.handler = handler;
  }

  /** @throws {TypeError} If messages are not retained. */
  protected get kept(): Log {
    if (this.log !== undefined) return this.log;
    throw new TypeError("Cannot retain messages: keep() was not called before start()");
  }
}
