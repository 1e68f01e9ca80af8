import { timingSafeEqual } from "@std/crypto/timing-safe-equal";
import { checkList, checkOptions, checkString, type Names } from "../checks.ts";
import { UnexpectedResponseError } from "../errors.ts";
import { type ExtensionOffer, includesToken, parseExtensions } from "../http1/field_values.ts";
import type { ResponseHead } from "../http1/response_head_parser.ts";

/** What a server agreed to. */
export interface UpgradeResponse {
  /** The subprotocol it selected; `""` for none. */
  readonly protocol: string;
  /** The value of `Sec-WebSocket-Extensions`; `""` for none. */
  readonly extensions: string;
  /** The extensions it accepted, in order. */
  readonly accepted: readonly ExtensionOffer[];
}

/** What a client asked for, that an answer is checked against. */
export interface ExpectedUpgrade {
  /** What `Sec-WebSocket-Accept` must be: see {@linkcode computeAccept}. */
  accept: string;
  /** The subprotocols offered. */
  subprotocols: readonly string[];
  /** The names of the extensions offered. */
  extensions: readonly string[];
  /** A subprotocol that was offered besides, and is not missed where none is selected. Default: none. */
  optionalSubprotocol?: string | undefined;
}

const EXPECTED: Names<ExpectedUpgrade> = {
  accept: true,
  subprotocols: true,
  extensions: true,
  optionalSubprotocol: true,
};

const encoder = new TextEncoder();

/**
 * Validates a `101 Switching Protocols` (RFC 6455, section 4.1).
 *
 * Like browsers, it also refuses an answer that selects none of the subprotocols offered. `Content-Length`
 * and `Transfer-Encoding` mean nothing here: a 101 ends with its head, whatever its fields say (RFC 9112,
 * section 6.3).
 *
 * @param head The response, with status 101.
 * @param expected What was asked for.
 * @throws {UnexpectedResponseError} Where the client must fail the connection.
 * @throws {TypeError} Where a name in `expected` is unknown, or a value of another type.
 */
export function validateUpgradeResponse(
  head: ResponseHead,
  expected: ExpectedUpgrade,
): UpgradeResponse {
  checkOptions("validateUpgradeResponse", expected, EXPECTED);
  checkString("accept", expected.accept);
  checkString("optionalSubprotocol", expected.optionalSubprotocol);
  checkList("subprotocols", expected.subprotocols);
  checkList("extensions", expected.extensions);
  if (head.minorVersion !== 1) throw refuse(head, "its HTTP version must be 1.1");
  if (getOne(head, "Upgrade")?.toLowerCase() !== "websocket") {
    throw refuse(head, 'the Upgrade header must be "websocket"');
  }
  if (!includesToken(head.getAll("Connection").join(","), "upgrade")) {
    throw refuse(head, 'the Connection header must contain "Upgrade"');
  }
  const accept = encoder.encode(getOne(head, "Sec-WebSocket-Accept") ?? "");
  const expectedAccept = encoder.encode(expected.accept);
  if (accept.length !== expectedAccept.length || !timingSafeEqual(accept, expectedAccept)) {
    throw refuse(head, "Sec-WebSocket-Accept does not match the key");
  }
  const accepted = parseAccepted(head);
  for (const { name } of accepted) {
    if (!expected.extensions.includes(name)) {
      throw refuse(head, `the extension ${name} was not offered`);
    }
  }
  return {
    protocol: checkProtocol(head, expected),
    extensions: head.getAll("Sec-WebSocket-Extensions").join(", "),
    accepted,
  };
}

function parseAccepted(head: ResponseHead): ExtensionOffer[] {
  const values = head.getAll("Sec-WebSocket-Extensions");
  if (values.length === 0) return [];
  try {
    return parseExtensions(values.join(", "));
  } catch {
    throw refuse(head, "malformed Sec-WebSocket-Extensions header");
  }
}

function checkProtocol(
  head: ResponseHead,
  { subprotocols: offered, optionalSubprotocol }: ExpectedUpgrade,
): string {
  const protocol = getOne(head, "Sec-WebSocket-Protocol");
  if (protocol === undefined) {
    if (offered.length === 0) return "";
    throw refuse(head, `none of the subprotocols ${offered.join(", ")} was selected`);
  }
  // Subprotocols are compared case-sensitively.
  if (!offered.includes(protocol) && protocol !== optionalSubprotocol) {
    throw refuse(head, `the subprotocol ${JSON.stringify(protocol)} was not offered`);
  }
  return protocol;
}

function getOne(head: ResponseHead, name: string): string | undefined {
  const values = head.getAll(name);
  if (values.length > 1) throw refuse(head, `more than one ${name} header`);
  return values[0];
}

/** Makes the error for a response that breaks the opening handshake. */
export function refuse(head: ResponseHead, reason: string): UnexpectedResponseError {
  return new UnexpectedResponseError(
    `Cannot accept the response: ${reason}`,
    head.status,
    head.toHeaders(),
  );
}
