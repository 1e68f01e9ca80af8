import { timingSafeEqual } from "@std/crypto/timing-safe-equal";
import { checkList, checkOptions, checkString, type Names } from "../checks.ts";
import { type ExtensionOffer, includesToken, parseExtensions } from "../http1/field_values.ts";
import { responseError, type ResponseHead } from "../http1/response_head.ts";

/** The result of the negotiation, by the server's response. */
export interface UpgradeResponse {
  /** The subprotocol it selected; `""` for none. */
  readonly protocol: string;
  /** The value of `Sec-WebSocket-Extensions`; `""` for none. */
  readonly extensions: string;
  /** The extensions it accepted, in order. */
  readonly accepted: readonly ExtensionOffer[];
}

/** The contents of the request that the response is checked against. */
export interface ExpectedUpgrade {
  /** The expected value of `Sec-WebSocket-Accept`: see {@linkcode computeAccept}. */
  accept: string;
  /** The subprotocols offered. */
  subprotocols: readonly string[];
  /** The names of the extensions offered. */
  extensions: readonly string[];
  /** Another subprotocol that was offered. The server need not select one for its sake. Default: none. */
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
 * Validates a `101 Switching Protocols` response (RFC 6455, section 4.1).
 *
 * Like browsers, it also refuses a response that selects none of the subprotocols offered. `Content-Length`
 * and `Transfer-Encoding` are ignored: a 101 ends with its head, whatever its fields say (RFC 9112, section
 * 6.3).
 *
 * @param head The response, with status 101.
 * @param expected The contents of the request.
 * @throws {UnexpectedResponseError} If the client must fail the connection.
 * @throws {TypeError} If a name in `expected` is unknown, or a value is of another type.
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
  if (head.minorVersion !== 1) throw responseError(head, "its HTTP version must be 1.1");
  if (getOne(head, "Upgrade")?.toLowerCase() !== "websocket") {
    throw responseError(head, 'the Upgrade header must be "websocket"');
  }
  if (!includesToken(head.getAll("Connection").join(","), "upgrade")) {
    throw responseError(head, 'the Connection header must contain "Upgrade"');
  }
  const accept = encoder.encode(getOne(head, "Sec-WebSocket-Accept") ?? "");
  const expectedAccept = encoder.encode(expected.accept);
  if (accept.length !== expectedAccept.length || !timingSafeEqual(accept, expectedAccept)) {
    throw responseError(head, "Sec-WebSocket-Accept does not match the key");
  }
  const accepted = parseAccepted(head);
  for (const { name } of accepted) {
    if (!expected.extensions.includes(name)) {
      throw responseError(head, `the extension ${name} was not offered`);
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
    throw responseError(head, "malformed Sec-WebSocket-Extensions header");
  }
}

function checkProtocol(
  head: ResponseHead,
  { subprotocols: offered, optionalSubprotocol }: ExpectedUpgrade,
): string {
  const protocol = getOne(head, "Sec-WebSocket-Protocol");
  if (protocol === undefined) {
    if (offered.length === 0) return "";
    throw responseError(head, `none of the subprotocols ${offered.join(", ")} was selected`);
  }
  // Subprotocols are compared case-sensitively.
  if (!offered.includes(protocol) && protocol !== optionalSubprotocol) {
    throw responseError(head, `the subprotocol ${JSON.stringify(protocol)} was not offered`);
  }
  return protocol;
}

function getOne(head: ResponseHead, name: string): string | undefined {
  const values = head.getAll(name);
  if (values.length > 1) throw responseError(head, `more than one ${name} header`);
  return values[0];
}
