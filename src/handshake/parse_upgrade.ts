import { HandshakeError } from "../errors.ts";
import {
  type ExtensionOffer,
  includesToken,
  isProtocolList,
  parseExtensions,
  parseTokenList,
} from "../http1/field_values.ts";
import { requestError } from "../http1/request_error.ts";
import type { RequestHead } from "../http1/request_head.ts";
import { resolveTarget } from "../http1/request_target.ts";
import { checkOrigin } from "./origin.ts";

/** The contents of a valid upgrade request (RFC 6455, section 4.2.1). */
export interface UpgradeRequest {
  /** The value of `Sec-WebSocket-Key`: 16 bytes, base64 encoded. */
  readonly key: string;
  /** The version of the protocol. */
  readonly version: 13;
  /** Host and port, in lower case, without the default port. */
  readonly host: string;
  /** The value of `Origin`, if the request has one. */
  readonly origin: string | undefined;
  /** The subprotocols that the client offers, in its order of preference. */
  readonly subprotocols: readonly string[];
  /** The extensions that the client offers, in its order of preference. */
  readonly extensions: readonly ExtensionOffer[];
}

/**
 * Tells whether a request asks for a WebSocket: whether `Upgrade` names the protocol `websocket`, in any
 * case. All other requests are plain HTTP. {@linkcode validateUpgrade} tells whether the request is valid.
 *
 * @param head The request.
 */
export function isUpgrade(head: RequestHead): boolean {
  return head.getAll("Upgrade").some((value) => includesToken(value, "websocket"));
}

/**
 * Creates the error for a request that is not a WebSocket upgrade: 426 (Upgrade Required), with the protocol
 * and its version.
 */
export function upgradeRequired(): HandshakeError {
  return upgradeError("only WebSocket upgrades are served");
}

function upgradeError(reason: string): HandshakeError {
  return new HandshakeError(426, `Cannot accept the request: ${reason}`, [
    ["Upgrade", "websocket"],
    ["Sec-WebSocket-Version", "13"],
  ]);
}

/** Parses an upgrade request, and checks all but what an origin function says: see {@linkcode validateUpgrade}. */
export function parseUpgrade(
  head: RequestHead,
  policy: "same" | "any" | readonly string[],
  secure: boolean,
): UpgradeRequest {
  const { host } = resolveTarget(head, secure);
  checkNoBody(head);
  if (head.method !== "GET") {
    throw new HandshakeError(405, "Cannot accept the request: the method must be GET", [
      ["Allow", "GET"],
    ]);
  }
  if (!isUpgrade(head)) throw upgradeRequired();
  if (!head.getAll("Upgrade").every(isProtocolList)) {
    throw requestError(400, "malformed Upgrade header");
  }
  checkConnection(head);
  checkVersion(head);
  const key = parseKey(head);
  const subprotocols = parseSubprotocols(head);
  const extensions = head.getAll("Sec-WebSocket-Extensions");
  return {
    key,
    version: 13,
    host,
    subprotocols,
    extensions: extensions.length === 0 ? [] : parseExtensions(extensions.join(", ")),
    origin: checkOrigin(head, policy, host, secure),
  };
}

/** Bytes that a proxy reads as a body and the server as frames would allow request smuggling. */
function checkNoBody(head: RequestHead): void {
  if (head.getAll("Transfer-Encoding").length > 0 || (head.get("Content-Length") ?? "0") !== "0") {
    throw requestError(400, "an upgrade request must have no body");
  }
}

function checkConnection(head: RequestHead): void {
  const values = head.getAll("Connection");
  const options = values.length === 0 ? [] : parseTokenList(values.join(", "), "Connection");
  if (!options.some((option) => option.toLowerCase() === "upgrade")) {
    throw requestError(400, 'the Connection header must contain "Upgrade"');
  }
}

function checkVersion(head: RequestHead): void {
  const version = head.get("Sec-WebSocket-Version");
  if (version === undefined) throw requestError(400, "no Sec-WebSocket-Version header");
  // "the server MUST abort the WebSocket handshake [...] and instead send an appropriate HTTP error
  // code (such as 426 Upgrade Required) and a |Sec-WebSocket-Version| header field" (section 4.2.2).
  if (version !== "13") throw upgradeError("the WebSocket version must be 13");
}

function parseKey(head: RequestHead): string {
  const key = head.get("Sec-WebSocket-Key");
  if (key === undefined) throw requestError(400, "no Sec-WebSocket-Key header");
  if (!KEY.test(key)) throw requestError(400, "Sec-WebSocket-Key must be 16 bytes, base64 encoded");
  return key;
}

/** The canonical base64 of 16 bytes: with padding, and with the unused bits of the last digit 0. */
const KEY = /^[A-Za-z0-9+/]{21}[AQgw]==$/;

function parseSubprotocols(head: RequestHead): string[] {
  const values = head.getAll("Sec-WebSocket-Protocol");
  if (values.length === 0) return [];
  const subprotocols = parseTokenList(values.join(", "), "Sec-WebSocket-Protocol");
  // "The elements that comprise this value [...] MUST all be unique strings" (RFC 6455, section 4.1).
  if (new Set(subprotocols).size !== subprotocols.length) {
    throw requestError(400, "the subprotocols must be unique");
  }
  return subprotocols;
}
