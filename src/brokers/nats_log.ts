import type {
  createInbox as CreateInbox,
  headers as CreateHeaders,
  Msg,
  NatsConnection,
} from "@nats-io/transport-node";
import type {
  KeepWindow,
  KeptMessage,
  KeptMessagesHandler,
  MissedMessages,
  Position,
} from "../topics/cluster/broker.ts";
import type { NatsNames } from "./nats_names.ts";
import { NatsReader } from "./nats_reader.ts";
import {
  type Answer,
  ANSWER_TIMEOUT_MS,
  isNoResponder,
  NatsStream,
  type StreamState,
} from "./nats_stream.ts";
import { NatsSubscriptions } from "./nats_subscriptions.ts";
import { NatsTicks, type NatsTicksOwner } from "./nats_ticks.ts";
import { RefusedError } from "./refused_error.ts";
import type { StreamMessage } from "./stream_tail.ts";
import { TopicOrder } from "./topic_order.ts";
import { isErrorObject } from "../values.ts";

/** What stands for the subject of ticks, which is no topic's. */
const TICKS = "";
const BAD_REQUEST = 400;

/** What the package `@nats-io/transport-node` gives. */
export interface NatsPackage {
  readonly headers: typeof CreateHeaders;
  readonly createInbox: typeof CreateInbox;
}

/** What a log tells its broker. */
export interface NatsLogOwner {
  /** Is told that what it was connected to is not there any more: it is to be opened anew. */
  receiveGone(error: Error): void;
  /** Is told of an error that leaves it as it is. */
  receiveError(error: unknown): void;
}

/** The messages that NATS keeps, in one stream of JetStream. */
export class NatsLog implements NatsTicksOwner {
  readonly #window: KeepWindow;
  readonly #handler: KeptMessagesHandler;
  readonly #owner: NatsLogOwner;
  readonly #package: NatsPackage;
  readonly #inboxPrefix: string | undefined;
  readonly #names: NatsNames;
  readonly #stream: NatsStream;
  readonly #topics: NatsSubscriptions;
  readonly #tickSubscription: NatsSubscriptions;
  readonly #ticks: NatsTicks;
  /** The connection, where there is one. */
  connection: NatsConnection | undefined;
  #reader: NatsReader | undefined;
  /** Whether the epoch is that of the stream. Where it may not be, all is read anew later. */
  #isOpen = false;
  #epoch = "";
  /** The highest number that is known of. */
  #known = 0;
  readonly #orders: Map<string, TopicOrder> = new Map();

  constructor(
    names: NatsNames,
    stream: string,
    replicas: number | undefined,
    inboxPrefix: string | undefined,
    natsPackage: NatsPackage,
    window: KeepWindow,
    handler: KeptMessagesHandler,
    owner: NatsLogOwner,
  ) {
    this.#window = window;
    this.#handler = handler;
    this.#owner = owner;
    this.#package = natsPackage;
    this.#inboxPrefix = inboxPrefix;
    this.#names = names;
    this.#stream = new NatsStream(stream, names.kept, names.live, window, replicas);
    const onError = (error: unknown) => owner.receiveError(error);
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

  /** Makes sure of the stream, over a connection that is there, for the first time or again. */
  async open(connection: NatsConnection): Promise<void> {
    const { epoch, last } = await this.#stream.open(connection);
    const { createInbox } = this.#package;
    const toInbox = () => createInbox(this.#inboxPrefix);
    this.#reader = new NatsReader(connection, this.#stream, toInbox);
    this.#epoch = epoch;
    this.#known = last;
    this.#resetOrders();
    this.#ticks.receive(0);
    this.#isOpen = true;
  }

  /** Takes nothing until it is opened again. */
  suspend(): void {
    this.#isOpen = false;
    this.#resetOrders();
  }

  /** Subscribes to all that it was subscribed to, with a connection that is new. */
  renew(connection: NatsConnection): void {
    this.#topics.renew(connection);
    this.#tickSubscription.renew(connection);
    this.connection = connection;
  }

  /** Subscribes to topics. */
  subscribe(connection: NatsConnection, topics: readonly string[]): void {
    this.connection = connection;
    this.#tickSubscription.add(connection, [TICKS]);
    this.#topics.add(connection, topics);
    this.#ticks.start();
  }

  /** Unsubscribes from topics. */
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

  /** Ends what it does by itself. */
  close(): void {
    this.suspend();
    this.#ticks.stop();
  }

  /** Tells what the stream has. */
  async inspect(): Promise<StreamState> {
    if (this.#reader === undefined) throw this.#stream.toError("there is no connection");
    const state = await this.#reader.inspect();
    this.#check(state.epoch);
    return state;
  }

  /** Appends a message: see {@linkcode KeepingBroker.append}. */
  async append(
    connection: NatsConnection,
    topic: string,
    id: string,
    message: Uint8Array,
  ): Promise<void> {
    const headers = this.#package.headers();
    headers.set("Nats-Msg-Id", id);
    const options = { headers, timeout: ANSWER_TIMEOUT_MS };
    let answer: Msg;
    try {
      answer = await connection.request(this.#names.toKeptSubject(topic), message, options);
    } catch (error) {
      if (isNoResponder(error)) this.#leave("it is not there any more", error);
      throw isRefusal(error) ? toRefusal(topic, String(error), error) : error;
    }
    const { error, seq = 0 } = answer.json<Answer & { seq?: number }>();
    if (error === undefined) this.#known = Math.max(this.#known, seq);
    else if (error.code === BAD_REQUEST) throw toRefusal(topic, error.description);
    else throw this.#stream.toError(error.description);
  }

  /** Reads messages: see {@linkcode KeepingBroker.read}. */
  async read(topic: string, after: Position | undefined): Promise<MissedMessages> {
    const [reader, epoch, known] = [this.#reader, this.#epoch, this.#known];
    if (reader === undefined) throw this.#stream.toError("there is no connection");
    if (after === undefined) {
      const state = await reader.inspect();
      this.#check(state.epoch);
      return { messages: [], isComplete: true, position: { epoch, number: state.last } };
    }
    const subject = this.#names.toKeptSubject(topic);
    const { windowSize } = this.#window;
    let start = after.epoch === epoch ? after.number + 1 : 1;
    let tail = await reader.read(subject, start, windowSize);
    // What left the stream while it was read may be missing: it is looked at afterwards.
    const state = await reader.inspect();
    this.#check(state.epoch);
    const isKnown = after.epoch === epoch && after.number <= state.last;
    if (!isKnown && start > 1) {
      start = 1;
      tail = await reader.read(subject, start, windowSize);
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
        (kept) => this.#handler.receiveKept(topic, kept),
        () => void this.inspect().catch(() => {}),
      );
      this.#orders.set(topic, order);
    }
    order.receive({ position, previous, message: message.data });
  }

  async #receiveTick(message: Msg): Promise<void> {
    const [position, reader] = [this.#take(message), this.#reader];
    if (position === undefined) return;
    this.#ticks.receive(position.number);
    await this.#ticks.settle();
    // It is another one where the connection is.
    if (this.#isOpen && reader === this.#reader) this.#handler.receiveProgress(position);
  }

  /** Takes the number of a message that was published again. */
  #take({ headers, subject }: Msg): Position | undefined {
    if (!this.#isOpen) return undefined;
    const number = Number(headers?.get("Nats-Sequence"));
    if (!Number.isSafeInteger(number) || number < 1) {
      const reason = "it is not from JetStream";
      this.#owner.receiveError(new Error(`Cannot read what came on ${subject}: ${reason}`));
      return undefined;
    }
    this.#known = Math.max(this.#known, number);
    return { epoch: this.#epoch, number };
  }

  /** Checks that the stream is the one that it was. */
  #check(epoch: string): void {
    if (epoch === this.#epoch) return;
    this.#leave("it was made anew");
    throw this.#stream.toError("it was made anew");
  }

  #resetOrders(): void {
    for (const order of this.#orders.values()) order.reset();
    this.#orders.clear();
  }

  #leave(reason: string, cause?: unknown): void {
    if (!this.#isOpen) return;
    this.suspend();
    this.#owner.receiveGone(this.#stream.toError(reason, cause));
  }
}

/** @param before The number that the first is known to be the next one of. */
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

/** Tells whether an error says that a message can't be published, rather than that it was not. */
function isRefusal(error: unknown): boolean {
  if (!isErrorObject(error)) return false;
  const { name } = isErrorObject(error.cause) ? error.cause : error;
  return name === "PermissionViolationError" || name === "InvalidArgumentError";
}

function toRefusal(topic: string, reason: string, cause?: unknown): RefusedError {
  return new RefusedError(`Cannot keep a message of ${JSON.stringify(topic)}: ${reason}`, {
    cause,
  });
}
