import { setTimeout as sleep } from "node:timers/promises";
import type { Connection, Message } from "../../mod.ts";
import {
  type ChatMessage,
  LIMITS,
  nameKey,
  parseClientMessage,
  type Person,
  RefusedMessage,
  type ServerMessage,
} from "./messages.ts";
import { Visitor } from "./visitor.ts";

/** How many messages someone who comes later still sees. */
const HISTORY_LENGTH = 50;

/** Where everybody meets. */
export class Room {
  /** Tells a page that comes back whether it comes back to the same room. */
  readonly #id = crypto.randomUUID();
  readonly #runtime: string;
  readonly #visitors: Set<Visitor> = new Set();
  readonly #history: ChatMessage[] = [];
  #lastPersonId = 0;
  #lastMessageId = 0;
  /** Messages received and sent since the figures were last sent; the figures themselves don't count. */
  #messages = 0;
  #countingSince = performance.now();

  /** @param runtime What the server runs on, for people to read. */
  constructor(runtime: string) {
    this.#runtime = runtime;
  }

  /** Handles one connection, from the first message to the last. It ends when this returns. */
  async host(conn: Connection): Promise<void> {
    const visitor = new Visitor(conn);
    this.#visitors.add(visitor);
    visitor.send({
      type: "hello",
      room: this.#id,
      runtime: this.#runtime,
      limits: LIMITS,
      people: this.#people(),
      history: this.#history,
    });
    visitor.measure();
    try {
      for await (const data of conn) {
        await this.#pace(visitor);
        this.#receive(visitor, data);
      }
    } finally {
      this.#visitors.delete(visitor);
      if (visitor.person !== undefined) this.#sendToAll({ type: "left", person: visitor.person });
    }
  }

  /** Sends everyone the figures of the time since the last call. */
  sendFigures(): void {
    const now = performance.now();
    const messagesPerSecond = this.#messages / (now - this.#countingSince) * 1000;
    this.#messages = 0;
    this.#countingSince = now;
    for (const visitor of this.#visitors) {
      visitor.sendIfIdle({
        type: "figures",
        connections: this.#visitors.size,
        messagesPerSecond,
        roundTripMs: visitor.roundTripMs,
      });
      visitor.measure();
    }
  }

  /**
   * Holds up a visitor that writes too fast. While the loop above waits, nothing more is read from
   * its connection than a bounded queue holds, and then TCP holds up the sender. No message is lost.
   */
  async #pace(visitor: Visitor): Promise<void> {
    const delayMs = visitor.pacer.count();
    if (delayMs === 0) return;
    visitor.send({ type: "problem", about: "pace", text: "Slow down: you are writing too fast." });
    await sleep(delayMs);
  }

  #receive(visitor: Visitor, data: Message): void {
    this.#messages++;
    try {
      const message = parseClientMessage(data);
      if (message.type === "name") this.#name(visitor, message.name);
      else this.#say(visitor, message.text);
    } catch (error) {
      if (!(error instanceof RefusedMessage)) throw error;
      visitor.send({ type: "problem", about: error.about, text: error.message });
    }
  }

  #name(visitor: Visitor, wanted: string): void {
    const before = visitor.person;
    const person = {
      id: before?.id ?? ++this.#lastPersonId,
      name: this.#freeName(visitor, wanted),
    };
    visitor.person = person;
    visitor.send({ type: "you", person });
    if (before === undefined) this.#sendToAll({ type: "joined", person });
    else if (before.name !== person.name) {
      this.#sendToAll({ type: "renamed", person, before: before.name });
    }
  }

  #say(visitor: Visitor, text: string): void {
    if (visitor.person === undefined) throw new RefusedMessage("name", "Choose a name first.");
    const message = { id: ++this.#lastMessageId, from: visitor.person, text, at: Date.now() };
    this.#history.push(message);
    if (this.#history.length > HISTORY_LENGTH) this.#history.shift();
    this.#sendToAll({ type: "message", message });
  }

  #sendToAll(message: ServerMessage): void {
    const json = JSON.stringify(message);
    for (const visitor of this.#visitors) visitor.sendJson(json);
    this.#messages += this.#visitors.size;
  }

  #people(): Person[] {
    return [...this.#visitors].flatMap(({ person }) => person ?? []);
  }

  /** Returns the name, or "name 2" and so on where someone else has it. */
  #freeName(visitor: Visitor, wanted: string): string {
    const others = this.#people().filter(({ id }) => id !== visitor.person?.id);
    const taken = new Set(others.map(({ name }) => nameKey(name)));
    let name = wanted;
    for (let n = 2; taken.has(nameKey(name)); n++) name = `${wanted} ${n}`;
    return name;
  }
}
