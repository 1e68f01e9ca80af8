/**
 * The messages by which servers tell one another the members of their topics: JSON, through topics of the broker that
 * begin with `$presence/`.
 *
 * | Topic                   | Subscribers                             | Messages                          |
 * | ----------------------- | --------------------------------------- | --------------------------------- |
 * | `$presence/servers`     | all servers that use presence           | `beat`, `bye`, `ask`              |
 * | `$presence/server/ID`   | the server with that id                 | `beat`, `ask` and `state` for it  |
 * | `$presence/topic/TOPIC` | servers where a connection watches TOPIC | `update`, `state`, `ask`         |
 *
 * The members of a topic on a server have a version. An `update` names the version that it changes; a server that does
 * not have that version asks for the whole `state`. Each `beat` has a digest with the versions of some topics, of all
 * topics in turn, so that a server notices a lost update even if no other follows.
 */

import type { Sendable } from "../../connection/connection.ts";
import { PRESENCE_PREFIX } from "../cluster/broker_names.ts";
import type { ShareEntry } from "./room.ts";

export const SERVERS_TOPIC: string = `${PRESENCE_PREFIX}servers`;
const ROOM_PREFIX = `${PRESENCE_PREFIX}topic/`;

/** About how many characters a message has at most: brokers take a mebibyte or less. */
const MAX_MESSAGE_LENGTH = 32 * 1024;
/** The greatest version or stamp of another server: this one continues counting from there. */
const MAX_NUMBER = 2 ** 50;

/** A heartbeat: the server is alive. */
export interface Heartbeat {
  readonly type: "beat";
  readonly from: string;
  /** Whether the other servers must answer with a heartbeat. */
  readonly isHello: boolean;
  /** Whether it is such an answer. */
  readonly isReply: boolean;
  /** The number of topics in which it has members. */
  readonly topics: number;
  /** Some of these topics, with their versions. */
  readonly digest: readonly (readonly [topic: string, version: number])[];
  /** Whether the digests have named all of these topics by now. */
  readonly isEnd: boolean;
}

/** The server leaves, and has no members any more. */
export interface Leave {
  readonly type: "bye";
  readonly from: string;
}

/** Changes in the topic that the message comes through. */
export interface Update {
  readonly type: "update";
  readonly from: string;
  /** The version that is changed; 0 if there were no members. */
  readonly after: number;
  readonly version: number;
  /** The members that are new or have changed. */
  readonly set: readonly ShareEntry[];
  /** The keys of the members that have left. */
  readonly gone: readonly string[];
}

export interface Query {
  readonly type: "ask";
  readonly from: string;
  readonly id: number;
  readonly topics: readonly string[];
}

/** The members of topics on the server, or a part of them. */
export interface Snapshot {
  readonly type: "state";
  readonly from: string;
  /** The id of the query that this answers; a unique negative number if it is unsolicited. */
  readonly id: number;
  readonly part: number;
  readonly isEnd: boolean;
  /** A version that is later than all before. */
  readonly version: number;
  readonly topics: readonly TopicSnapshot[];
}

/** The members of a topic on the server; others may be in the parts before or after. */
export type TopicSnapshot = readonly [
  topic: string,
  version: number,
  members: readonly ShareEntry[],
];

/** A message between servers. The types on the wire are older than the names here. */
export type PresenceMessage = Heartbeat | Leave | Update | Query | Snapshot;

/** A message before its sender is named. */
export type WithoutSender = PresenceMessage extends infer Message
  ? Message extends PresenceMessage ? Omit<Message, "from"> : never
  : never;

export function inboxTopic(server: string): string {
  return `${PRESENCE_PREFIX}server/${server}`;
}

export function roomTopic(topic: string): string {
  return ROOM_PREFIX + topic;
}

/** Returns TOPIC of `$presence/topic/TOPIC`; `undefined` for other topics of the broker. */
export function topicOfRoom(brokerTopic: string): string | undefined {
  return brokerTopic.startsWith(ROOM_PREFIX) ? brokerTopic.slice(ROOM_PREFIX.length) : undefined;
}

export function encodePresenceMessage(from: string, message: WithoutSender): string {
  const { type } = message;
  let encoded: object = message;
  if (type === "update") encoded = { ...message, set: message.set.map(encodeEntry) };
  if (type === "state") {
    const encode = ([topic, version, members]: TopicSnapshot) => [
      topic,
      version,
      members.map(encodeEntry),
    ];
    encoded = { ...message, topics: message.topics.map(encode) };
  }
  return JSON.stringify({ type, from, ...encoded });
}

/** @throws {TypeError} If it is malformed; the error says why. */
export function parsePresenceMessage(data: Sendable): PresenceMessage {
  if (typeof data !== "string") throw new TypeError("It is about presence, and no text");
  let value: unknown;
  try {
    value = JSON.parse(data);
  } catch {
    throw new TypeError("It is about presence, and no JSON");
  }
  const fields = Object(value) as Record<string, unknown>;
  const message: Record<string, unknown> = {};
  const parse = (name: string, parser: Parser) => {
    message[name] = parser(fields[name]);
    if (message[name] === undefined) {
      throw new TypeError(`It is about presence, and has no valid ${name}`);
    }
  };
  parse("from", (id) => typeof id === "string" && /^[0-9a-f]{32}$/.test(id) ? id : undefined);
  parse("type", (type) => FIELDS.has(type) ? type : undefined);
  for (const [name, parser] of FIELDS.get(message["type"])!) parse(name, parser);
  return message as unknown as PresenceMessage;
}

/** Splits items into as many messages as they need. */
export function* splitUp<T>(items: Iterable<T>, lengthOf: (item: T) => number): Generator<T[]> {
  let some: T[] = [];
  let length = 0;
  for (const item of items) {
    const more = lengthOf(item);
    if (some.length > 0 && length + more > MAX_MESSAGE_LENGTH) {
      yield some;
      some = [];
      length = 0;
    }
    some.push(item);
    length += more;
  }
  if (some.length > 0) yield some;
}

/** About how many characters a member takes. */
export function lengthOfEntry([key, { info }]: ShareEntry): number {
  return 32 + lengthOfText(key) + info.length;
}

/** About how many characters a text takes. */
export function lengthOfText(text: string): number {
  return 8 + JSON.stringify(text).length;
}

/** Returns a value that is checked; `undefined` if it is malformed. */
type Parser = (value: unknown) => unknown;

const flag: Parser = (value) => typeof value === "boolean" ? value : undefined;
const text: Parser = (value) => typeof value === "string" ? value : undefined;
const number: Parser = (value) => isNumber(value) ? value : undefined;
const integer: Parser = (value) => Number.isSafeInteger(value) ? value : undefined;

function listOf(parse: Parser): Parser {
  return (value) => {
    const items = Array.isArray(value) ? value.map(parse) : [undefined];
    return items.includes(undefined) ? undefined : items;
  };
}

/** The fields of each type of message, besides `type` and `from`. */
const FIELDS: ReadonlyMap<unknown, readonly (readonly [name: string, parser: Parser])[]> = new Map([
  ["beat", [
    ["isHello", flag],
    ["isReply", flag],
    ["topics", number],
    ["digest", listOf(parseVersion)],
    ["isEnd", flag],
  ]],
  ["bye", []],
  ["update", [
    ["after", number],
    ["version", number],
    ["set", listOf(parseEntry)],
    ["gone", listOf(text)],
  ]],
  ["ask", [["id", number], ["topics", listOf(text)]]],
  ["state", [
    ["id", integer],
    ["part", number],
    ["isEnd", flag],
    ["version", number],
    ["topics", listOf(parseTopicSnapshot)],
  ]],
]);

function isNumber(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= MAX_NUMBER;
}

function parseVersion(value: unknown): readonly [string, number] | undefined {
  if (!Array.isArray(value)) return undefined;
  const [topic, version] = value;
  return typeof topic === "string" && isNumber(version) ? [topic, version] : undefined;
}

function encodeEntry([key, { connections, stamp, info }]: ShareEntry): unknown[] {
  return info === "" ? [key, connections, stamp] : [key, connections, stamp, JSON.parse(info)];
}

function parseEntry(value: unknown): ShareEntry | undefined {
  if (!Array.isArray(value)) return undefined;
  const [key, connections, stamp, info] = value;
  if (typeof key !== "string" || !isNumber(connections) || connections === 0 || !isNumber(stamp)) {
    return undefined;
  }
  return [key, { connections, stamp, info: value.length < 4 ? "" : JSON.stringify(info) }];
}

function parseTopicSnapshot(value: unknown): TopicSnapshot | undefined {
  const head = parseVersion(value);
  if (head === undefined) return undefined;
  const members = (value as unknown[])[2];
  if (!Array.isArray(members)) return undefined;
  const entries = members.map(parseEntry);
  return entries.includes(undefined) ? undefined : [...head, entries as ShareEntry[]];
}
