import { setTimeout as sleep } from "node:timers/promises";
import type { Broker, BrokerHandler } from "../../mod.ts";
import type { ChatMessage } from "./messages.ts";

/** How many messages of a room someone who comes later still sees. */
const MAX_MESSAGES = 50;

/** How many rooms are remembered: those where something was said last. */
const MAX_ROOMS = 200;

/** How long other servers have to answer, in milliseconds. */
const ANSWER_MS = 300;

/** How long to wait for the broker, at first, in milliseconds. */
const CONNECT_MS = 3_000;

/** What the servers tell one another. */
type Note =
  /** These messages are of that room. */
  | { room: string; messages: ChatMessage[] }
  /** Which messages are of that room? The answer goes to a topic of the server that asks. */
  | { room: string; answerTopic: string };

/** What all servers listen to. */
const TOPIC = "history";

/**
 * The last messages of each room. Every server keeps them in memory, also those that were said on
 * other servers: they tell one another, through a broker of their own, beside the one that brings
 * messages to the visitors. A server that is new asks the others.
 */
export class History implements BrokerHandler {
  readonly #broker: Broker | undefined;
  readonly #answerTopic = `${TOPIC}:${crypto.randomUUID()}`;
  /** The messages of each room; the room where something was said last is the last one. */
  readonly #rooms: Map<string, ChatMessage[]> = new Map();
  /** The rooms that other servers were asked about: it resolves when one has answered, or none did. */
  readonly #asked: Map<string, PromiseWithResolvers<void>> = new Map();
  readonly #attempt: PromiseWithResolvers<void> = Promise.withResolvers();
  #isConnected = false;

  constructor(broker?: Broker) {
    this.#broker = broker;
  }

  /** Connects to the other servers. It goes on without them where that takes too long. */
  async start(): Promise<void> {
    if (this.#broker === undefined) return;
    await this.#broker.start(this);
    await Promise.race([this.#attempt.promise, sleep(CONNECT_MS, undefined, { ref: false })]);
  }

  /** Leaves the other servers. */
  async close(): Promise<void> {
    await this.#broker?.close();
  }

  /** Remembers what was said on this server. */
  add(room: string, message: ChatMessage): void {
    this.#merge(room, [message]);
    this.#tell(TOPIC, { room, messages: [message] });
  }

  /** Gives the last messages of a room, the oldest first. */
  async load(room: string): Promise<ChatMessage[]> {
    if (this.#isConnected) await this.#askOthers(room);
    return this.#rooms.get(room) ?? [];
  }

  // ---- What the broker tells ----

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
      // It was lost again, which it tells.
    }
    this.#attempt.resolve();
  }

  receiveLost(): void {
    this.#isConnected = false;
    // Who knows what is said meanwhile? The others, who are asked again.
    this.#asked.clear();
    this.#attempt.resolve();
  }

  receiveError(): void {
    // The broker of the visitors' messages has the same, and tells of it.
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
    // What is lost with the connection, the others never hear of.
    this.#broker!.publish(topic, new TextEncoder().encode(JSON.stringify(note))).catch(() => {});
  }

  #merge(room: string, messages: ChatMessage[]): void {
    const all = [...this.#rooms.get(room) ?? [], ...messages];
    const byId = new Map(all.map((message) => [message.id, message]));
    const byTime = [...byId.values()].sort((a, b) => a.at - b.at);
    keepLast(this.#rooms, room, byTime.slice(-MAX_MESSAGES));
  }
}

/** Puts something at the end of a map of rooms, and makes room for it. */
function keepLast<T>(rooms: Map<string, T>, room: string, value: T): void {
  rooms.delete(room);
  rooms.set(room, value);
  if (rooms.size > MAX_ROOMS) rooms.delete(rooms.keys().next().value!);
}

/** Reads a note; gives `undefined` for what no server of this chat can have sent. */
function parseNote(bytes: Uint8Array): Note | undefined {
  try {
    const note = JSON.parse(new TextDecoder().decode(bytes));
    return typeof note.room === "string" ? note : undefined;
  } catch {
    return undefined;
  }
}
