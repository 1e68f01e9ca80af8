import type { Msg, NatsConnection, Subscription } from "@nats-io/transport-node";
import type { StreamTail } from "./stream_tail.ts";
import { clearTimeout, setTimeout } from "../timers.ts";

export const ANSWER_TIMEOUT_MS = 5_000;
const HEARTBEAT_MS = 500;
/** After how long JetStream deletes an inactive consumer, in milliseconds. */
const INACTIVE_MS = 5_000;
const NS_PER_MS = 1_000_000;
/** The status of a heartbeat or flow control message. */
const CONTROL = 100;

/** Returns the stream sequence in the reply subject of a message: in its old form of nine tokens, or the new one. */
function numberOf({ reply = "" }: Msg): number {
  const parts = reply.split(".");
  return Number(parts[parts.length === 9 ? 5 : 7]);
}

/** Configures an ephemeral consumer that delivers the messages of a subject from a sequence number on. */
export function configureConsumer(subject: string, start: number, inbox: string): unknown {
  return {
    deliver_subject: inbox,
    deliver_policy: "by_start_sequence",
    opt_start_seq: start,
    filter_subject: subject,
    ack_policy: "none",
    max_deliver: 1,
    // Without it, NATS closes a connection that falls behind.
    flow_control: true,
    idle_heartbeat: HEARTBEAT_MS * NS_PER_MS,
    inactive_threshold: INACTIVE_MS * NS_PER_MS,
    num_replicas: 1,
    mem_storage: true,
  };
}

export class Delivery {
  readonly #connection: NatsConnection;
  readonly #tail: StreamTail;
  readonly #finished: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly #subscription: Subscription;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** The number of messages to deliver, once known. */
  #count: number | undefined;
  #received = 0;

  constructor(connection: NatsConnection, inbox: string, tail: StreamTail) {
    this.#connection = connection;
    this.#tail = tail;
    // It may reject before `finish` is called.
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

  /** Waits until `count` messages were delivered, or there are no more. */
  finish(count: number): Promise<void> {
    this.#count = count;
    this.#wait();
    if (this.#received >= count) this.#finished.resolve();
    return this.#finished.promise;
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#subscription.unsubscribe();
  }

  #wait(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(
      () => this.#finished.reject(new Error("Cannot read from NATS: timed out")),
      ANSWER_TIMEOUT_MS,
    );
  }

  #receive(message: Msg): void {
    if (this.#count !== undefined) this.#wait();
    const code = message.headers?.code ?? 0;
    if (code === CONTROL) return this.#control(message);
    if (code > CONTROL) {
      const { description } = message.headers!;
      return this.#finished.reject(new Error(`Cannot read from NATS: ${code} ${description}`));
    }
    this.#received++;
    this.#tail.add(numberOf(message), message.data);
    if (this.#count !== undefined && this.#received >= this.#count) this.#finished.resolve();
  }

  #control(message: Msg): void {
    if (message.reply) return void message.respond();
    const stalled = message.headers!.get("Nats-Consumer-Stalled");
    if (stalled !== "") return this.#connection.publish(stalled);
    // Some of the messages may have expired meanwhile.
    const delivered = Number(message.headers!.get("Nats-Last-Consumer"));
    if (this.#count !== undefined && delivered <= this.#received) this.#finished.resolve();
  }
}
