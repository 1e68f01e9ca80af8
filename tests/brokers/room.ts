/**
 * Servers with one broker, each with a client that is in the same room.
 *
 * @module
 */

import { connect } from "../../src/runtimes/shared/client.ts";
import type {
  BrokerEvent,
  Connection,
  Message,
  ServeOptions,
  Server,
  ServerConnection,
  SubscribeOptions,
  Subscription,
} from "../../mod.ts";
import { serve } from "../../mod.ts";
import { Waiter } from "../support/waiter.ts";
import type { RealBroker } from "./real_broker.ts";

/** The topic of the room. */
export const ROOM = "the room";

/** A server in this process, and a client of it. */
export class Member {
  readonly events: BrokerEvent[] = [];
  /** What its client got. */
  readonly received: Message[] = [];
  readonly #waiter: Waiter = new Waiter();
  server!: Server;
  /** The server's end of the client's connection. */
  conn!: ServerConnection;
  #client!: Connection;
  #url!: string;

  /** Starts a server, and a client that is in the room. */
  static async start(real: RealBroker, options: ServeOptions = {}): Promise<Member> {
    const member = new Member();
    const { promise: opened, resolve: open } = Promise.withResolvers<ServerConnection>();
    member.server = await serve({
      port: 0,
      hostname: "127.0.0.1",
      broker: real.createBroker(),
      onEvent: (event) => {
        if (event.type === "broker") member.events.push(event);
        member.#waiter.wake();
      },
      open,
      ...options,
    });
    const { addr } = member.server;
    if (addr.transport !== "tcp") throw new Error("There is no port");
    member.#url = `ws://127.0.0.1:${addr.port}/`;
    member.#client = await connect(member.#url);
    member.conn = await opened;
    member.conn.subscribe(ROOM);
    void member.#read();
    return member;
  }

  /** The text that its client got. */
  get texts(): string[] {
    return this.received.filter((message) => typeof message === "string");
  }

  /** Connects a client that does not read, and subscribes it. */
  async subscribeSlow(
    topic: string,
    options: SubscribeOptions,
  ): Promise<{ client: Connection; subscription: Subscription }> {
    const before = new Set(this.server.connections);
    const client = await connect(this.#url);
    await this.until("a connection", () => this.server.connections.size > before.size);
    const [conn] = [...this.server.connections].filter((each) => !before.has(each));
    return { client, subscription: conn.subscribe(topic, options) };
  }

  /** Waits until something holds of what came. */
  until(what: string, isDone: () => boolean): Promise<void> {
    return this.#waiter.until(what, isDone);
  }

  /** Waits until it was told of something. */
  untilTold(status: BrokerEvent["status"]): Promise<void> {
    return this.until(status, () => this.events.some((event) => event.status === status));
  }

  /** Waits until its client got a text. */
  untilReceived(text: string): Promise<void> {
    return this.until(`${text} after ${this.texts.at(-1)}`, () => this.texts.at(-1) === text);
  }

  /** Ends the server. */
  async end(): Promise<void> {
    await this.server.shutdown();
  }

  async #read(): Promise<void> {
    for await (const message of this.#client) {
      this.received.push(message);
      this.#waiter.wake();
    }
  }
}
