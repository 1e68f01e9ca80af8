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

/** The topic of all servers. */
export const SERVERS_TOPIC: string = `${PRESENCE_PREFIX}servers`;
const INBOX_PREFIX = `${PRESENCE_PREFIX}server/`;
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

/** Asks for the members of topics. */
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

/** The topic of the broker for messages to one server. */
export function inboxTopic(server: string): string {
  return INBOX_PREFIX + server;
}

/** The topic of the broker for messages about a topic. */
export function roomTopic(topic: string): string {
  return ROOM_PREFIX + topic;
}

/** Returns TOPIC of `$presence/topic/TOPIC`; `undefined` for other topics of the broker. */
export function topicOfRoom(brokerTopic: string): string | undefined {
  return brokerTopic.startsWith(ROOM_PREFIX) ? brokerTopic.slice(ROOM_PREFIX.length) : undefined;
}

export function encodePresenceMessage(message: PresenceMessage): string {
  switch (message.type) {
    case "update":
      return JSON.stringify({ ...message, set: message.set.map(encodeEntry) });
    case "state": {
      const topics = message.topics.map(([topic, version, members]) => [
        topic,
        version,
        members.map(encodeEntry),
      ]);
      return JSON.stringify({ ...message, topics });
    }
    default:
      return JSON.stringify(message);
  }
}

/**
 * Parses a message that came through a broker.
 *
 * @throws {TypeError} If it is malformed; the error says why.
 */
export function parsePresenceMessage(data: Sendable): PresenceMessage {
  if (typeof data !== "string") throw new TypeError("It is about presence, and no text");
  let value: unknown;
  try {
    value = JSON.parse(data);
  } catch {
    throw new TypeError("It is about presence, and no JSON");
  }
  const fields = (typeof value === "object" && value !== null ? value : {}) as Fields;
  const from = check(fields, "from", isServerId) as string;
  const number = (name: string) => check(fields, name, isNumber) as number;
  const flag = (name: string) => check(fields, name, isBoolean) as boolean;
  const list = <T>(name: string, parse: (value: unknown) => T | undefined) => {
    const items = (check(fields, name, Array.isArray) as unknown[]).map(parse);
    if (items.includes(undefined)) throw invalid(name);
    return items as T[];
  };
  switch (fields["type"]) {
    case "beat":
      return {
        type: "beat",
        from,
        isHello: flag("isHello"),
        isReply: flag("isReply"),
        topics: number("topics"),
        digest: list("digest", parseVersion),
        isEnd: flag("isEnd"),
      };
    case "bye":
      return { type: "bye", from };
    case "update":
      return {
        type: "update",
        from,
        after: number("after"),
        version: number("version"),
        set: list("set", parseEntry),
        gone: list("gone", parseString),
      };
    case "ask":
      return { type: "ask", from, id: number("id"), topics: list("topics", parseString) };
    case "state":
      return {
        type: "state",
        from,
        id: check(fields, "id", Number.isSafeInteger) as number,
        part: number("part"),
        isEnd: flag("isEnd"),
        version: number("version"),
        topics: list("topics", parseTopicSnapshot),
      };
    default:
      throw invalid("type");
  }
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

type Fields = Record<string, unknown>;

function invalid(name: string): TypeError {
  return new TypeError(`It is about presence, and has no valid ${name}`);
}

function check(fields: Fields, name: string, isValid: (value: unknown) => boolean): unknown {
  if (!isValid(fields[name])) throw invalid(name);
  return fields[name];
}

function isServerId(value: unknown): boolean {
  return typeof value === "string" && /^[0-9a-f]{32}$/.test(value);
}

function isNumber(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= MAX_NUMBER;
}

function isBoolean(value: unknown): boolean {
  return typeof value === "boolean";
}

function parseString(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
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
  const members = (value as unknown[])[2];
  if (head === undefined || !Array.isArray(members)) return undefined;
  const entries = members.map(parseEntry);
  return entries.includes(undefined) ? undefined : [...head, entries as ShareEntry[]];
}
