/**
 * The subprotocol `sluice.resume.v1`, as `docs/resume.md` describes it: what both sides have in common.
 *
 * The first message of the client is a {@linkcode Hello}; all others are the program's. A message of the
 * server is the program's too, unless it begins with RS (U+001E). Then a header follows, up to LF:
 *
 * | Header            | What it is                                                                |
 * | ----------------- | ------------------------------------------------------------------------- |
 * | nothing           | the rest is the program's, which begins with RS itself                    |
 * | `7 epoch.12`      | the rest was published to topic 7, and this is its place                  |
 * | a JSON object     | a {@linkcode Note}; there is no rest, and no LF                           |
 */

import { copyBytes } from "../codec/byte_collector.ts";
import { CloseCode } from "../codec/close_code.ts";
import { ProtocolError } from "../errors.ts";
import { formatPosition, MAX_POSITION_LENGTH, parsePosition, type Position } from "./position.ts";

/** The name of the subprotocol. */
export const RESUME = "sluice.resume.v1";
/**
 * The field of the 101 by which a server says that it speaks the subprotocol, and does not just echo its
 * name: in quotes, the subprotocol of the program that it selected besides.
 */
export const RESUME_FIELD = "Sluice-Resume";

/** The largest hello, in bytes. What other messages may have does not count for it: no client could know. */
export const MAX_HELLO_SIZE: number = 512 * 1024;
/** The most topics of a hello. */
export const MAX_HELLO_TOPICS = 4_096;
/** The longest topic whose messages can be kept, in bytes of UTF-8. */
export const MAX_TOPIC_LENGTH = 1_024;

/** How deep a hello is nested: it is an object, and so are its positions. */
const MAX_HELLO_DEPTH = 2;
/** The most commas of a hello, which take time to parse: it needs about as many as it has topics. */
const MAX_HELLO_COMMAS = 10_000;

const MARK = "\x1e";
const MARK_BYTE = 0x1e;
const LF = 0x0a;
/** What goes before a message of the program that may begin as only those do that have a header. */
export const ESCAPE: string = `${MARK}\n`;

/** The UTF-16 code units that make the shape of JSON. */
const Unit = {
  Quote: 0x22,
  Comma: 0x2c,
  OpenBracket: 0x5b,
  Backslash: 0x5c,
  CloseBracket: 0x5d,
  OpenBrace: 0x7b,
  CloseBrace: 0x7d,
} as const;

/** What stands around a position in a hello: a colon, a comma and two quotes. */
const ENTRY_LENGTH = 4;

const PUBLISHED = /^([1-9]\d*) (.*)$/;
const SESSION = /^[\w-]{16,64}$/;
/** The longest header: a topic has 1,024 bytes at most, each of which JSON may write as six. */
export const MAX_HEADER_LENGTH: number = 8 * 1024;
/** What a header and its ends take of a message at most, in bytes. */
export const MAX_HEADER_SIZE: number = MAX_HEADER_LENGTH + 2;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A message of the program. */
type Message = string | Uint8Array;

/** What a client begins with. */
export interface Hello {
  /** Who it is, where a server has told it so before. */
  readonly session: string | undefined;
  /** How far it got in each topic. */
  readonly positions: Map<string, Position>;
}

/** What a server tells of itself. */
export type Note =
  /** Answers the hello: who the client is from now on, and the subprotocol of the program. */
  | { readonly session: string; readonly protocol: string }
  /**
   * The connection is subscribed to a topic, which has this number from now on, and what follows comes
   * behind this place. Messages were missed that are not kept any more where `isLost` is true. The place
   * is not known yet where there is none: the one from before is still right.
   */
  | {
    readonly topic: string;
    readonly number: number;
    readonly position?: string | undefined;
    readonly isLost?: boolean | undefined;
  }
  /** The connection is not subscribed to this topic any more. */
  | { readonly unsubscribed: number }
  /** All messages up to this place have been sent, of all topics of the connection. */
  | { readonly progress: string };

/** Whether a message begins as only those do that have a header. */
function isMarked(data: Message): boolean {
  return typeof data === "string"
    ? data.charCodeAt(0) === MARK_BYTE
    : data.length > 0 && data[0] === MARK_BYTE;
}

/** Puts a header before a message. */
function mark(header: string, data: Message): Message {
  if (typeof data === "string") return `${MARK}${header}\n${data}`;
  const bytes = new Uint8Array(header.length + 2 + data.length);
  bytes[0] = MARK_BYTE;
  encoder.encodeInto(header, bytes.subarray(1));
  bytes[header.length + 1] = LF;
  copyBytes(data, 0, data.length, bytes, header.length + 2);
  return bytes;
}

/** Makes a message of the program such that it has no header by accident. */
export function escapeMessage(data: Message): Message {
  return isMarked(data) ? mark("", data) : data;
}

/** Makes the message that tells where in a topic a published one stands. */
export function encodePublished(number: number, position: Position, data: Message): Message {
  return mark(`${number} ${formatPosition(position)}`, data);
}

/** Tells whether a topic is too long for its messages to be kept. */
export function isTopicTooLong(topic: string): boolean {
  // A UTF-16 code unit has three bytes of UTF-8 at most, and one at least.
  if (topic.length * 3 <= MAX_TOPIC_LENGTH) return false;
  return topic.length > MAX_TOPIC_LENGTH || encoder.encode(topic).length > MAX_TOPIC_LENGTH;
}

/** How many bytes a topic takes in a hello, whatever its position is. */
export function sizeInHello(topic: string): number {
  return encoder.encode(JSON.stringify(topic)).length + MAX_POSITION_LENGTH + ENTRY_LENGTH;
}

/** Makes the message of a note. */
export function encodeNote(note: Note): string {
  return MARK + JSON.stringify(note);
}

/** Makes the hello of a client. */
export function encodeHello(
  session: string | undefined,
  positions: ReadonlyMap<string, Position>,
): string {
  const entries = [...positions].map(([topic, position]) => [topic, formatPosition(position)]);
  return JSON.stringify({ session, positions: Object.fromEntries(entries) });
}

/**
 * Reads the hello of a client.
 *
 * @throws {ProtocolError} Where it is none.
 */
export function parseHello(data: Message): Hello {
  if (typeof data !== "string") throw refuseHello("it is no text");
  checkShape(data);
  const hello = parseObject(data);
  if (hello === undefined) throw refuseHello("it is no JSON object");
  const { session, positions = {} } = hello;
  if (session !== undefined && !(typeof session === "string" && SESSION.test(session))) {
    throw refuseHello("its session is none that a server gave");
  }
  if (typeof positions !== "object" || positions === null || Array.isArray(positions)) {
    throw refuseHello("its positions are no object");
  }
  const entries = Object.entries(positions);
  if (entries.length > MAX_HELLO_TOPICS) {
    throw refuseHello(`it has ${entries.length} topics, ${MAX_HELLO_TOPICS} are allowed`);
  }
  const parsed = new Map<string, Position>();
  let epoch = "";
  for (const [topic, text] of entries) {
    if (isTopicTooLong(topic)) {
      throw refuseHello(`a topic has more than ${MAX_TOPIC_LENGTH} bytes`);
    }
    const position = parsePosition(text);
    if (position === undefined) {
      throw refuseHello(`${JSON.stringify(topic).slice(0, 100)} has no position of a server`);
    }
    // Mostly it is the same one, which need not be kept once for each topic.
    if (position.epoch !== epoch) epoch = position.epoch;
    parsed.set(topic, { epoch, number: position.number });
  }
  return { session, positions: parsed };
}

/**
 * Checks that a hello is quick to parse: what is nested deep, or has many parts, would take a second.
 *
 * @throws {ProtocolError} Where it is not.
 */
function checkShape(text: string): void {
  let depth = 0;
  let commas = 0;
  let isInString = false;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (isInString) {
      if (unit === Unit.Backslash) i++;
      else if (unit === Unit.Quote) isInString = false;
    } else if (unit === Unit.Quote) {
      isInString = true;
    } else if (unit === Unit.OpenBrace || unit === Unit.OpenBracket) {
      if (++depth > MAX_HELLO_DEPTH) {
        throw refuseHello(`it is nested more than ${MAX_HELLO_DEPTH} levels deep`);
      }
    } else if (unit === Unit.CloseBrace || unit === Unit.CloseBracket) {
      depth--;
    } else if (unit === Unit.Comma && ++commas > MAX_HELLO_COMMAS) {
      throw refuseHello(`it has more than ${MAX_HELLO_COMMAS} parts`);
    }
  }
}

/** What a message of a server is. */
export type ServerMessage =
  | { readonly kind: "message"; readonly start: number }
  | {
    readonly kind: "published";
    readonly number: number;
    readonly position: Position;
    readonly start: number;
  }
  | { readonly kind: "note"; readonly note: Note };

/** Finds the header of a message: `undefined` where the beginning that is given is too short to tell. */
export function parseServerMessage(data: Message, isWhole: boolean): ServerMessage | undefined {
  if (data.length === 0 && !isWhole) return undefined;
  if (!isMarked(data)) return { kind: "message", start: 0 };
  const end = typeof data === "string" ? data.indexOf("\n") : data.indexOf(LF);
  if (end === -1 && !isWhole) {
    if (data.length > MAX_HEADER_LENGTH) throw refuseHeader("it is too long");
    return undefined;
  }
  const header = end === -1 ? data.slice(1) : data.slice(1, end);
  if (header.length > MAX_HEADER_LENGTH) throw refuseHeader("it is too long");
  const text = typeof header === "string" ? header : decode(header);
  if (end === -1) return { kind: "note", note: parseNote(text) };
  if (text === "") return { kind: "message", start: end + 1 };
  const [number, position] = parsePublished(text);
  return { kind: "published", number, position, start: end + 1 };
}

function parsePublished(header: string): [number: number, position: Position] {
  const [, digits, place] = PUBLISHED.exec(header) ?? [];
  const number = parseNumber(Number(digits));
  const position = parsePosition(place);
  if (number === undefined || position === undefined) {
    throw refuseHeader(`${JSON.stringify(header.slice(0, 100))} tells no place`);
  }
  return [number, position];
}

function parseNote(text: string): Note {
  const note = parseObject(text);
  if (note !== undefined) {
    const { session, protocol, topic, number, position, isLost, unsubscribed, progress } = note;
    if (typeof session === "string" && typeof protocol === "string" && SESSION.test(session)) {
      return { session, protocol };
    }
    const topicNumber = parseNumber(number);
    const isPlace = position === undefined || parsePosition(position) !== undefined;
    const isTopic = typeof topic === "string" && !isTopicTooLong(topic);
    if (isTopic && topicNumber !== undefined && isPlace) {
      return {
        topic,
        number: topicNumber,
        position: position as string | undefined,
        isLost: isLost === true,
      };
    }
    const unsubscribedNumber = parseNumber(unsubscribed);
    if (unsubscribedNumber !== undefined) return { unsubscribed: unsubscribedNumber };
    if (parsePosition(progress) !== undefined) return { progress: progress as string };
  }
  throw refuseHeader(`${JSON.stringify(text.slice(0, 100))} is no note`);
}

function parseNumber(value: unknown): number | undefined {
  return Number.isSafeInteger(value) && (value as number) >= 1 ? value as number : undefined;
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function decode(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw refuseHeader("it is no UTF-8");
  }
}

function refuseHello(reason: string): ProtocolError {
  return new ProtocolError(
    CloseCode.PolicyViolation,
    `Cannot accept the first message of ${RESUME}: ${reason}`,
  );
}

function refuseHeader(reason: string): ProtocolError {
  return new ProtocolError(
    CloseCode.PolicyViolation,
    `Cannot accept the header of a message of ${RESUME}: ${reason}`,
  );
}
