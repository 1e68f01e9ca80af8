/** What both sides of `sluice.resume.v1` say: the first message of a client, and those of a server. */

import { ProtocolError } from "../../src/errors.ts";
import {
  MAX_HEADER_LENGTH,
  parseResumeRequest,
  parseServerMessage,
} from "../../src/resume/subprotocol.ts";
import { type Random, utf8 } from "../codec/support.ts";
import { check, type Target, type TextInput } from "./target.ts";

const SESSIONS: unknown[] = [
  ...["0123456789abcdef", "0123456789abcde", "a".repeat(64), "a".repeat(65), "", "é"],
  ...[["0123456789abcdef"], 7, null],
];
const POSITIONS = ["e.0", "e.12", "e.9007199254740991", "e.9007199254740992", "e.01", "e", ".1", ""]
  .concat([`${"a".repeat(32)}.1`, `${"a".repeat(33)}.1`, "e.1\n", "e.1 ", "a b.1"]);
/** Those, and what is no text. */
const VALUES = [...POSITIONS, ["e.1"], 7, null];
const TOPICS = ["", "a", "__proto__", "\x1e", "\n", "é\ud800", "session"]
  .concat(["x".repeat(1_024), "x".repeat(1_025), "é".repeat(512), "\ud800".repeat(342)]);
const NUMBERS = [1, 7, 2 ** 53 - 1, 2 ** 53, 0, -1, 1.5, "1", null];
/** What is no number in a header, besides those. */
const DIGITS = [...NUMBERS, "0x7", "+7", "1e1", "07", " 7", "7 ", "9007199254740993"];
/** What is between a number and a position: of these, only one space may be. */
const SPACES = [" ", " ", "  ", "\t", ""];
/** What is put where it does not belong. */
const BITS = [
  "\x1e",
  "\n",
  "\r",
  " ",
  "{",
  "}",
  '"',
  ".",
  "0",
  "1",
  ":",
  ",",
  "\ufeff",
  "é",
  "[]",
  "null",
];

function isObject(value: unknown): value is Record<string, unknown> {
  return Object.prototype.toString.call(value) === "[object Object]";
}

function readObject(text: string): Record<string, unknown> | undefined {
  try {
    const value = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isSession(value: unknown): boolean {
  return typeof value === "string" && value.length >= 16 && value.length <= 64 &&
    [...value].every((character) => /[A-Za-z0-9_-]/.test(character));
}

function isPosition(value: unknown): boolean {
  if (typeof value !== "string" || value.split(".").length !== 2) return false;
  const [epoch, number] = value.split(".");
  return epoch.length <= 32 && /^[A-Za-z0-9_-]+$/.test(epoch) && !epoch.endsWith("\n") &&
    String(Number(number)) === number && Number.isSafeInteger(Number(number)) &&
    Number(number) >= 0;
}

function isTopic(value: unknown): boolean {
  return typeof value === "string" && utf8(value).length <= 1_024;
}

function isNumber(value: unknown): boolean {
  return typeof value === "number" && Number.isSafeInteger(value) && value > 0;
}

function isNote(text: string): boolean {
  const note = readObject(text);
  if (note === undefined) return false;
  if (isSession(note.session) && typeof note.protocol === "string") return true;
  if (isTopic(note.topic) && isNumber(note.number)) {
    if (note.position === undefined || isPosition(note.position)) return true;
  }
  return isNumber(note.unsubscribed) || isPosition(note.progress);
}

function mutate(text: string, random: Random): string {
  let result = text;
  for (let count = random.below(3); count > 0; count--) {
    const at = random.below(result.length + 1);
    result = result.slice(0, at) + random.pick([...BITS, ""]) +
      result.slice(at + random.below(3));
  }
  return result;
}

/** A few of the fields, most of them good. */
function makeFields(random: Random, fields: Record<string, readonly unknown[]>): string {
  const entries = Object.entries(fields).filter(() => random.below(5) > 0)
    .map(([name, values]) => [name, random.below(3) > 0 ? values[0] : random.pick(values)]);
  return JSON.stringify(Object.fromEntries(entries));
}

/** What is no object of objects of texts, and the least of those that are. */
const OTHER_HELLOS = [
  "",
  "{}",
  "[]",
  "null",
  "1",
  '"x"',
  ...["7", "null", '["e.1"]', '"e.1"'].map(
    (position) => `{"positions":{"a":${position}}}`,
  ),
];

export const RESUME_HELLOS: Target<TextInput> = {
  make(random) {
    const positions = Object.fromEntries(
      TOPICS.filter(() => random.below(3) === 0)
        .map((topic) => [topic, random.below(3) > 0 ? "e.0" : random.pick(POSITIONS)]),
    );
    const text = makeFields(random, {
      session: SESSIONS,
      positions: [positions, [], null, "e.1", 7],
      other: [1],
    });
    if (random.below(20) === 0) return { text: random.pick(OTHER_HELLOS) };
    return { text: random.below(2) === 0 ? text : mutate(text, random) };
  },

  check({ text }) {
    const hello = readObject(text);
    const { session, positions = {} } = hello ?? {};
    const isGood = hello !== undefined && (session === undefined || isSession(session)) &&
      isObject(positions) && Object.values(positions).every(isPosition) &&
      Object.keys(positions).every(isTopic);
    try {
      const parsed = parseResumeRequest(text);
      check(isGood, () => "it was accepted");
      check(parsed.session === session, () => `session ${parsed.session}`);
      const shown = [...parsed.positions].map(([topic, { epoch, number }]) => [
        topic,
        `${epoch}.${number}`,
      ]);
      const expected = Object.entries(positions as object);
      check(JSON.stringify(shown) === JSON.stringify(expected), () => JSON.stringify(shown));
      return "accepted";
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      check(!isGood && error.closeCode === 1008, () => `it was refused: ${error.message}`);
      return "refused";
    }
  },
};

/** What a message of a server is, by a plain reading. */
function readPlainly(text: string): { kind: string; rest?: string } {
  if (!text.startsWith("\x1e")) return { kind: "message", rest: text };
  const end = text.indexOf("\n");
  const header = end === -1 ? text.slice(1) : text.slice(1, end);
  if (header.length > MAX_HEADER_LENGTH) return { kind: "refused" };
  if (end === -1) return { kind: isNote(header) ? "control" : "refused" };
  const rest = text.slice(end + 1);
  if (header === "") return { kind: "message", rest };
  const [number, ...place] = header.split(" ");
  const isGood = String(Number(number)) === number && isNumber(Number(number)) &&
    isPosition(place.join(" "));
  return isGood ? { kind: "published", rest } : { kind: "refused" };
}

export const RESUME_MESSAGES: Target<TextInput> = {
  make(random) {
    const rest = random.pick(["", "x", "\x1e", "\n", "é\n", "{}"]);
    const text = random.pick([
      () => rest,
      () => `\x1e\n${rest}`,
      () => `\x1e${random.pick(DIGITS)} ${random.pick(POSITIONS)}\n${rest}`,
      () => `\x1e${1 + random.below(99)}${random.pick(SPACES)}e.${random.below(99)}\n${rest}`,
      () => `\x1e${makeFields(random, { session: SESSIONS, protocol: ["", "chat", 1] })}`,
      () =>
        `\x1e${
          makeFields(random, {
            topic: TOPICS,
            number: NUMBERS,
            position: VALUES,
            isLost: [true, false, 1],
          })
        }`,
      () => `\x1e${makeFields(random, { unsubscribed: NUMBERS, progress: VALUES })}`,
    ])();
    return { text: random.below(2) === 0 ? text : mutate(text, random) };
  },

  check({ text }) {
    const expected = readPlainly(text);
    const bytes = utf8(text);
    // In text there is no half of a surrogate pair that bytes could bring.
    const isText = text.isWellFormed();
    for (const data of isText ? [text, bytes] : [bytes]) {
      const whole = read(data, data.length, true);
      check(whole.kind === expected.kind, () => `${whole.kind} instead of ${expected.kind}`);
      if (expected.rest !== undefined) {
        const rest = typeof data === "string"
          ? data.slice(whole.start)
          : new TextDecoder("utf-8", { ignoreBOM: true }).decode(data.subarray(whole.start));
        check(rest === expected.rest || !isText, () => `the rest is ${JSON.stringify(rest)}`);
      }
      // Whatever has arrived of it, it is the same, or not known yet.
      for (let length = 0; length <= data.length; length++) {
        const part = read(data, length, false);
        if (part.kind === "unknown") continue;
        check(
          part.kind === whole.kind && part.start === whole.start && part.kind !== "control",
          () => `${part.kind} after ${length}, and then ${whole.kind}`,
        );
      }
    }
    return expected.kind;
  },
};

/** Reads the beginning of a message. */
function read(
  data: string | Uint8Array,
  length: number,
  isWhole: boolean,
): { kind: string; start: number | undefined } {
  try {
    const message = parseServerMessage(data.slice(0, length), isWhole);
    return {
      kind: message?.kind ?? "unknown",
      start: message !== undefined && "start" in message ? message.start : undefined,
    };
  } catch (error) {
    if (!(error instanceof ProtocolError) || error.closeCode !== 1008) throw error;
    return { kind: "refused", start: undefined };
  }
}
