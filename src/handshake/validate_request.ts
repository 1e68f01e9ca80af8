import { checkBoolean, checkOptions, type Names } from "../checks.ts";
import type { RequestHead } from "../http1/request_head.ts";
import { applyOriginPolicy, checkOriginPolicy, type OriginPolicy } from "./origin_policy.ts";
import { parseUpgrade, type UpgradeRequest } from "./parse_upgrade.ts";

/** Options of {@linkcode validateUpgrade}. */
export interface ValidateUpgradeOptions {
  /**
   * The origins that may connect.
   *
   * @default {"same"}
   */
  origin?: OriginPolicy | undefined;
  /** Whether the connection is TLS, and so the scheme is https and the default port 443. */
  secure: boolean;
}

const OPTIONS: Names<ValidateUpgradeOptions> = { origin: true, secure: true };

/**
 * Validates an upgrade request (RFC 6455, section 4.2.1), and parses its fields.
 *
 * An absolute-form target is accepted if its scheme is that of the connection and its authority that of the
 * Host header. A request with a body is refused, since frames follow the head.
 *
 * @param head The request.
 * @param options The origin policy, and whether the connection is TLS.
 * @throws {HandshakeError} With status
 * - 400 if Host, target, Upgrade, Connection, Sec-WebSocket-Version, -Key, -Protocol, -Extensions or
 *   Origin is missing (the last three may be), duplicate (Upgrade, Connection, -Protocol and -Extensions
 *   may be) or malformed, or the request has a body;
 * - 405 if the method is not GET;
 * - 426 if Upgrade does not name websocket, or the version is not 13;
 * - 403 if the origin is not allowed.
 * @throws {TypeError} If an option is unknown or of another type, or an origin function does not return a
 * boolean.
 */
export function validateUpgrade(
  head: RequestHead,
  options: ValidateUpgradeOptions,
): UpgradeRequest {
  checkOptions("validateUpgrade", options, OPTIONS);
  const { origin: policy = "same", secure } = options;
  checkOriginPolicy(policy);
  checkBoolean("secure", secure);
  const request = parseUpgrade(head, "any", secure);
  applyOriginPolicy(head, policy, request.host, secure);
  return request;
}
