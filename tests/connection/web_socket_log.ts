/**
 * What happened to a standard WebSocket, in the order of its events.
 *
 * @module
 */

import { Waiter } from "../support/waiter.ts";

/** Listens to all events of a WebSocket, from now on. */
export class WebSocketLog {
  /** Each event: its type, and what it carries. */
  readonly events: unknown[][] = [];
  readonly #waiter: Waiter = new Waiter();

  constructor(socket: WebSocket) {
    socket.addEventListener("open", () => this.#add("open"));
    socket.addEventListener("message", ({ data }) => this.#add("message", data));
    socket.addEventListener("error", () => this.#add("error", socket.readyState));
    socket.addEventListener("close", ({ code, reason, wasClean }) => {
      this.#add("close", code, reason, wasClean);
    });
  }

  /** Waits until there were so many events, and gives them. */
  async until(count: number): Promise<unknown[][]> {
    await this.#waiter.until(
      `${count} events, not ${this.events.length}`,
      () => this.events.length >= count,
    );
    return this.events;
  }

  /** Waits for the last event, and gives all. */
  async untilClosed(): Promise<unknown[][]> {
    await this.#waiter.until("close", () => this.events.at(-1)?.[0] === "close");
    return this.events;
  }

  #add(...event: unknown[]): void {
    this.events.push(event);
    this.#waiter.wake();
  }
}
