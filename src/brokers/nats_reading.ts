import type { Msg, NatsConnection, Subscription } from "@nats-io/transport-node";
import { ANSWER_TIMEOUT_MS, type NatsStream } from "./nats_stream.ts";

/** How often JetStream says that there is nothing more, in milliseconds. */
const HEARTBEAT_MS = 500;
/** How long a consumer is kept that was not deleted, in milliseconds. */
const INACTIVE_MS = 5_000;
const NS_PER_MS = 1_000_000;
/** The place of the stream's number in what a message is to be acknowledged with, and the parts of it. */
const OLD_NUMBER_PART = 5;
const OLD_PARTS = 9;
const NUMBER_PART = 7;
/** The status of a message that is about the reading itself. */
const CONTROL = 100;

/** A message of a stream. */
export interface StreamMessage {
  readonly number: number;
  readonly data: Uint8Array;
}

/** Gives the number that a message has in its stream. */
function numberOf({ reply = "" }: Msg): number {
  const parts = reply.split(".");
  return Number(parts[parts.length === OLD_PARTS ? OLD_NUMBER_PART : NUMBER_PART]);
}

/** Reads what a stream has of a subject, once. */
export class NatsReading {
  readonly #connection: NatsConnection;
  readonly #maxSize: number;
  readonly #finished: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly #subscription: Subscription;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #wanted = Infinity;
  #received = 0;
  #size = 0;
  /** The last messages, of `maxSize` bytes at most. */
  readonly messages: StreamMessage[] = [];
  /** Whether there were more messages than there is room for. */
  isCut = false;

  private constructor(connection: NatsConnection, inbox: string, maxSize: number) {
    this.#connection = connection;
    this.#maxSize = maxSize;
    // Who reads hears of it: nobody waits for it yet.
    this.#finished.promise.catch(() => {});
    this.#subscription = connection.subscribe(inbox, {
      callback: (error, message) => {
        if (error !== null) this.#finished.reject(error);
        else this.#receive(message);
      },
    });
    void this.#subscription.closed.then((error) =>
      this.#finished.reject(error ?? new Error("The connection to NATS was closed"))
    );
  }

  /**
   * Reads the messages of a subject from a number on.
   *
   * @param inbox A subject of its own.
   * @param maxSize The most bytes, of those that came last.
   */
  static async run(
    connection: NatsConnection,
    stream: NatsStream,
    subject: string,
    start: number,
    inbox: string,
    maxSize: number,
  ): Promise<NatsReading> {
    const reading = new NatsReading(connection, inbox, maxSize);
    let consumer: string | undefined;
    try {
      const answer = await stream.ask(connection, "CONSUMER.CREATE", {
        stream_name: stream.name,
        config: {
          deliver_subject: inbox,
          deliver_policy: "by_start_sequence",
          opt_start_seq: start,
          filter_subject: subject,
          ack_policy: "none",
          max_deliver: 1,
          // It must not fall behind, or NATS ends the connection.
          flow_control: true,
          idle_heartbeat: HEARTBEAT_MS * NS_PER_MS,
          inactive_threshold: INACTIVE_MS * NS_PER_MS,
          num_replicas: 1,
          mem_storage: true,
        },
      });
      if (answer.error !== undefined) throw stream.toError(answer.error.description);
      consumer = answer.name;
      reading.#expect((answer.num_pending ?? 0) + (answer.delivered?.consumer_seq ?? 0));
      await reading.#finished.promise;
      return reading;
    } finally {
      clearTimeout(reading.#timer);
      reading.#subscription.unsubscribe();
      // Where this fails, it ends by itself.
      if (consumer !== undefined) {
        connection.request(`$JS.API.CONSUMER.DELETE.${stream.name}.${consumer}`).catch(() => {});
      }
    }
  }

  #expect(count: number): void {
    this.#wanted = count;
    if (this.#received >= count) this.#finished.resolve();
    this.#wait();
  }

  #wait(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(
      () => this.#finished.reject(new Error("Cannot read from NATS: nothing comes")),
      ANSWER_TIMEOUT_MS,
    );
  }

  #receive(message: Msg): void {
    if (this.#wanted !== Infinity) this.#wait();
    const code = message.headers?.code ?? 0;
    if (code === CONTROL) return this.#control(message);
    if (code > CONTROL) {
      const { description } = message.headers!;
      return this.#finished.reject(new Error(`Cannot read from NATS: ${code} ${description}`));
    }
    this.#received++;
    this.messages.push({ number: numberOf(message), data: message.data });
    this.#size += message.data.length;
    while (this.#size > this.#maxSize) {
      this.#size -= this.messages.shift()!.data.length;
      this.isCut = true;
    }
    if (this.#received >= this.#wanted) this.#finished.resolve();
  }

  #control(message: Msg): void {
    if (message.reply !== undefined && message.reply !== "") {
      message.respond();
      return;
    }
    const stalled = message.headers!.get("Nats-Consumer-Stalled");
    if (stalled !== "") this.#connection.publish(stalled);
    // Some of what was promised may have left the stream meanwhile.
    const delivered = Number(message.headers!.get("Nats-Last-Consumer"));
    if (stalled === "" && this.#wanted !== Infinity && delivered <= this.#received) {
      this.#finished.resolve();
    }
  }
}
