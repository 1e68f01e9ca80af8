/**
 * The messages of the chat: JSON, one object each, as text.
 *
 * @module
 */

import type { Message } from "../../mod.ts";

/** The longest name and the longest text, in UTF-16 code units, as `maxlength` counts them. */
export const LIMITS = { name: 24, text: 500 } as const;

/** One of the servers that the chat runs on. */
export interface ServerInfo {
  /** Unique for each start. */
  id: string;
  /** Its runtime and address, for display. */
  name: string;
}

/** Someone who has a name. */
export interface Person {
  /** Unique across all servers, for ever. */
  id: string;
  /** Unique in the room. */
  name: string;
  /** The server that the person is connected to. */
  server: ServerInfo;
}

/** A room that someone is in. */
export interface RoomInfo {
  name: string;
  people: number;
}

/** What someone said. */
export interface ChatMessage {
  /** Unique across all servers. */
  id: string;
  from: Person;
  text: string;
  /** When the server received it, in milliseconds since 1970. */
  at: number;
}

/** The messages of a client. */
export type ClientMessage =
  /** Joins under a name, or changes it. */
  | { type: "name"; name: string }
  /** Says something to everyone; only after joining. */
  | { type: "say"; text: string };

/** The messages of the server. */
export type ServerMessage =
  /** The state of the room. Messages before it are changes that happened while it was read. */
  | {
    type: "hello";
    server: ServerInfo;
    room: string;
    limits: typeof LIMITS;
    people: Person[];
    history: ChatMessage[];
  }
  /** The person of this client from now on, with the requested name or a similar free one. */
  | { type: "you"; person: Person }
  /** An event of another person in the room, on any server. */
  | { type: "joined"; person: Person }
  | { type: "renamed"; person: Person }
  | { type: "left"; person: Person }
  | { type: "message"; message: ChatMessage }
  /** The rooms on all servers, those with the most people first; sent when they have changed. */
  | { type: "rooms"; rooms: RoomInfo[] }
  /**
   * The figures of this server, once a second. `roundTripMs` is this client's own; null if none has been
   * measured yet.
   */
  | {
    type: "figures";
    connections: number;
    messagesPerSecond: number;
    roundTripMs: number | null;
  }
  /** A message of this client was refused, or needs a comment. */
  | { type: "problem"; about: ProblemTopic; text: string };

/** The subject of a problem: a field of the page, the client's rate, or the client itself. */
export type ProblemTopic = "name" | "text" | "pace" | "protocol";

/** A client's message was refused. The text is for the person who sent it. */
export class RefusedMessage extends Error {
  readonly about: ProblemTopic;

  constructor(about: ProblemTopic, text: string) {
    super(text);
    this.about = about;
  }
}

/**
 * Checks a message of a client, and normalizes the text of a person.
 *
 * @throws {RefusedMessage} If it is not a valid message of a client.
 */
export function parseClientMessage(data: Message): ClientMessage {
  if (typeof data !== "string") throw new RefusedMessage("protocol", "Messages are text.");
  const message = parseJson(data);
  if (typeof message !== "object" || message === null) {
    throw new RefusedMessage("protocol", "Messages are JSON objects.");
  }
  const { type, name, text } = message as Record<string, unknown>;
  if (type === "name" && typeof name === "string") return { type, name: parseName(name) };
  if (type === "say" && typeof text === "string") return { type, text: parseText(text) };
  throw new RefusedMessage(
    "protocol",
    "Messages have a type, name or say, and what belongs to it.",
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new RefusedMessage("protocol", "Messages are JSON.");
  }
}

function parseName(input: string): string {
  const name = input.toWellFormed().normalize("NFC").trim().replace(/\s+/g, " ");
  if (nameKey(name) === "") throw new RefusedMessage("name", "Choose a name first.");
  if (name.length > LIMITS.name) {
    throw new RefusedMessage("name", `A name has at most ${LIMITS.name} characters.`);
  }
  // Control and formatting characters could make one name look like another, or turn the line
  // around. The joiner is what holds emoji like 👩‍🚀 together.
  if (/[\p{Cc}\p{Cf}]/u.test(name.replaceAll("\u200d", ""))) {
    throw new RefusedMessage("name", "A name is made of letters, digits, signs and emoji.");
  }
  return name;
}

function parseText(input: string): string {
  const text = input.toWellFormed().replace(/\r\n?/g, "\n").replace(/\n{3,}/g, "\n\n").trim();
  if (text === "") throw new RefusedMessage("text", "There is nothing to send.");
  if (text.length > LIMITS.text) {
    throw new RefusedMessage("text", `A message has at most ${LIMITS.text} characters.`);
  }
  // deno-lint-ignore no-control-regex
  if (/[\0-\x08\x0b-\x1f\x7f]/.test(text)) {
    throw new RefusedMessage("text", "A message can't hold control characters.");
  }
  return text;
}

/** Normalizes a name to compare it: equal for names that look alike, such as "ada" and "Ada". */
export function nameKey(name: string): string {
  return name.normalize("NFKC").toLowerCase().replace(/[\p{Default_Ignorable_Code_Point}\s]/gu, "");
}
