import type { NatsConnection } from "@nats-io/transport-node";
import { readRest } from "./nats_consumer.ts";
import type { NatsStream, StreamState } from "./nats_stream.ts";
import { SharedAnswer } from "./shared_answer.ts";
import { StreamTail } from "./stream_tail.ts";
import { Turns } from "./turns.ts";

/** How many topics are read at a time. */
const MAX_READS = 64;
/** How many messages are asked for one by one before it is worth a consumer. */
const MAX_SINGLE = 4;

/** Reads a stream, over one connection. */
export class NatsReader {
  readonly #connection: NatsConnection;
  readonly #stream: NatsStream;
  readonly #createInbox: () => string;
  readonly #turns: Turns = new Turns(MAX_READS);
  readonly #state: SharedAnswer<StreamState>;

  /** @param createInbox Gives subjects that nobody else has. */
  constructor(connection: NatsConnection, stream: NatsStream, createInbox: () => string) {
    this.#connection = connection;
    this.#stream = stream;
    this.#createInbox = createInbox;
    this.#state = new SharedAnswer(() => stream.inspect(connection));
  }

  /** Tells what the stream has now, or has later. */
  inspect(): Promise<StreamState> {
    return this.#state.get();
  }

  /** Reads the messages of a subject from a number on: the last ones, of `maxSize` bytes at most. */
  read(subject: string, start: number, maxSize: number): Promise<StreamTail> {
    return this.#turns.run(async () => {
      const tail = new StreamTail(maxSize);
      let next = start;
      for (let i = 0; i < MAX_SINGLE; i++) {
        const message = await this.#stream.find(this.#connection, subject, next);
        if (message === undefined) return tail;
        tail.add(message.number, message.data);
        next = message.number + 1;
      }
      const inbox = this.#createInbox();
      await readRest(this.#connection, this.#stream, subject, next, inbox, tail);
      return tail;
    });
  }
}
