import type { Msg, NatsConnection } from "@nats-io/transport-node";
import { decodeBase64 } from "@std/encoding/base64";
import type { KeepWindow } from "../topics/cluster/broker.ts";
import type { StreamMessage } from "./stream_tail.ts";
import { isErrorObject } from "../values.ts";

export const ANSWER_TIMEOUT_MS = 5_000;
// The range of ages that JetStream accepts, in milliseconds.
const MIN_WINDOW_MS = 100;
const MAX_WINDOW_MS = 9_000_000_000;
/** The longest time that JetStream is to remember message ids for, in milliseconds: they take memory there. */
const MAX_REMEMBER_MS = 120_000;
const NS_PER_MS = 1_000_000;
// The error codes of JetStream for a missing stream and a missing message.
const NO_STREAM = 10059;
const NO_MESSAGE = 10037;

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

/** A stream of JetStream, which stores the messages published to its subjects and republishes them. */
export class NatsStream {
  readonly name: string;
  readonly #wanted: Record<string, unknown>;

  /**
   * @param subjects The beginning of the subjects whose messages it stores.
   * @param republished The beginning of the subjects that it republishes them to.
   */
  constructor(
    name: string,
    subjects: string,
    republished: string,
    { windowMs, totalSize }: KeepWindow,
    replicas: number | undefined,
  ) {
    this.name = name;
    const maxAgeMs = Math.min(Math.max(Math.ceil(windowMs), MIN_WINDOW_MS), MAX_WINDOW_MS);
    this.#wanted = {
      name,
      subjects: [`${subjects}.>`],
      retention: "limits",
      storage: "file",
      discard: "old",
      max_age: maxAgeMs * NS_PER_MS,
      // 0 would mean unlimited.
      max_bytes: Number.isFinite(totalSize) ? Math.max(Math.ceil(totalSize), 1) : -1,
      duplicate_window: Math.min(maxAgeMs, MAX_REMEMBER_MS) * NS_PER_MS,
      republish: { src: `${subjects}.>`, dest: `${republished}.>` },
      ...(replicas === undefined ? {} : { num_replicas: replicas }),
    };
  }

  /** Creates the stream, or updates its configuration if that differs. */
  async open(connection: NatsConnection): Promise<StreamState> {
    let answer = await this.ask(connection, "STREAM.INFO");
    if (answer.error?.err_code === NO_STREAM) {
      answer = await this.ask(connection, "STREAM.CREATE", this.#wanted);
    } else if (answer.config !== undefined && !this.#isAsWanted(answer.config)) {
      const config = { ...answer.config, ...this.#wanted };
      answer = await this.ask(connection, "STREAM.UPDATE", config);
    }
    return this.#toState(answer);
  }

  async inspect(connection: NatsConnection): Promise<StreamState> {
    return this.#toState(await this.ask(connection, "STREAM.INFO"));
  }

  /** Finds the last message of a subject; `undefined` if there is none. */
  findLast(connection: NatsConnection, subject: string): Promise<StreamMessage | undefined> {
    return this.#find(connection, { last_by_subj: subject });
  }

  /** Finds the first message of a subject from a sequence number on; `undefined` if there is none. */
  findNext(
    connection: NatsConnection,
    subject: string,
    start: number,
  ): Promise<StreamMessage | undefined> {
    return this.#find(connection, { seq: start, next_by_subj: subject });
  }

  /** Sends a request about the stream to the API of JetStream. */
  async ask(connection: NatsConnection, what: string, request?: unknown): Promise<Answer> {
    const subject = `$JS.API.${what}.${this.name}`;
    const payload = request === undefined ? "" : JSON.stringify(request);
    let message: Msg;
    try {
      message = await connection.request(subject, payload, { timeout: ANSWER_TIMEOUT_MS });
    } catch (error) {
      throw this.toError(
        isNoResponder(error)
          ? "JetStream is not enabled (nats-server -js), or not for this account"
          : String(error),
        error,
      );
    }
    return message.json<Answer>();
  }

  /** Creates an error that names the stream. */
  toError(reason: string, cause?: unknown): Error {
    return new Error(`Cannot retain messages in the NATS stream ${this.name}: ${reason}`, {
      cause,
    });
  }

  async #find(connection: NatsConnection, request: unknown): Promise<StreamMessage | undefined> {
    const { error, message } = await this.ask(connection, "STREAM.MSG.GET", request);
    if (message !== undefined) {
      return { number: message.seq, data: decodeBase64(message.data ?? "") };
    }
    if (error?.err_code === NO_MESSAGE) return undefined;
    throw this.toError(error?.description ?? "the response has no message");
  }

  #isAsWanted(config: Record<string, unknown>): boolean {
    return Object.entries(this.#wanted).every(([name, value]) =>
      name === "republish"
        ? hasAll(config[name], value as Record<string, unknown>)
        : JSON.stringify(config[name]) === JSON.stringify(value)
    );
  }

  #toState({ error, created, state }: Answer): StreamState {
    if (error !== undefined) throw this.toError(error.description);
    if (created === undefined || state === undefined) {
      throw this.toError("the response has no state");
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

function hasAll(value: unknown, wanted: Record<string, unknown>): boolean {
  if (typeof value !== "object" || value === null) return false;
  return Object.entries(wanted).every(([name, each]) =>
    (value as Record<string, unknown>)[name] === each
  );
}
