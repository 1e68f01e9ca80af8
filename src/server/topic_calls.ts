import {
  checkBoolean,
  checkOptions,
  checkString,
  invalidType,
  type Names,
  show,
} from "../checks.ts";
import type { Sendable } from "../connection/connection.ts";
import { coreOf } from "../connection/web_socket_connection.ts";
import { callHook, reportError } from "../hooks.ts";
import { assertMessage } from "../protocol/protocol.ts";
import type { Subscriber } from "../topics/fan_out/subscriber.ts";
import type { SubscribeOptions } from "../topics/fan_out/subscription.ts";
import type { PresentMember } from "../topics/presence/options.ts";
import { Topics } from "../topics/topics.ts";
import type { PublishOptions } from "./connection_host.ts";
import type { ServerSettings } from "./settings.ts";

const OPTIONS: Names<PublishOptions> = { except: true, compress: true, key: true };

const SUBSCRIBE_OPTIONS: Names<SubscribeOptions> = {
  presence: true,
  lag: true,
  queueSize: true,
  closeCode: true,
};

/** Creates the topics of a server. `schedule` calls back when all that has arrived by then has been delivered. */
export function createTopics<Data>(
  { accept, onEvent, presence, broker, brokerQueueSize, resume }: ServerSettings<Data>,
  schedule: (flush: () => void) => void,
  onMemoryChange: (change: number) => void,
): Promise<Topics> {
  const { clock, turns } = accept.connection;
  const onError = (error: unknown) => reportError(accept.onError, error);
  return Topics.create({
    presence,
    broker,
    brokerQueueSize,
    resume,
    clock,
    turns,
    schedule,
    onMemoryChange,
    onError,
    onBrokerEvent: (event) => {
      if (onEvent !== undefined) callHook(() => onEvent(event), onError);
      else if ("error" in event && event.error !== undefined) onError(event.error);
    },
  });
}

/** Publishes a message of the program: see {@linkcode ConnectionHost.publish}. */
export function publish(
  topics: Topics,
  subscriberOf: (conn: unknown) => Subscriber | undefined,
  topic: string,
  data: Sendable,
  options?: PublishOptions,
): void {
  if (options !== undefined) {
    checkOptions("publish", options, OPTIONS);
    checkBoolean("compress", options.compress);
    checkString("key", options.key);
    if (options.except !== undefined && coreOf(options.except) === undefined) {
      throw invalidType("except", "a Connection", options.except);
    }
  }
  if (typeof topic !== "string") {
    throw new TypeError(`Cannot publish to ${show(topic)}: a topic is a string`);
  }
  assertMessage(data);
  const { compress, key, except } = options ?? {};
  topics.publish({ topic, data, compress, key, except: subscriberOf(except) });
}

/** Checks what `subscribe` is given, but for the values of options. */
export function checkSubscription(topic: string, options: SubscribeOptions): void {
  if (typeof topic !== "string") {
    throw new TypeError(`Cannot subscribe to ${show(topic)}: a topic is a string`);
  }
  checkOptions("subscribe", options, SUBSCRIBE_OPTIONS);
}

/** Tells the program who is in a topic; see {@linkcode ConnectionHost.presence}. */
export async function listMembers(topics: Topics, topic: string): Promise<PresentMember[]> {
  if (typeof topic !== "string") {
    throw new TypeError(`Cannot tell who is in ${show(topic)}: a topic is a string`);
  }
  return await topics.listMembers(topic);
}
