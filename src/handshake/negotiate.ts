import { checkBoolean, checkOptions, type Names } from "../checks.ts";
import { HandshakeError } from "../errors.ts";
import {
  type ExtensionOffer,
  includesToken,
  isProtocolList,
  parseExtensions,
  parseTokenList,
} from "../http1/field_values.ts";
import { checkOrigin, checkOriginPolicy, type OriginPolicy } from "./origin.ts";
import type { RequestHead } from "../http1/request_head.ts";
import { resolveTarget } from "../http1/request_target.ts";

/** How to validate an upgrade request. */
export interface ValidateUpgradeOptions {
  /**
   * Which origins may connect.
   *
   * @default {"same"}
   */
  origin?: OriginPolicy | undefined;
  /** Whether the connection is TLS: then the default port is 443, and the scheme https. */
  secure: boolean;
}

const OPTIONS: Names<ValidateUpgradeOptions> = { origin: true, secure: true };

/** What a valid upgrade request asks for (RFC 6455, section 4.2.1). */
export interface UpgradeRequest {
  /** The value of `Sec-WebSocket-Key`: 16 bytes, base64 encoded. */
  readonly key: string;
  /** The version of the protocol. */
  readonly version: 13;
  /** Host and port, in lower case, without the default port. */
  readonly host: string;
  /** The value of `Origin`, where the request has one. */
  readonly origin: string | undefined;
  /** The subprotocols the client offers, in its order of preference; none where it offers none. */
  readonly subprotocols: readonly string[];
  /** The extensions the client offers, in its order of preference; none where it offers none. */
  readonly extensions: readonly ExtensionOffer[];
}

/**
 * Tells whether a request is meant as a WebSocket upgrade: whether one of the protocols in its
 * `Upgrade` headers is `websocket`, in any case. All others are plain HTTP. That a request is meant as an
 * upgrade does not make it a valid one: {@linkcode validateUpgrade} says.
 *
 * @param head The request.
 */
export function isUpgrade(head: RequestHead): boolean {
  return head.getAll("Upgrade").some((value) => includesToken(value, "websocket"));
}

/**
 * Creates the error for a request that had to be an upgrade and is not: 426, with the protocol and the
 * version that are wanted.
 */
export function upgradeRequired(): HandshakeError {
  return new HandshakeError(426, "Cannot accept the request: only WebSocket upgrades are served", [
    ["Upgrade", "websocket"],
    ["Sec-WebSocket-Version", "13"],
  ]);
}

/**
 * Validates an upgrade request (RFC 6455, section 4.2.1), and reads what it asks for.
 *
 * An absolute-form target is accepted where its scheme is that of the connection and its authority that
 * of the Host header. A request that announces a body is refused: what follows the head is frames.
 *
 * @param head The request.
 * @param options The origin policy, and whether the connection is TLS.
 * @throws {HandshakeError} With status
 * - 400 where Host, target, Upgrade, Connection, Sec-WebSocket-Version, -Key, -Protocol, -Extensions or
 *   Origin is missing (the last three may be), duplicate (Upgrade, Connection, -Protocol and -Extensions
 *   may be) or malformed, or a body is announced;
 * - 405 where the method is not GET;
 * - 426 where Upgrade does not name websocket, or the version is another than 13;
 * - 403 where the origin is not allowed.
 * @throws {TypeError} Where an option is unknown or of another type, or the function of an origin policy does
 * not return a boolean.
 */
export function validateUpgrade(
  head: RequestHead,
  options: ValidateUpgradeOptions,
): UpgradeRequest {
  checkOptions("validateUpgrade", options, OPTIONS);
  const { origin: policy = "same", secure } = options;
  checkOriginPolicy(policy);
  checkBoolean("secure", secure);
  const { host } = resolveTarget(head, secure);
  refuseBody(head);
  if (head.method !== "GET") {
    throw new HandshakeError(405, "Cannot accept the request: the method must be GET", [
      ["Allow", "GET"],
    ]);
  }
  if (!isUpgrade(head)) throw upgradeRequired();
  if (!head.getAll("Upgrade").every(isProtocolList)) throw refuse("malformed Upgrade header");
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

/** A body that one party sees and the other takes for frames is how requests are smuggled. */
function refuseBody(head: RequestHead): void {
  if (head.getAll("Transfer-Encoding").length > 0 || (head.get("Content-Length") ?? "0") !== "0") {
    throw refuse("an upgrade request has no body");
  }
}

function checkConnection(head: RequestHead): void {
  const values = head.getAll("Connection");
  const options = values.length === 0 ? [] : parseTokenList(values.join(", "), "Connection");
  if (!options.some((option) => option.toLowerCase() === "upgrade")) {
    throw refuse('the Connection header must contain "Upgrade"');
  }
}

function checkVersion(head: RequestHead): void {
  const version = head.get("Sec-WebSocket-Version");
  if (version === undefined) throw refuse("no Sec-WebSocket-Version header");
  if (version !== "13") {
    // "the server MUST abort the WebSocket handshake [...] and instead send an appropriate HTTP error
    // code (such as 426 Upgrade Required) and a |Sec-WebSocket-Version| header field" (section 4.2.2).
    throw new HandshakeError(
      426,
      "Cannot accept the request: the WebSocket version must be 13",
      [["Upgrade", "websocket"], ["Sec-WebSocket-Version", "13"]],
    );
  }
}

function parseKey(head: RequestHead): string {
  const key = head.get("Sec-WebSocket-Key");
  if (key === undefined) throw refuse("no Sec-WebSocket-Key header");
  if (!KEY.test(key)) throw refuse("Sec-WebSocket-Key must be 16 bytes, base64 encoded");
  return key;
}

/** What base64 makes of 16 bytes: with its padding, and no stray bits before it. */
const KEY = /^[A-Za-z0-9+/]{21}[AQgw]==$/;

function parseSubprotocols(head: RequestHead): string[] {
  const values = head.getAll("Sec-WebSocket-Protocol");
  if (values.length === 0) return [];
  const subprotocols = parseTokenList(values.join(", "), "Sec-WebSocket-Protocol");
  // "The elements that comprise this value [...] MUST all be unique strings" (RFC 6455, section 4.1).
  if (new Set(subprotocols).size !== subprotocols.length) {
    throw refuse("the subprotocols must be unique");
  }
  return subprotocols;
}

function refuse(reason: string): HandshakeError {
  return new HandshakeError(400, `Cannot accept the request: ${reason}`);
}
