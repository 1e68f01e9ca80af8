import { checkNames, invalidType, type Names, show } from "../../checks.ts";
import type { PresenceEntry, SubscribeOptions } from "../fan_out/subscription.ts";
import { ownString } from "../../own_string.ts";
import { textSize, utf8LengthAbove } from "../../text_size.ts";
import { isErrorObject } from "../../values.ts";

/** The longest key of a member, in bytes of UTF-8. */
const MAX_KEY_LENGTH = 256;
/** The longest information about a member, in bytes of JSON. */
const MAX_INFO_LENGTH = 1024;

/** What it costs to have a member, besides its key and information, in bytes. */
const MEMBER_COST = 1024;

/** The part of a subscription in presence: it watches the topic, and may be a member of it. */
export interface PresenceClaim {
  /** The member's key; `undefined` if the subscription only watches. */
  readonly key: string | undefined;
  /** The information about the member, as JSON; empty for none. */
  readonly info: string;
}

const ENTRY: Names<PresenceEntry> = { key: true, info: true };

const WATCHES: PresenceClaim = { key: undefined, info: "" };

/** @throws {TypeError | RangeError} If it is of another type or too long, or JSON can't encode its information. */
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
  checkLength("presence.key", key, MAX_KEY_LENGTH);
  const info = encodeInfo(presence!.info);
  checkLength("presence.info", info, MAX_INFO_LENGTH);
  return { key: ownString(key), info };
}

/** The memory that a member takes on its server, about, in bytes: 0 if there is none. */
export function memberSize(claim: PresenceClaim | undefined): number {
  if (claim?.key === undefined) return 0;
  return MEMBER_COST + textSize(claim.key) + textSize(claim.info);
}

/** Returns the information about a member: a copy. */
export function decodeInfo(info: string): unknown {
  return info === "" ? undefined : JSON.parse(info);
}

function encodeInfo(info: unknown): string {
  if (info === undefined) return "";
  let cause: unknown;
  try {
    const text = JSON.stringify(info);
    if (text !== undefined) return text;
  } catch (error) {
    cause = error;
  }
  // The first line: for a circular structure, V8 draws the circle in the next lines.
  const [why] = isErrorObject(cause) ? cause.message.split("\n") : ["it gives undefined for it"];
  const got = `${show(info)} (${why})`;
  throw new TypeError(`presence.info must be serializable by JSON.stringify, got ${got}`, {
    cause,
  });
}

function checkLength(name: string, text: string, max: number): void {
  const length = utf8LengthAbove(text, max);
  if (length === undefined) return;
  throw new RangeError(`${name} must have at most ${max} bytes, got ${length}`);
}
