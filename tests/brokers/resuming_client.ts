/**
 * A client of several servers: whenever it loses its connection, it goes to the next one.
 *
 * @module
 */

import { type ConnectAgain, createConnect } from "../../src/client/connect.ts";
import { createReconnecting } from "../../src/client/reconnecting.ts";
import { loadDialer } from "../../src/runtimes/shared/runtime.ts";
import type { Connection } from "../../mod.ts";
import { Waiter } from "../support/waiter.ts";

const connectAgain = createConnect(loadDialer);

/** A client that resumes. */
export class ResumingClient {
  readonly received: string[] = [];
  readonly lost: string[] = [];
  /** How often it has been connected. */
  connectedCount = 0;
  conn: Connection | undefined;
  readonly #waiter: Waiter = new Waiter();
  readonly #abort: AbortController = new AbortController();
  readonly #ports: readonly number[];
  #next: number;
  #finished: Promise<void> | undefined;

  private constructor(ports: readonly number[], first: number) {
    this.#ports = ports;
    this.#next = first;
  }

  /** Connects to the first of the ports, and begins to read. */
  static async start(ports: readonly number[], first: number): Promise<ResumingClient> {
    const client = new ResumingClient(ports, first);
    client.#finished = client.#read();
    await client.until("a connection", () => client.connectedCount === 1);
    return client;
  }

  /** Waits until something holds of what came. */
  until(what: string, isDone: () => boolean): Promise<void> {
    return this.#waiter.until(what, isDone);
  }

  /** Ends. */
  async end(): Promise<void> {
    this.#abort.abort();
    await this.#finished;
  }

  async #read(): Promise<void> {
    const connect: ConnectAgain = (_url, options, resume) => {
      const port = this.#ports[this.#next++ % this.#ports.length];
      return connectAgain(`ws://127.0.0.1:${port}/`, options, resume);
    };
    const connections = createReconnecting(connect)("ws://127.0.0.1/", {
      minDelayMs: 1,
      maxDelayMs: 50,
      signal: this.#abort.signal,
      onLost: (topic) => void this.lost.push(topic),
    });
    for await (const conn of connections) {
      this.conn = conn;
      this.connectedCount++;
      this.#waiter.wake();
      for await (const message of conn) {
        this.received.push(String(message));
        this.#waiter.wake();
      }
    }
  }
}
