import { setTimeout as sleep } from "node:timers/promises";
import type { Broker, BrokerHandler } from "../../mod.ts";
import type { ChatMessage } from "./messages.ts";

/** How many messages of a room a newcomer gets. */
const MAX_MESSAGES = 50;

/** How many rooms are remembered: those with the latest messages. */
const MAX_ROOMS = 200;

/** How long to wait for answers of other servers, in milliseconds. */
const ANSWER_MS = 300;

/** How long to wait for the broker at the start, in milliseconds. */
const CONNECT_MS = 3_000;

/** The messages between servers. */
type Note =
  /** The answer to a query, or a new message: messages of a room. */
  | { room: string; messages: ChatMessage[] }
  /** A query for the messages of a room. The answer goes to a topic of the server that sent it. */
  | { room: string; answerTopic: string };

/** The topic that all servers subscribe to. */
const TOPIC = "history";

/**
 * The last messages of each room. Every server stores those of all servers in memory: they exchange them
 * through a second broker, beside the one that delivers messages to the visitors. A new server queries the
 * others.
 */
export class History implements BrokerHandler {
  readonly #broker: Broker | undefined;
  readonly #answerTopic = `${TOPIC}:${crypto.randomUUID()}`;
  /** The messages of each room, ordered by the time of its last one. */
  readonly #rooms: Map<string, ChatMessage[]> = new Map();
  /** The queries for rooms: each resolves at the first answer, or at its timeout. */
  readonly #asked: Map<string, PromiseWithResolvers<void>> = new Map();
  readonly #attempt: PromiseWithResolvers<void> = Promise.withResolvers();
  #isConnected = false;

  constructor(broker?: Broker) {
    this.#broker = broker;
  }

  /** Connects to the other servers; resolves without them if that takes too long. */
  async start(): Promise<void> {
    if (this.#broker === undefined) return;
    await this.#broker.start(this);
    await Promise.race([this.#attempt.promise, sleep(CONNECT_MS, undefined, { ref: false })]);
  }

  /** Disconnects from the other servers. */
  async close(): Promise<void> {
    await this.#broker?.close();
  }

  /** Stores a message of this server, and sends it to the others. */
  add(room: string, message: ChatMessage): void {
    this.#merge(room, [message]);
    this.#tell(TOPIC, { room, messages: [message] });
  }

  /** Returns the last messages of a room, the oldest first. */
  async load(room: string): Promise<ChatMessage[]> {
    if (this.#isConnected) await this.#askOthers(room);
    return this.#rooms.get(room) ?? [];
  }

  // ---- The handler of the broker ----

  receiveMessage(topic: string, bytes: Uint8Array): void {
    const note = parseNote(bytes);
    if (note === undefined) return;
    if ("messages" in note) {
      this.#merge(note.room, note.messages);
      if (topic === this.#answerTopic) this.#asked.get(note.room)?.resolve();
    } else if (note.answerTopic !== this.#answerTopic) {
      const messages = this.#rooms.get(note.room);
      if (messages !== undefined) this.#tell(note.answerTopic, { room: note.room, messages });
    }
  }

  async receiveConnected(): Promise<void> {
    try {
      await this.#broker!.subscribe([TOPIC, this.#answerTopic]);
      this.#isConnected = true;
    } catch {
      // The connection was lost again, which `receiveLost` reports.
    }
    this.#attempt.resolve();
  }

  receiveLost(): void {
    this.#isConnected = false;
    // Messages are missed from now on: query the other servers again.
    this.#asked.clear();
    this.#attempt.resolve();
  }

  receiveError(): void {
    // The visitors' broker has the same error, and reports it.
  }

  async #askOthers(room: string): Promise<void> {
    let asked = this.#asked.get(room);
    if (asked === undefined) {
      asked = Promise.withResolvers();
      setTimeout(asked.resolve, ANSWER_MS);
      keepLast(this.#asked, room, asked);
      this.#tell(TOPIC, { room, answerTopic: this.#answerTopic });
    }
    await asked.promise;
  }

  #tell(topic: string, note: Note): void {
    if (!this.#isConnected) return;
    // A message that is lost with the connection never reaches the others.
    this.#broker!.publish(topic, new TextEncoder().encode(JSON.stringify(note))).catch(() => {});
  }

  #merge(room: string, messages: ChatMessage[]): void {
    const all = [...this.#rooms.get(room) ?? [], ...messages];
    const byId = new Map(all.map((message) => [message.id, message]));
    const byTime = [...byId.values()].sort((a, b) => a.at - b.at);
    keepLast(this.#rooms, room, byTime.slice(-MAX_MESSAGES));
  }
}

/** Sets an entry at the end of a map of rooms, and deletes the first one if there are too many. */
function keepLast<T>(rooms: Map<string, T>, room: string, value: T): void {
  rooms.delete(room);
  rooms.set(room, value);
  if (rooms.size > MAX_ROOMS) rooms.delete(rooms.keys().next().value!);
}

/** Parses a message between servers; returns `undefined` if it is invalid. */
function parseNote(bytes: Uint8Array): Note | undefined {
  try {
    const note = JSON.parse(new TextDecoder().decode(bytes));
    return typeof note.room === "string" ? note : undefined;
  } catch {
    return undefined;
  }
}
