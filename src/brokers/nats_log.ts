import type { Msg, NatsConnection } from "@nats-io/transport-node";
import type {
  KeepWindow,
  KeptMessage,
  KeptMessagesHandler,
  MissedMessages,
  Position,
} from "../topics/cluster/broker.ts";
import { RefusedError } from "./broker_error.ts";
import { ANSWER_TIMEOUT_MS } from "./nats_consumer.ts";
import type { NatsNames } from "./nats_names.ts";
import {
  type Answer,
  configureStream,
  isNoResponder,
  NatsStream,
  type StreamConfig,
  type StreamState,
  toStreamError,
} from "./nats_stream.ts";
import { NatsSubscriptions } from "./nats_subscriptions.ts";
import { NatsTicks } from "./nats_ticks.ts";
import type { StreamMessage } from "./stream_tail.ts";
import { TopicOrder } from "./topic_order.ts";
import { isErrorObject } from "../values.ts";

/** Stands for the subject of ticks, which is not a topic's, in the map of subscriptions. */
const TICKS = "";
const BAD_REQUEST = 400;

/** The exports of the package `@nats-io/transport-node` that are used here. */
type NatsPackage = Pick<typeof import("@nats-io/transport-node"), "headers" | "createInbox">;

export interface NatsLogSettings {
  readonly names: NatsNames;
  readonly stream: string;
  readonly replicas: number | undefined;
  readonly inboxPrefix: string | undefined;
  readonly natsPackage: NatsPackage;
  readonly window: KeepWindow;
  readonly handler: KeptMessagesHandler;
  /** Called when the stream was deleted or replaced, so that the log has to be opened again. */
  onGone(error: Error): void;
  /** Called with an error after which the log stays open. */
  onError(error: unknown): void;
}

/** The message store of NATS: one stream of JetStream. */
export class NatsLog {
  readonly #settings: NatsLogSettings;
  readonly #config: StreamConfig;
  readonly #topics: NatsSubscriptions;
  readonly #tickSubscription: NatsSubscriptions;
  readonly #ticks: NatsTicks;
  connection: NatsConnection | undefined;
  /** The stream on the last connection on which it was opened. */
  #stream: NatsStream | undefined;
  /** Whether the epoch is that of the stream. Otherwise messages are ignored, and read after the next `open`. */
  #isOpen = false;
  #epoch = "";
  #known = 0;
  readonly #orders: Map<string, TopicOrder> = new Map();

  constructor(settings: NatsLogSettings) {
    const { names, stream, replicas, window } = settings;
    this.#settings = settings;
    this.#config = configureStream(stream, names, window, replicas);
    const onError = (error: unknown) => settings.onError(error);
    this.#topics = new NatsSubscriptions(
      (topic) => names.toLiveSubject(topic),
      (topic, message) => this.#receive(topic, message),
      onError,
    );
    this.#tickSubscription = new NatsSubscriptions(
      () => names.liveTick,
      (_, message) => void this.#receiveTick(message),
      onError,
    );
    this.#ticks = new NatsTicks(names.keptTick, window.windowMs, this);
  }

  /** Creates or updates the stream, after each connect. */
  async open(connection: NatsConnection): Promise<void> {
    const { natsPackage, inboxPrefix } = this.#settings;
    const createInbox = () => natsPackage.createInbox(inboxPrefix);
    const stream = new NatsStream(connection, this.#config, createInbox);
    const { epoch, last } = await stream.open();
    this.#stream = stream;
    this.#epoch = epoch;
    this.#known = last;
    this.#resetOrders();
    this.#ticks.receive(0);
    this.#isOpen = true;
  }

  /** Ignores messages until it is opened again. */
  suspend(): void {
    this.#isOpen = false;
    this.#resetOrders();
  }

  renew(connection: NatsConnection): void {
    this.#topics.renew(connection);
    this.#tickSubscription.renew(connection);
    this.connection = connection;
  }

  subscribe(connection: NatsConnection, topics: readonly string[]): void {
    this.connection = connection;
    this.#tickSubscription.add(connection, [TICKS]);
    this.#topics.add(connection, topics);
    this.#ticks.start();
  }

  unsubscribe(topics: readonly string[]): void {
    this.#topics.delete(topics);
    for (const topic of topics) {
      this.#orders.get(topic)?.reset();
      this.#orders.delete(topic);
    }
    if (this.#topics.size > 0) return;
    this.#tickSubscription.delete([TICKS]);
    this.#ticks.stop();
  }

  close(): void {
    this.suspend();
    this.#ticks.stop();
  }

  async inspect(): Promise<StreamState> {
    if (this.#stream === undefined) throw this.#toError("not connected");
    const state = await this.#stream.inspect();
    this.#check(state.epoch);
    return state;
  }

  async append(
    connection: NatsConnection,
    topic: string,
    id: string,
    message: Uint8Array,
  ): Promise<void> {
    const headers = this.#settings.natsPackage.headers();
    headers.set("Nats-Msg-Id", id);
    const subject = this.#settings.names.toKeptSubject(topic);
    let answer: Msg;
    try {
      answer = await connection.request(subject, message, { headers, timeout: ANSWER_TIMEOUT_MS });
    } catch (error) {
      if (isNoResponder(error)) this.#leave("the stream is gone", error);
      throw isRefusal(error) ? new RefusedError(topic, String(error), error) : error;
    }
    const { error, seq = 0 } = answer.json<Answer & { seq?: number }>();
    if (error === undefined) this.#known = Math.max(this.#known, seq);
    else if (error.code === BAD_REQUEST) throw new RefusedError(topic, error.description);
    else throw this.#toError(error.description);
  }

  async read(topic: string, after: Position | undefined): Promise<MissedMessages> {
    const [stream, epoch, known] = [this.#stream, this.#epoch, this.#known];
    if (stream === undefined) throw this.#toError("not connected");
    if (after === undefined) {
      const { last } = await this.inspect();
      return { messages: [], isComplete: true, position: { epoch, number: last } };
    }
    const subject = this.#settings.names.toKeptSubject(topic);
    const { windowSize } = this.#settings.window;
    let start = after.epoch === epoch ? after.number + 1 : 1;
    let tail = await stream.read(subject, start, windowSize);
    // Messages may have expired during the read: the state after it tells whether any is missing.
    const state = await stream.inspect();
    this.#check(state.epoch);
    const isKnown = after.epoch === epoch && after.number <= state.last;
    if (!isKnown && start > 1) {
      start = 1;
      tail = await stream.read(subject, start, windowSize);
    }
    const isComplete = isKnown && !tail.isCut && state.first <= start;
    const last = tail.messages.at(-1)?.number ?? Math.max(isKnown ? after.number : 0, known);
    return {
      messages: toKept(epoch, tail.messages, isComplete ? after.number : undefined),
      isComplete,
      position: { epoch, number: last },
    };
  }

  #receive(topic: string, message: Msg): void {
    const position = this.#take(message);
    if (position === undefined) return;
    const previous = Number(message.headers!.get("Nats-Last-Sequence"));
    let order = this.#orders.get(topic);
    if (order === undefined) {
      order = new TopicOrder(
        (kept) => this.#settings.handler.receiveKept(topic, kept),
        () => void this.inspect().catch(() => {}),
      );
      this.#orders.set(topic, order);
    }
    order.receive({ position, previous, message: message.data });
  }

  async #receiveTick(message: Msg): Promise<void> {
    const [position, stream] = [this.#take(message), this.#stream];
    if (position === undefined) return;
    this.#ticks.receive(position.number);
    await this.#ticks.flush();
    // The stream was replaced if the connection was.
    if (this.#isOpen && stream === this.#stream) this.#settings.handler.receiveProgress(position);
  }

  /** Returns the position of a republished message; `undefined` if the log is not open, or it has none. */
  #take({ headers, subject }: Msg): Position | undefined {
    if (!this.#isOpen) return undefined;
    const number = Number(headers?.get("Nats-Sequence"));
    if (!Number.isSafeInteger(number) || number < 1) {
      this.#settings.onError(
        new Error(`Cannot read a message of ${subject}: it is not from JetStream`),
      );
      return undefined;
    }
    this.#known = Math.max(this.#known, number);
    return { epoch: this.#epoch, number };
  }

  #check(epoch: string): void {
    if (epoch === this.#epoch) return;
    this.#leave("the stream was replaced");
    throw this.#toError("the stream was replaced");
  }

  #resetOrders(): void {
    for (const order of this.#orders.values()) order.reset();
    this.#orders.clear();
  }

  #toError(reason: string, cause?: unknown): Error {
    return toStreamError(this.#config, reason, cause);
  }

  #leave(reason: string, cause?: unknown): void {
    if (!this.#isOpen) return;
    this.suspend();
    this.#settings.onGone(this.#toError(reason, cause));
  }
}

/** @param before The sequence number before the first message, if known. */
function toKept(
  epoch: string,
  messages: readonly StreamMessage[],
  before: number | undefined,
): KeptMessage[] {
  return messages.map(({ number, data }, index) => ({
    position: { epoch, number },
    previous: messages[index - 1]?.number ?? before ?? number - 1,
    message: data,
  }));
}

/** Whether an error means that a message can never be published, rather than that it was not. */
function isRefusal(error: unknown): boolean {
  if (!isErrorObject(error)) return false;
  const { name } = isErrorObject(error.cause) ? error.cause : error;
  return name === "PermissionViolationError" || name === "InvalidArgumentError";
}
