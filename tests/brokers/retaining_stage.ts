/**
 * A server whose broker keeps messages, and answers when a test says so.
 *
 * @module
 */

import type { BrokerEvent, ServeOptions } from "../../src/server/mod.ts";
import { encodeBrokerMessage, ID_LENGTH } from "../../src/topics/cluster/broker_message.ts";
import type { ResumingClient } from "../resume/resuming_client.ts";
import { type MemoryHarness, withMemoryServer } from "../support/transports.ts";
import { settle } from "../support/turn.ts";
import type { FakeKeepingBroker, FakeLog } from "./fake_keeping_broker.ts";

/** The server, and its broker. */
export interface RetainingStage<B extends FakeKeepingBroker = FakeKeepingBroker> {
  log: FakeLog;
  broker: B;
  harness: MemoryHarness<unknown>;
  events: BrokerEvent[];
  /** Another server publishes. */
  append(topic: string, text: string): void;
  /** Lets all arrive. */
  arrive(): Promise<void>;
  /** Lets what the server asks arrive, and nothing come back. */
  ask(): Promise<void>;
}

/** Runs the server for as long as `body` takes. Its clients are subscribed to the topics. */
export async function withRetainingStage<B extends FakeKeepingBroker>(
  log: FakeLog,
  broker: B,
  topics: readonly string[],
  options: ServeOptions<unknown>,
  body: (stage: RetainingStage<B>) => Promise<void>,
): Promise<void> {
  const events: BrokerEvent[] = [];
  const other = new Uint8Array(ID_LENGTH).fill(7);
  let count = 0;
  await withMemoryServer({
    broker,
    open: (conn) => topics.forEach((topic) => conn.subscribe(topic)),
    onEvent: (event) => void (event.type === "broker" && events.push(event)),
    ...options,
  }, async (harness) => {
    await body({
      ...{ log, broker, harness, events },
      append: (topic, text) => {
        const message = { data: text, compress: undefined, key: "" };
        log.append(topic, `other:${++count}`, encodeBrokerMessage(other, message));
      },
      arrive: async () => {
        do {
          while (broker.isBusy) broker.step();
          await settle();
        } while (broker.isBusy);
      },
      ask: async () => {
        while (broker.hasRequests) broker.step();
        await settle();
      },
    });
  });
}

/** Takes what a client is told of its topic before the messages, twice. */
export async function takeNotes(client: ResumingClient): Promise<void> {
  await client.note();
  await client.note();
}
