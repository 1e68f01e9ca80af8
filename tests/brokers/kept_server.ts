/**
 * What a server does with a broker that keeps messages, and nothing else.
 *
 * @module
 */

import { it } from "node:test";
import type {
  KeepingBroker,
  KeepWindow,
  KeptMessage,
  MissedMessages,
  Position,
} from "../../src/topics/cluster/broker.ts";
import { decodeUtf8, utf8 } from "../support/raw_client.ts";
import { Waiter } from "../support/waiter.ts";
import type { RealBroker } from "./real_broker.ts";

/** Room for everything. */
export const WIDE: KeepWindow = {
  windowMs: 120_000,
  windowSize: 16 * 1024 * 1024,
  totalSize: 64 * 1024 * 1024,
};

/** How long something may fail. It only decides how soon a failure is seen. */
const DEADLINE_MS = 20_000;

let lastServer = 0;

/** A server's part: it appends, reads, and has what came. */
export class KeptServer {
  readonly broker: KeepingBroker;
  /** What came to subscriptions, as `receiveKept` was called. */
  readonly received: { topic: string; message: KeptMessage }[] = [];
  /** What it was told of how the broker stands. */
  readonly states: ("connected" | "lost")[] = [];
  readonly errors: unknown[] = [];
  /** What came of messages that are not kept. */
  readonly plain: string[] = [];
  progress: Position | undefined;
  readonly #waiter: Waiter = new Waiter();
  readonly #name: string = `server-${++lastServer}-${crypto.randomUUID().slice(0, 8)}`;
  #lastId = 0;

  private constructor(broker: KeepingBroker, window: KeepWindow) {
    this.broker = broker;
    broker.keep(window, {
      receiveKept: (topic, message) => {
        // The bytes are lent.
        const copy = { ...message, message: Uint8Array.from(message.message) };
        this.received.push({ topic, message: copy });
        this.#waiter.wake();
      },
      receiveProgress: (position) => {
        this.progress = position;
        this.#waiter.wake();
      },
    });
  }

  /** Begins to connect. */
  static async start(broker: KeepingBroker, window: KeepWindow = WIDE): Promise<KeptServer> {
    const server = new KeptServer(broker, window);
    const change = (state: "connected" | "lost") => {
      if (server.states.at(-1) !== state) server.states.push(state);
      server.#waiter.wake();
    };
    await broker.start({
      receiveMessage: (topic, message) => {
        server.plain.push(`${topic}: ${decodeUtf8(message)}`);
        server.#waiter.wake();
      },
      receiveConnected: () => change("connected"),
      receiveLost: (error) => {
        server.errors.push(error);
        change("lost");
      },
      receiveError: (error) => {
        server.errors.push(error);
        server.#waiter.wake();
      },
    });
    return server;
  }

  /** The texts that came of a topic. */
  textsOf(topic: string): string[] {
    return this.messagesOf(topic).map(({ message }) => decodeUtf8(message));
  }

  /** What came of a topic. */
  messagesOf(topic: string): KeptMessage[] {
    return this.received.filter((each) => each.topic === topic).map(({ message }) => message);
  }

  /** Waits until something holds of what came, and of how the broker stands. */
  until(what: string, isDone: () => boolean): Promise<void> {
    return this.#waiter.until(what, isDone);
  }

  /** Waits until the broker is connected. */
  untilConnected(): Promise<void> {
    return this.until("the broker to be connected", () => this.states.at(-1) === "connected");
  }

  /** Waits until the broker is lost. */
  untilLost(): Promise<void> {
    return this.until("the broker to be lost", () => this.states.at(-1) === "lost");
  }

  /** Makes an id that was not used. */
  createId(): string {
    return `${this.#name}:${++this.#lastId}`;
  }

  /** Appends a message, once. */
  append(topic: string, message: string | Uint8Array, id: string = this.createId()): Promise<void> {
    const bytes = typeof message === "string" ? utf8(message) : message;
    return this.broker.append(topic, id, bytes);
  }

  /** Appends a message, however often it takes. */
  appendSurely(topic: string, text: string): Promise<void> {
    const id = this.createId();
    return this.#surely(() => this.append(topic, text, id));
  }

  /** Reads messages, however often it takes. */
  readSurely(topic: string, after: Position | undefined): Promise<MissedMessages> {
    return this.#surely(() => this.broker.read(topic, after));
  }

  async #surely<T>(attempt: () => Promise<T>): Promise<T> {
    const deadline = performance.now() + DEADLINE_MS;
    for (;;) {
      await this.untilConnected();
      try {
        return await attempt();
      } catch (error) {
        if (performance.now() > deadline) throw error;
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    }
  }

  /** Gives the place that a topic is at. */
  async place(topic: string): Promise<Position> {
    const { position } = await this.broker.read(topic, undefined);
    return position;
  }
}

/** The texts of messages that were read. */
export function textsOf({ messages }: MissedMessages): string[] {
  return messages.map(({ message }) => decodeUtf8(message));
}

/** Runs servers for as long as `body` takes. */
export async function withKeptServers(
  real: RealBroker,
  count: number,
  window: KeepWindow,
  body: (servers: KeptServer[]) => Promise<void>,
): Promise<void> {
  const servers = await Promise.all(
    Array.from({ length: count }, () => KeptServer.start(real.createBroker(), window)),
  );
  try {
    for (const server of servers) await server.untilConnected();
    await body(servers);
  } finally {
    await Promise.all(servers.map(({ broker }) => broker.close()));
  }
}

/** Makes what defines tests with such servers. */
export function keptTest(
  real: RealBroker,
  skip: false | string,
): (
  name: string,
  count: number,
  window: KeepWindow,
  body: (servers: KeptServer[]) => Promise<void>,
) => void {
  return (name, count, window, body) => {
    it(name, { skip }, () => withKeptServers(real, count, window, body));
  };
}
