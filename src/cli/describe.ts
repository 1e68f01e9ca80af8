import { CloseCode } from "../codec/close_code.ts";
import type { CloseInfo } from "../connection/connection.ts";
import { withoutSecrets } from "../client/url.ts";
import { ConnectError, UnexpectedResponseError } from "../errors.ts";
import { toPrintableLine } from "./printable.ts";
import { isErrorObject } from "../values.ts";

/** The header fields of a refusal that say what to do about it. */
const TELLING_FIELDS = [
  "Location",
  "WWW-Authenticate",
  "Proxy-Authenticate",
  "Retry-After",
  "Upgrade",
  "Sec-WebSocket-Version",
  "Sec-WebSocket-Protocol",
  "Sec-WebSocket-Extensions",
];
const MAX_BODY_LENGTH = 300;

/** Says in one line why there is no connection. */
export function describeError(error: unknown): string {
  if (error instanceof UnexpectedResponseError) return describeResponse(error);
  const message = toPrintableLine(isErrorObject(error) ? error.message : String(error));
  if (!(error instanceof ConnectError) || message.includes(error.code)) return message;
  return `${message} (${error.code})`;
}

/** Says how a connection ended. */
export function describeClose({ closeCode, reason, initiator, wasClean }: CloseInfo): string {
  const who = initiator === "local" ? "" : " by the server";
  const why = reason === "" ? "" : `: ${toPrintableLine(reason)}`;
  if (!wasClean && closeCode === 1006) return `lost (1006)${why}`;
  return `closed${who} with ${closeCode}${nameOf(closeCode)}${why}`;
}

/** Whether a connection ended as it should. */
export function isGoodEnd({ closeCode, wasClean }: CloseInfo): boolean {
  const isGood = closeCode === CloseCode.NormalClosure || closeCode === CloseCode.GoingAway ||
    closeCode === CloseCode.NoStatusReceived;
  return wasClean && isGood;
}

/** Formats a round-trip time. */
export function describePong(roundTripTimeMs: number): string {
  return `pong after ${roundTripTimeMs.toFixed(roundTripTimeMs < 10 ? 2 : 0)} ms`;
}

function describeResponse({ message, status, headers, body }: UnexpectedResponseError): string {
  const notes = TELLING_FIELDS
    .filter((name) => headers.has(name))
    .map((name) => {
      const value = headers.get(name)!;
      // It often has the query that was asked with.
      return `${name}: ${name === "Location" ? withoutSecrets(value) : value}`;
    });
  if (status !== 0 && !message.includes(String(status))) notes.unshift(`status ${status}`);
  const about = notes.length === 0 ? "" : ` (${toPrintableLine(notes.join("; "))})`;
  const text = toPrintableLine(body);
  const start = text.length > MAX_BODY_LENGTH ? `${text.slice(0, MAX_BODY_LENGTH)}...` : text;
  return `${toPrintableLine(message)}${about}${start === "" ? "" : `: ${start}`}`;
}

/** The code's name in the registry of IANA, in words. */
function nameOf(closeCode: number): string {
  const name = Object.entries(CloseCode).find(([, code]) => code === closeCode)?.[0];
  if (name === undefined) return "";
  return ` (${name.replace(/(?!^)[A-Z]/g, (letter) => ` ${letter}`).toLowerCase()})`;
}
