import type { NatsConnection } from "@nats-io/transport-node";
import { readSubject } from "./nats_consumer.ts";
import type { NatsStream, StreamState } from "./nats_stream.ts";
import { SharedAnswer } from "./shared_answer.ts";
import { StreamTail } from "./stream_tail.ts";
import { Semaphore } from "./semaphore.ts";

/** How many topics are read concurrently. */
const MAX_READS = 64;
/** How many messages are requested one by one before a consumer is created, which costs JetStream more. */
const MAX_SINGLE = 4;

export class NatsReader {
  readonly #connection: NatsConnection;
  readonly #stream: NatsStream;
  readonly #createInbox: () => string;
  readonly #reads: Semaphore = new Semaphore(MAX_READS);
  readonly #state: SharedAnswer<StreamState>;

  /** @param createInbox Returns unique subjects. */
  constructor(connection: NatsConnection, stream: NatsStream, createInbox: () => string) {
    this.#connection = connection;
    this.#stream = stream;
    this.#createInbox = createInbox;
    this.#state = new SharedAnswer(() => stream.inspect(connection));
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
    const last = await this.#stream.findLast(this.#connection, subject);
    let next = start;
    for (let i = 0; last !== undefined && next <= last.number; i++) {
      if (i === MAX_SINGLE) {
        const inbox = this.#createInbox();
        await readSubject(this.#connection, this.#stream, subject, next, inbox, tail);
        break;
      }
      const message = await this.#stream.findNext(this.#connection, subject, next);
      if (message === undefined) break;
      tail.add(message.number, message.data);
      next = message.number + 1;
    }
    return tail;
  }
}
