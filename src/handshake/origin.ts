import { HandshakeError } from "../errors.ts";
import { show } from "../checks.ts";
import { checkDecision, refusePromise } from "../hooks.ts";
import { parseAuthority } from "../http1/authority.ts";
import type { RequestHead } from "../http1/request_head.ts";

/**
 * Which origins may connect, where a request has an `Origin` header: browsers always send it, and
 * it is what protects their users from other sites (RFC 6455, section 10.2). A request without it is never
 * from a browser's page, and always passes.
 *
 * - `"same"`: the origin of the server itself, that is the scheme of the connection and the Host header.
 *   Behind a proxy that ends TLS, list the origins instead; and on a private network too: a name of
 *   another site can be made to resolve to this server ("DNS rebinding"), which is then of that origin.
 * - `"any"`: every origin. Only for servers that use neither cookies nor a network's trust.
 * - a list: these origins, as browsers serialise them, such as `"https://example.com"`.
 * - a function: those it returns `true` for. A server's may return a promise: see {@linkcode OriginCheck}.
 */
export type OriginPolicy =
  | "same"
  | "any"
  | readonly string[]
  | ((origin: string, head: RequestHead) => boolean);

/**
 * Decides whether an origin may connect, now or later: `true` for yes, `false` for no. Anything else is an
 * error of the program, and no.
 */
export type OriginCheck = (origin: string, head: RequestHead) => boolean | Promise<boolean>;

/**
 * Validates a policy, so that a mistake shows at once and not as a refused handshake.
 *
 * @param policy The policy.
 * @throws {TypeError} Where it is none, or an entry of the list can never equal the origin a browser
 * sends. The message names the entry.
 */
export function validateOriginPolicy(policy: OriginPolicy | OriginCheck): void {
  checkOriginPolicy(policy);
  if (!Array.isArray(policy)) return;
  for (const entry of policy) {
    const expected = serialiseOrigin(entry);
    if (expected !== undefined && expected === entry) continue;
    const hint = expected === undefined
      ? 'it must be like "https://example.com" or "http://localhost:8080"'
      : `a browser sends it as ${JSON.stringify(expected)}`;
    throw new TypeError(`Cannot allow the origin ${JSON.stringify(entry)}: ${hint}`);
  }
}

const EXAMPLE = "https://example.com";

/**
 * Checks that a policy is one, but not the entries of a list.
 *
 * @throws {TypeError} Where it is none.
 */
export function checkOriginPolicy(policy: OriginPolicy | OriginCheck): void {
  if (policy === "same" || policy === "any" || typeof policy === "function") return;
  if (Array.isArray(policy)) return;
  const given: unknown = policy;
  const origin = typeof given === "string" && given.includes("://") ? given : EXAMPLE;
  const list = JSON.stringify([origin]);
  throw new TypeError(
    `Cannot use ${
      show(given)
    } as the origin policy: it is "same", "any", a list such as ${list}, ` +
      "or a function",
  );
}

/**
 * Checks the Origin header against a policy.
 *
 * @param host The authority of the request, as `parseAuthority` returns it.
 * @returns The value of the header, or `undefined` where there is none.
 * @throws {HandshakeError} With status 400 for more than one Origin header, with 403 for an origin that
 * the policy does not allow.
 * @throws {TypeError} Where the function of the policy does not return a boolean.
 */
export function checkOrigin(
  head: RequestHead,
  policy: OriginPolicy,
  host: string,
  secure: boolean,
): string | undefined {
  const origin = head.get("Origin");
  if (origin === undefined || policy === "any") return origin;
  if (!isAllowed(origin, head, policy, host, secure)) throw refuseOrigin();
  return origin;
}

/**
 * Asks the program whether an origin may connect, and waits for the answer.
 *
 * @throws {HandshakeError} With status 403 where it may not.
 * @throws {TypeError} Where the answer is neither true nor false.
 * @throws What `check` throws, or rejects with.
 */
export async function askOrigin(
  check: OriginCheck,
  origin: string,
  head: RequestHead,
): Promise<void> {
  const allowed: unknown = await check(origin, head);
  checkDecision("the origin function", allowed);
  if (!allowed) throw refuseOrigin();
}

function refuseOrigin(): HandshakeError {
  return new HandshakeError(403, "Cannot accept the request: its origin is not allowed");
}

function isAllowed(
  origin: string,
  head: RequestHead,
  policy: Exclude<OriginPolicy, "any">,
  host: string,
  secure: boolean,
): boolean {
  if (policy === "same") return isSameOrigin(origin, host, secure);
  if (typeof policy !== "function") return policy.includes(origin);
  const allowed: unknown = policy(origin, head);
  // A promise is truthy: it would allow every origin.
  refusePromise("the origin function", allowed, () => {});
  checkDecision("the origin function", allowed);
  return allowed;
}

function isSameOrigin(origin: string, host: string, secure: boolean): boolean {
  const scheme = secure ? "https://" : "http://";
  return origin.slice(0, scheme.length).toLowerCase() === scheme &&
    parseAuthority(origin.slice(scheme.length), secure) === host;
}

/** Serialises an origin as browsers do, or returns `undefined` where it is none. */
function serialiseOrigin(origin: unknown): string | undefined {
  if (typeof origin !== "string") return undefined;
  const end = origin.indexOf("://");
  const scheme = origin.slice(0, end).toLowerCase();
  const host = origin.slice(end + 3);
  // No page has a WebSocket URL for its origin, and there are no wildcards.
  if (end === -1 || scheme === "ws" || scheme === "wss" || host.includes("*")) return undefined;
  if (scheme === "http" || scheme === "https") {
    const authority = parseAuthority(host, scheme === "https");
    return authority === undefined ? undefined : `${scheme}://${authority}`;
  }
  // The pages of extensions and of apps: "chrome-extension://abcdef", "capacitor://localhost", "file://".
  return /^[a-z][a-z0-9+.-]*$/.test(scheme) && /^[A-Za-z0-9.:_-]*$/.test(host)
    ? `${scheme}://${host}`
    : undefined;
}
