/**
 * The messages of the subprotocol `sluice.resume.v1`, as `docs/resume.md` describes it.
 *
 * The first message of the client is a {@linkcode ResumeRequest}; all others are the program's. A message of
 * the server is the program's too, unless it begins with RS (U+001E). Then a header follows, up to LF:
 *
 * | Header        | Message                                                        |
 * | ------------- | -------------------------------------------------------------- |
 * | nothing       | the program's, which begins with RS itself                     |
 * | `7 epoch.12`  | one published to topic 7, and its position                     |
 * | a JSON object | a {@linkcode ControlMessage}: no LF, and nothing after the header |
 */

import { copyBytes } from "../codec/byte_collector.ts";
import { CloseCode } from "../codec/close_code.ts";
import { OWN_SUBPROTOCOL } from "../handshake/subprotocol.ts";
import { ProtocolError } from "../errors.ts";
import { utf8LengthAbove } from "../text_size.ts";
import { formatPosition, MAX_POSITION_LENGTH, parsePosition, type Position } from "./position.ts";

export const RESUME: string = OWN_SUBPROTOCOL;
/**
 * The header field of a 101 response by which a server says that it speaks the subprotocol, and does not just
 * echo its name. Its value is the program's subprotocol, in quotes.
 */
export const RESUME_FIELD = "Sluice-Resume";

/** The largest resume request, in bytes, whatever `maxMessageSize` is: a client can't know that. */
export const MAX_REQUEST_SIZE: number = 512 * 1024;
export const MAX_REQUEST_TOPICS = 4_096;
/** The longest topic whose messages can be retained, in bytes of UTF-8. */
export const MAX_TOPIC_LENGTH = 1_024;

/** How deep a resume request may be nested: it is an object, and so are its positions. */
const MAX_REQUEST_DEPTH = 2;
/** The most commas of a resume request, which take time to parse: one for each topic is necessary. */
const MAX_REQUEST_COMMAS = 10_000;

const MARK = "\x1e";
const MARK_BYTE = 0x1e;
const LF = 0x0a;
/** The empty header, for a message of the program that may begin with RS. */
export const ESCAPE: string = `${MARK}\n`;

/** The UTF-16 code units that structure JSON. */
const Unit = {
  Quote: 0x22,
  Comma: 0x2c,
  OpenBracket: 0x5b,
  Backslash: 0x5c,
  CloseBracket: 0x5d,
  OpenBrace: 0x7b,
  CloseBrace: 0x7d,
} as const;

/** A colon, a comma and two quotes around each position of a resume request. */
const ENTRY_LENGTH = 4;

const PUBLISHED = /^([1-9]\d*) (.*)$/;
const SESSION = /^[\w-]{16,64}$/;
/** The longest header, in characters: a topic has at most 1,024 bytes, which take at most six each in JSON. */
export const MAX_HEADER_LENGTH: number = 8 * 1024;
/** The most bytes of a header in a message, with RS and LF. */
export const MAX_HEADER_SIZE: number = MAX_HEADER_LENGTH + 2;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

type Message = string | Uint8Array;

/** The first message of a client. */
export interface ResumeRequest {
  /** The client's session, if a server gave it one before. */
  readonly session: string | undefined;
  /** Its position in each topic. */
  readonly positions: Map<string, Position>;
}

/** A message of a server that is not the program's. */
export type ControlMessage =
  /** Answers the resume request: the session from now on, and the subprotocol of the program. */
  | { readonly session: string; readonly protocol: string }
  /**
   * The connection is subscribed to a topic, which has this number from now on. The messages that follow come
   * after the position; without one, the client keeps its own. `isLost`: messages were missed that are no
   * longer retained, or were dropped.
   */
  | {
    readonly topic: string;
    readonly number: number;
    readonly position?: string | undefined;
    readonly isLost?: boolean | undefined;
  }
  /** The connection is no longer subscribed to the topic of this number. */
  | { readonly unsubscribed: number }
  /** Acknowledgement: this is the client's position in all topics of the connection. */
  | { readonly progress: string };

/** Whether a message begins with RS. */
function isMarked(data: Message): boolean {
  return (typeof data === "string" ? data.charCodeAt(0) : data[0]) === MARK_BYTE;
}

function mark(header: string, data: Message): Message {
  if (typeof data === "string") return `${MARK}${header}\n${data}`;
  const bytes = new Uint8Array(header.length + 2 + data.length);
  bytes[0] = MARK_BYTE;
  encoder.encodeInto(header, bytes.subarray(1));
  bytes[header.length + 1] = LF;
  copyBytes(data, 0, data.length, bytes, header.length + 2);
  return bytes;
}

/** Puts an empty header before a message of the program if that begins with RS. */
export function escapeMessage(data: Message): Message {
  return isMarked(data) ? mark("", data) : data;
}

/** Encodes a published message with the number of its topic and its position. */
export function encodePublished(number: number, position: Position, data: Message): Message {
  return mark(`${number} ${formatPosition(position)}`, data);
}

/** The most bytes that a topic and its position take in a resume request. */
export function sizeInRequest(topic: string): number {
  return encoder.encode(JSON.stringify(topic)).length + MAX_POSITION_LENGTH + ENTRY_LENGTH;
}

export function encodeControl(message: ControlMessage): string {
  return MARK + JSON.stringify(message);
}

export function encodeResumeRequest(
  session: string | undefined,
  positions: ReadonlyMap<string, Position>,
): string {
  const entries = [...positions].map(([topic, position]) => [topic, formatPosition(position)]);
  return JSON.stringify({ session, positions: Object.fromEntries(entries) });
}

/** @throws {ProtocolError} If it is malformed, or passes a limit. */
export function parseResumeRequest(data: Message): ResumeRequest {
  if (typeof data !== "string") throw requestError("it is no text");
  checkShape(data);
  const request = parseObject(data);
  if (request === undefined) throw requestError("it is no JSON object");
  const { session, positions = {} } = request;
  if (session !== undefined && !isSession(session)) {
    throw requestError("its session is none that a server gave");
  }
  if (typeof positions !== "object" || positions === null || Array.isArray(positions)) {
    throw requestError("its positions are no object");
  }
  const entries = Object.entries(positions);
  if (entries.length > MAX_REQUEST_TOPICS) {
    throw requestError(`it has ${entries.length} topics, ${MAX_REQUEST_TOPICS} are allowed`);
  }
  const parsed = new Map<string, Position>();
  let epoch = "";
  for (const [topic, text] of entries) {
    if (isTooLong(topic)) {
      throw requestError(`a topic has more than ${MAX_TOPIC_LENGTH} bytes`);
    }
    const position = parsePosition(text);
    if (position === undefined) {
      throw requestError(`${JSON.stringify(topic).slice(0, 100)} has no position of a server`);
    }
    // Mostly the same epoch: one string serves all topics.
    if (position.epoch !== epoch) epoch = position.epoch;
    parsed.set(topic, { epoch, number: position.number });
  }
  return { session, positions: parsed };
}

/** @throws {ProtocolError} If it would take a second to parse, by deep nesting or many parts. */
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
      if (++depth > MAX_REQUEST_DEPTH) {
        throw requestError(`it is nested more than ${MAX_REQUEST_DEPTH} levels deep`);
      }
    } else if (unit === Unit.CloseBrace || unit === Unit.CloseBracket) {
      depth--;
    } else if (unit === Unit.Comma && ++commas > MAX_REQUEST_COMMAS) {
      throw requestError(`it has more than ${MAX_REQUEST_COMMAS} parts`);
    }
  }
}

/** A message of a server: `start` is where the program's message begins. */
export type ServerMessage =
  | { readonly kind: "message"; readonly start: number }
  | {
    readonly kind: "published";
    readonly number: number;
    readonly position: Position;
    readonly start: number;
  }
  | { readonly kind: "control"; readonly control: ControlMessage };

/**
 * @param isWhole Whether `data` is all of the message, or its beginning.
 * @returns `undefined` if more of the message is needed.
 * @throws {ProtocolError} If the header is malformed.
 */
export function parseServerMessage(data: Message, isWhole: boolean): ServerMessage | undefined {
  if (data.length === 0 && !isWhole) return undefined;
  if (!isMarked(data)) return { kind: "message", start: 0 };
  const end = typeof data === "string" ? data.indexOf("\n") : data.indexOf(LF);
  if (end === -1 && !isWhole) {
    if (data.length > MAX_HEADER_LENGTH) throw headerError("it is too long");
    return undefined;
  }
  const header = end === -1 ? data.slice(1) : data.slice(1, end);
  if (header.length > MAX_HEADER_LENGTH) throw headerError("it is too long");
  const text = typeof header === "string" ? header : decode(header);
  if (end === -1) return { kind: "control", control: parseControl(text) };
  if (text === "") return { kind: "message", start: end + 1 };
  const [, digits, place] = PUBLISHED.exec(text) ?? [];
  const number = Number(digits);
  const position = parsePosition(place);
  if (!isNumber(number) || position === undefined) {
    throw headerError(`${JSON.stringify(text.slice(0, 100))} is no position`);
  }
  return { kind: "published", number, position, start: end + 1 };
}

function isTooLong(topic: string): boolean {
  return utf8LengthAbove(topic, MAX_TOPIC_LENGTH) !== undefined;
}

/** @throws {RangeError} If the topic is too long for what `use` names, behind a prefix of so many bytes. */
export function checkTopicLength(topic: string, use: string, prefixLength: number = 0): void {
  const max = MAX_TOPIC_LENGTH - prefixLength;
  const length = utf8LengthAbove(topic, max);
  if (length === undefined) return;
  throw new RangeError(`A topic must have at most ${max} bytes with ${use}, got ${length}`);
}

function parseControl(text: string): ControlMessage {
  const message = parseObject(text);
  if (message !== undefined) {
    const { session, protocol, topic, number, position, isLost, unsubscribed, progress } = message;
    if (isSession(session) && typeof protocol === "string") return { session, protocol };
    const isTopic = typeof topic === "string" && !isTooLong(topic);
    if (isTopic && isNumber(number) && (position === undefined || isPosition(position))) {
      return { topic, number, position, isLost: isLost === true };
    }
    if (isNumber(unsubscribed)) return { unsubscribed };
    if (isPosition(progress)) return { progress };
  }
  throw headerError(`${JSON.stringify(text.slice(0, 100))} is no control message`);
}

function isNumber(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 1;
}

function isPosition(value: unknown): value is string {
  return parsePosition(value) !== undefined;
}

function isSession(value: unknown): value is string {
  return typeof value === "string" && SESSION.test(value);
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
    throw headerError("it is no UTF-8");
  }
}

const requestError = (reason: string) => refusal("the first message", reason);
const headerError = (reason: string) => refusal("the header of a message", reason);

function refusal(what: string, reason: string): ProtocolError {
  const message = `Cannot accept ${what} of ${RESUME}: ${reason}`;
  return new ProtocolError(CloseCode.PolicyViolation, message);
}
