import type { Msg, NatsConnection } from "@nats-io/transport-node";
import { decodeBase64 } from "@std/encoding/base64";
import type { KeepWindow } from "../topics/cluster/broker.ts";
import { ANSWER_TIMEOUT_MS, configureConsumer, Delivery } from "./nats_consumer.ts";
import type { NatsNames } from "./nats_names.ts";
import { Semaphore } from "./semaphore.ts";
import { SharedAnswer } from "./shared_answer.ts";
import { type StreamMessage, StreamTail } from "./stream_tail.ts";
import { isErrorObject } from "../values.ts";

// The range of ages that JetStream accepts, in milliseconds.
const MIN_WINDOW_MS = 100;
const MAX_WINDOW_MS = 9_000_000_000;
/** The longest time that JetStream is to remember message ids for, in milliseconds: they take memory there. */
const MAX_REMEMBER_MS = 120_000;
const NS_PER_MS = 1_000_000;
// The error codes of JetStream for a missing stream and a missing message.
const NO_STREAM = 10059;
const NO_MESSAGE = 10037;

const MAX_READS = 64;
/** How many messages are requested one by one before a consumer is created, which costs JetStream more. */
const MAX_SINGLE = 4;

export interface StreamState {
  /** Identifies the stream that the sequence numbers belong to, across deletion and creation. */
  readonly epoch: string;
  /** The sequence number of the first message that it still has. */
  readonly first: number;
  /** The sequence number of the last message that was ever stored. */
  readonly last: number;
}

/** The fields of JetStream's responses that are used here. */
export interface Answer {
  error?: { code: number; err_code: number; description: string } | undefined;
  config?: Record<string, unknown>;
  created?: string | undefined;
  state?: { first_seq: number; last_seq: number } | undefined;
  num_pending?: number | undefined;
  delivered?: { consumer_seq: number } | undefined;
  message?: { seq: number; data?: string } | undefined;
  name?: string | undefined;
}

/** The configuration of a stream, with the names that JetStream uses. */
export type StreamConfig = { readonly name: string } & Readonly<Record<string, unknown>>;

/** Configures the stream that stores the messages of a prefix, and republishes them. */
export function configureStream(
  name: string,
  names: NatsNames,
  { windowMs, totalSize }: KeepWindow,
  replicas: number | undefined,
): StreamConfig {
  const maxAgeMs = Math.min(Math.max(Math.ceil(windowMs), MIN_WINDOW_MS), MAX_WINDOW_MS);
  return {
    name,
    subjects: [`${names.kept}.>`],
    retention: "limits",
    storage: "file",
    discard: "old",
    max_age: maxAgeMs * NS_PER_MS,
    // 0 would mean unlimited.
    max_bytes: Number.isFinite(totalSize) ? Math.max(Math.ceil(totalSize), 1) : -1,
    duplicate_window: Math.min(maxAgeMs, MAX_REMEMBER_MS) * NS_PER_MS,
    republish: { src: `${names.kept}.>`, dest: `${names.live}.>` },
    ...(replicas === undefined ? {} : { num_replicas: replicas }),
  };
}

export function toStreamError({ name }: StreamConfig, reason: string, cause?: unknown): Error {
  return new Error(`Cannot retain messages in the NATS stream ${name}: ${reason}`, { cause });
}

/** A stream of JetStream, over one connection. */
export class NatsStream {
  readonly #connection: NatsConnection;
  readonly #config: StreamConfig;
  readonly #createInbox: () => string;
  readonly #reads: Semaphore = new Semaphore(MAX_READS);
  readonly #state: SharedAnswer<StreamState> = new SharedAnswer(async () =>
    this.#toState(await this.#ask("STREAM.INFO"))
  );

  /** @param createInbox Returns unique subjects. */
  constructor(connection: NatsConnection, config: StreamConfig, createInbox: () => string) {
    this.#connection = connection;
    this.#config = config;
    this.#createInbox = createInbox;
  }

  /** Creates the stream, or updates its configuration if that differs. */
  async open(): Promise<StreamState> {
    let answer = await this.#ask("STREAM.INFO");
    if (answer.error?.err_code === NO_STREAM) {
      answer = await this.#ask("STREAM.CREATE", this.#config);
    } else if (answer.config !== undefined && !this.#isAsWanted(answer.config)) {
      answer = await this.#ask("STREAM.UPDATE", { ...answer.config, ...this.#config });
    }
    return this.#toState(answer);
  }

  /** Returns a state of the stream that is not older than this call. */
  inspect(): Promise<StreamState> {
    return this.#state.get();
  }

  /** Reads the messages of a subject from a sequence number on: the last ones, of at most `maxSize` bytes. */
  read(subject: string, start: number, maxSize: number): Promise<StreamTail> {
    return this.#reads.run(() => this.#read(subject, start, new StreamTail(maxSize)));
  }

  async #read(subject: string, start: number, tail: StreamTail): Promise<StreamTail> {
    const last = await this.#find({ last_by_subj: subject });
    let next = start;
    for (let i = 0; last !== undefined && next <= last.number; i++) {
      if (i === MAX_SINGLE) {
        await this.#consume(subject, next, tail);
        break;
      }
      const message = await this.#find({ seq: next, next_by_subj: subject });
      if (message === undefined) break;
      tail.add(message.number, message.data);
      next = message.number + 1;
    }
    return tail;
  }

  async #consume(subject: string, start: number, tail: StreamTail): Promise<void> {
    const { name: stream } = this.#config;
    const inbox = this.#createInbox();
    const delivery = new Delivery(this.#connection, inbox, tail);
    let consumer: string | undefined;
    try {
      const config = configureConsumer(subject, start, inbox);
      const answer = await this.#ask("CONSUMER.CREATE", { stream_name: stream, config });
      if (answer.error !== undefined) throw toStreamError(this.#config, answer.error.description);
      consumer = answer.name;
      await delivery.finish((answer.num_pending ?? 0) + (answer.delivered?.consumer_seq ?? 0));
    } finally {
      delivery.close();
      // If this fails, the consumer ends after `inactive_threshold`.
      if (consumer !== undefined) {
        this.#connection.request(`$JS.API.CONSUMER.DELETE.${stream}.${consumer}`).catch(() => {});
      }
    }
  }

  async #find(request: unknown): Promise<StreamMessage | undefined> {
    const { error, message } = await this.#ask("STREAM.MSG.GET", request);
    if (message !== undefined) {
      return { number: message.seq, data: decodeBase64(message.data ?? "") };
    }
    if (error?.err_code === NO_MESSAGE) return undefined;
    throw toStreamError(this.#config, error?.description ?? "the response has no message");
  }

  /** Sends a request about the stream to the API of JetStream. */
  async #ask(what: string, request?: unknown): Promise<Answer> {
    const subject = `$JS.API.${what}.${this.#config.name}`;
    const payload = request === undefined ? "" : JSON.stringify(request);
    const timeout = ANSWER_TIMEOUT_MS;
    let message: Msg;
    try {
      message = await this.#connection.request(subject, payload, { timeout });
    } catch (error) {
      const disabled = "JetStream is not enabled (nats-server -js), or not for this account";
      const reason = isNoResponder(error) ? disabled : String(error);
      throw toStreamError(this.#config, reason, error);
    }
    return message.json<Answer>();
  }

  #isAsWanted(config: Record<string, unknown>): boolean {
    const isSame = (name: string, value: unknown) =>
      JSON.stringify(config[name]) === JSON.stringify(value);
    // JetStream adds fields to it.
    const { republish, ...others } = this.#config;
    const all = Object.entries(others).map(([name, value]) => isSame(name, value));
    return all.every((is) => is) && hasAll(config["republish"], republish as object);
  }

  #toState({ error, created, state }: Answer): StreamState {
    if (error !== undefined) throw toStreamError(this.#config, error.description);
    if (created === undefined || state === undefined) {
      throw toStreamError(this.#config, "the response has no state");
    }
    // The time of its creation, to the nanosecond.
    const epoch = created.replaceAll(".", "_").replaceAll(/\W/g, "").slice(0, 32);
    return { epoch, first: state.first_seq, last: state.last_seq };
  }
}

/** Whether an error means that no server is there to answer a request. */
export function isNoResponder(error: unknown): boolean {
  return isErrorObject(error) && isErrorObject(error.cause) &&
    error.cause.name === "NoResponders";
}

function hasAll(value: unknown, wanted: object): boolean {
  const fields = Object(value) as Record<string, unknown>;
  return Object.entries(wanted).every(([name, each]) => fields[name] === each);
}
