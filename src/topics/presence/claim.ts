import { checkNames, invalidType, type Names, show } from "../../checks.ts";
import type { PresenceEntry, SubscribeOptions } from "../fan_out/subscription.ts";
import { ownString } from "../../own_string.ts";
import { textSize } from "../../text_size.ts";
import { isErrorObject } from "../../values.ts";

/** The longest key of a member, in bytes of UTF-8. */
const MAX_KEY_LENGTH = 256;
/** The longest information about a member, in bytes of JSON. */
const MAX_INFO_LENGTH = 1024;

/** What it costs to have a member, besides its key and information, in bytes. */
const MEMBER_COST = 1024;

const encoder = new TextEncoder();

/** What a subscription has to do with presence: it watches, and may be there as a member. */
export interface PresenceClaim {
  /** Who is there; `undefined` for one that only watches. */
  readonly key: string | undefined;
  /** What is known of it, as JSON; empty for nothing. */
  readonly info: string;
}

const ENTRY: Names<PresenceEntry> = { key: true, info: true };

const WATCHES: PresenceClaim = { key: undefined, info: "" };

/**
 * Checks the option `presence` of a subscription, and keeps what it says at this moment.
 *
 * @throws {TypeError} Where it is none, or its information has no form in JSON.
 * @throws {RangeError} Where the key or the information is too long.
 */
export function resolvePresenceClaim(
  presence: SubscribeOptions["presence"],
): PresenceClaim | undefined {
  if (presence === undefined || presence === false) return undefined;
  if (presence === true) return WATCHES;
  const key = (presence as { key?: unknown } | null)?.key;
  if (typeof presence !== "object" || typeof key !== "string") {
    throw invalidType("presence", "a boolean, or { key, info } with a string as key", presence);
  }
  checkNames("presence", presence!, ENTRY);
  checkLength("presence.key", encoder.encode(key).length, MAX_KEY_LENGTH);
  const info = encodeInfo(presence!.info);
  checkLength("presence.info", encoder.encode(info).length, MAX_INFO_LENGTH);
  return { key: ownString(key), info };
}

/** The memory that a member takes on its server, about, in bytes: none where a claim is none, or only to watch. */
export function memberSize(claim: PresenceClaim | undefined): number {
  if (claim?.key === undefined) return 0;
  return MEMBER_COST + textSize(claim.key) + textSize(claim.info);
}

/** Gives what was known of a member: a copy. */
export function decodeInfo(info: string): unknown {
  return info === "" ? undefined : JSON.parse(info);
}

function encodeInfo(info: unknown): string {
  if (info === undefined) return "";
  let text: string | undefined;
  let cause: unknown;
  try {
    text = JSON.stringify(info);
  } catch (error) {
    cause = error;
  }
  if (text !== undefined) return text;
  // The first line: V8 draws a circle of an object's names.
  const [why] = isErrorObject(cause) ? cause.message.split("\n") : ["it gives undefined for it"];
  throw new TypeError(
    `presence.info must be serializable by JSON.stringify, got ${show(info)} (${why})`,
    { cause },
  );
}

function checkLength(name: string, length: number, max: number): void {
  if (length <= max) return;
  throw new RangeError(`${name} must have at most ${max} bytes, got ${length}`);
}
