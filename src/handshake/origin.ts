import type { HandshakeError } from "../errors.ts";
import { parseAuthority } from "../http1/authority.ts";
import { requestError } from "../http1/request_error.ts";
import type { RequestHead } from "../http1/request_head.ts";

/**
 * Gives the Origin header, if there is one. `host` is as `parseAuthority` gives it.
 *
 * @throws {HandshakeError} With status 400 if there are several, with 403 if the policy does not allow it.
 */
export function checkOrigin(
  head: RequestHead,
  policy: "same" | "any" | readonly string[],
  host: string,
  secure: boolean,
): string | undefined {
  const origin = head.get("Origin");
  if (origin === undefined || policy === "any") return origin;
  const isAllowed = policy === "same"
    ? isSameOrigin(origin, host, secure)
    : policy.includes(origin);
  if (!isAllowed) throw originError();
  return origin;
}

export function originError(): HandshakeError {
  return requestError(403, "its origin is not allowed");
}

function isSameOrigin(origin: string, host: string, secure: boolean): boolean {
  const scheme = secure ? "https://" : "http://";
  return origin.slice(0, scheme.length).toLowerCase() === scheme &&
    parseAuthority(origin.slice(scheme.length), secure) === host;
}
