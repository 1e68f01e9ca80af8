import { setTimeout as sleep } from "node:timers/promises";
import {
  ConnectionClosedError,
  type Message,
  type PresenceChange,
  type Server,
  type ServerConnection,
} from "../../mod.ts";
import type { History } from "./history.ts";
import {
  LIMITS,
  nameKey,
  parseClientMessage,
  type Person,
  RefusedMessage,
  type RoomInfo,
  type ServerInfo,
  type ServerMessage,
} from "./messages.ts";
import { ROOMS_TOPIC, topicOf } from "./rooms.ts";
import { Visitor, type VisitorData } from "./visitor.ts";

/** The largest number of rooms that are listed. */
const MAX_ROOMS_SHOWN = 20;

/**
 * One server of the chat. Everything that concerns other servers goes through topics, so the code is the
 * same with and without them.
 */
export class Chat {
  readonly #server: Server<VisitorData>;
  readonly #info: ServerInfo;
  readonly #history: History;
  readonly #visitors: Set<Visitor> = new Set();
  /** The number of figures sent, which don't count as messages. */
  #figuresSent = 0;
  #messagesBefore = 0;
  #countingSince = performance.now();

  /** @param name The runtime and address of the server, for display. */
  constructor(server: Server<VisitorData>, name: string, history: History) {
    this.#server = server;
    this.#info = { id: crypto.randomUUID(), name };
    this.#history = history;
  }

  /** Handles one connection, from the first message to the last. It ends when this returns. */
  async host(conn: ServerConnection<VisitorData>): Promise<void> {
    const visitor = new Visitor(conn);
    this.#visitors.add(visitor);
    visitor.measure();
    try {
      await this.#greet(visitor);
      for await (const data of conn) {
        await this.#pace(visitor);
        await this.#receive(visitor, data);
      }
    } catch (error) {
      // It ended meanwhile. Its subscriptions end with it, and so does its presence.
      if (!(error instanceof ConnectionClosedError)) throw error;
    } finally {
      this.#visitors.delete(visitor);
    }
  }

  /**
   * Creates the message about a join, a leave or a new name, on any server. It is sent to all visitors of the
   * room on this server.
   */
  notice({ type, topic, key, info }: PresenceChange): string | undefined {
    if (topic === ROOMS_TOPIC) return undefined;
    const person = toPerson({ key, info });
    if (type !== "leave") this.#settleNames(topic, person);
    const message: ServerMessage = {
      type: ({ join: "joined", update: "renamed", leave: "left" } as const)[type],
      person,
    };
    return JSON.stringify(message);
  }

  /** Sends all visitors the figures since the last call. */
  sendFigures(): void {
    const { connections, messagesReceived, messagesSent } = this.#server.stats();
    const now = performance.now();
    const messages = messagesReceived + messagesSent - this.#figuresSent;
    const messagesPerSecond = (messages - this.#messagesBefore) / (now - this.#countingSince) *
      1000;
    this.#messagesBefore = messages;
    this.#countingSince = now;
    for (const visitor of this.#visitors) {
      const { roundTripMs } = visitor;
      const figures = { type: "figures", connections, messagesPerSecond, roundTripMs } as const;
      if (visitor.sendIfIdle(figures)) this.#figuresSent++;
      visitor.measure();
    }
  }

  /** Sends the list of rooms to the visitors that have an older one. */
  async sendRooms(): Promise<void> {
    if (this.#visitors.size === 0) return;
    const rooms = await this.#listRooms();
    const json = JSON.stringify(rooms);
    for (const visitor of this.#visitors) {
      if (visitor.knownRooms === json) continue;
      visitor.knownRooms = json;
      visitor.send({ type: "rooms", rooms });
    }
  }

  async #greet(visitor: Visitor): Promise<void> {
    const { conn, room } = visitor;
    // Subscribe before the state is read, so that no change is missed in between.
    conn.subscribe(topicOf(room), { presence: true });
    conn.subscribe(ROOMS_TOPIC, { presence: true });
    const [people, history] = await Promise.all([this.#listPeople(room), this.#history.load(room)]);
    visitor.send({ type: "hello", server: this.#info, room, limits: LIMITS, people, history });
  }

  /**
   * Delays a visitor that writes too fast. While the loop above waits, at most a bounded queue is read from
   * its connection; then TCP slows the sender. No message is lost.
   */
  async #pace(visitor: Visitor): Promise<void> {
    const delayMs = visitor.pacer.count();
    if (delayMs === 0) return;
    visitor.send({ type: "problem", about: "pace", text: "Slow down: you are writing too fast." });
    await sleep(delayMs);
  }

  async #receive(visitor: Visitor, data: Message): Promise<void> {
    try {
      const message = parseClientMessage(data);
      if (message.type === "name") await this.#name(visitor, message.name);
      else this.#say(visitor, message.text);
    } catch (error) {
      if (!(error instanceof RefusedMessage)) throw error;
      visitor.send({ type: "problem", about: error.about, text: error.message });
    }
  }

  async #name(visitor: Visitor, wanted: string): Promise<void> {
    const others = await this.#listPeople(visitor.room);
    const name = this.#findFreeName(visitor, wanted, others);
    visitor.person = { id: visitor.id, name, server: this.#info };
    visitor.send({ type: "you", person: visitor.person });
    const { id: key, ...info } = visitor.person;
    visitor.conn.subscribe(topicOf(visitor.room), { presence: { key, info } });
    // The members of the topic of all rooms are the rooms, each as often as it has people.
    visitor.conn.subscribe(ROOMS_TOPIC, { presence: { key: visitor.room } });
  }

  #say({ person, room }: Visitor, text: string): void {
    if (person === undefined) throw new RefusedMessage("name", "Choose a name first.");
    const message = { id: crypto.randomUUID(), from: person, text, at: Date.now() };
    this.#history.add(room, message);
    this.#sendToRoom(room, { type: "message", message });
  }

  /** Sends a message to everyone in a room, on all servers. */
  #sendToRoom(room: string, message: ServerMessage): void {
    this.#server.publish(topicOf(room), JSON.stringify(message));
  }

  async #listPeople(room: string): Promise<Person[]> {
    return (await this.#server.presence(topicOf(room))).map(toPerson);
  }

  async #listRooms(): Promise<RoomInfo[]> {
    const members = await this.#server.presence(ROOMS_TOPIC);
    return members.map(({ key, connections }) => ({ name: key, people: connections }))
      .sort((a, b) => b.people - a.people || a.name.localeCompare(b.name))
      .slice(0, MAX_ROOMS_SHOWN);
  }

  /** Returns the name, or "name 2" and so on if another person has it. */
  #findFreeName(visitor: Visitor, wanted: string, people: Person[]): string {
    // A person who got a name on this server just now may not be listed as present yet.
    const here = [...this.#visitors].filter(({ room }) => room === visitor.room);
    const others = [...people, ...here.flatMap(({ person }) => person ?? [])]
      .filter(({ id }) => id !== visitor.id);
    const taken = new Set(others.map(({ name }) => nameKey(name)));
    let name = wanted;
    for (let n = 2; taken.has(nameKey(name)); n++) name = `${wanted} ${n}`;
    return name;
  }

  /**
   * Renames a person who has the same name as one on another server: two servers may have assigned it at the
   * same time. The person with the smaller id keeps it.
   */
  #settleNames(topic: string, { id, name }: Person): void {
    for (const visitor of this.#visitors) {
      const { person, room } = visitor;
      if (person === undefined || topicOf(room) !== topic || person.id <= id) continue;
      if (nameKey(person.name) === nameKey(name)) this.#name(visitor, person.name).catch(() => {});
    }
  }
}

function toPerson({ key, info }: { key: string; info?: unknown }): Person {
  return { id: key, ...info as Omit<Person, "id"> };
}
