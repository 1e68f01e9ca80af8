import { CloseCode } from "../codec/close_code.ts";
import type { CloseInfo } from "../connection/connection.ts";
import { withoutSecrets } from "../client/url.ts";
import { ConnectError, UnexpectedResponseError } from "../errors.ts";
import { toPrintableLine } from "./printable.ts";
import { isErrorObject } from "../values.ts";

/** The header fields of a refusal that help the user. */
const HELPFUL_FIELDS = [
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

const GOOD_CODES: ReadonlySet<number> = new Set([
  CloseCode.NormalClosure,
  CloseCode.GoingAway,
  CloseCode.NoStatusReceived,
]);

/** Describes in one line why the connection could not be opened. */
export function describeError(error: unknown): string {
  if (error instanceof UnexpectedResponseError) return describeResponse(error);
  const message = toPrintableLine(isErrorObject(error) ? error.message : String(error));
  if (!(error instanceof ConnectError) || message.includes(error.code)) return message;
  return `${message} (${error.code})`;
}

export function describeClose({ closeCode, reason, initiator, wasClean }: CloseInfo): string {
  const who = initiator === "local" ? "" : " by the server";
  const why = reason === "" ? "" : `: ${toPrintableLine(reason)}`;
  if (!wasClean && closeCode === 1006) return `lost (1006)${why}`;
  return `closed${who} with ${closeCode}${nameOf(closeCode)}${why}`;
}

export function isGoodEnd({ closeCode, wasClean }: CloseInfo): boolean {
  return wasClean && GOOD_CODES.has(closeCode);
}

function describeResponse({ message, status, headers, body }: UnexpectedResponseError): string {
  const details = HELPFUL_FIELDS
    .filter((name) => headers.has(name))
    .map((name) => {
      const value = headers.get(name)!;
      // It often contains the query of the request.
      return `${name}: ${name === "Location" ? withoutSecrets(value) : value}`;
    });
  if (status !== 0 && !message.includes(String(status))) details.unshift(`status ${status}`);
  const about = details.length === 0 ? "" : ` (${toPrintableLine(details.join("; "))})`;
  const text = toPrintableLine(body);
  const start = text.length > MAX_BODY_LENGTH ? `${text.slice(0, MAX_BODY_LENGTH)}...` : text;
  return `${toPrintableLine(message)}${about}${start === "" ? "" : `: ${start}`}`;
}

/** Gives the code's name in the IANA registry, as words. */
function nameOf(closeCode: number): string {
  const name = Object.entries(CloseCode).find(([, code]) => code === closeCode)?.[0];
  if (name === undefined) return "";
  return ` (${name.replace(/(?!^)[A-Z]/g, (letter) => ` ${letter}`).toLowerCase()})`;
}
