import { invalidType } from "../checks.ts";
import { checkDecision, refusePromise } from "../hook_answers.ts";
import { parseAuthority } from "../http1/authority.ts";
import type { RequestHead } from "../http1/request_head.ts";
import { checkOrigin, originError } from "./origin.ts";

/**
 * The origins that may connect. It applies to requests with an `Origin` header, which browsers always send:
 * it protects their users from other sites (RFC 6455, section 10.2). A request without the header is not
 * from a browser's page, and is always accepted.
 *
 * - `"same"`: the server's own origin, that is the scheme of the connection and the Host header. Behind a
 *   proxy that terminates TLS, list the origins instead. Also do so on a private network: another site can
 *   make its name resolve to this server ("DNS rebinding"), whose origin is then that of the other site.
 * - `"any"`: every origin. Only for servers that trust neither cookies nor the network.
 * - a list: these origins, as browsers serialise them, such as `"https://example.com"`.
 * - a function: the origins for which it returns `true`. That of a server may return a promise: see
 *   {@linkcode OriginCheck}.
 */
export type OriginPolicy =
  | "same"
  | "any"
  | readonly string[]
  | ((origin: string, head: RequestHead) => boolean);

/**
 * Decides whether an origin may connect: `true` accepts it, `false` refuses it. Any other value refuses it
 * as an error of the program.
 */
export type OriginCheck = (origin: string, head: RequestHead) => boolean | Promise<boolean>;

/**
 * Validates a policy, so that a mistake is reported at once and not by refused handshakes.
 *
 * @param policy The policy.
 * @throws {TypeError} If it is not a policy, or an entry of the list can never equal an origin that a browser
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

/** Throws a `TypeError` unless a value is a policy; the entries of a list are not checked. */
export function checkOriginPolicy(policy: OriginPolicy | OriginCheck): void {
  if (policy === "same" || policy === "any" || typeof policy === "function") return;
  if (Array.isArray(policy)) return;
  const given: unknown = policy;
  const origin = typeof given === "string" && given.includes("://") ? given : EXAMPLE;
  const list = JSON.stringify([origin]);
  throw invalidType("origin", `"same", "any", a list such as ${list}, or a function`, given);
}

/** Does {@linkcode checkOrigin} with a policy of any kind. A function must return a boolean. */
export function applyOriginPolicy(
  head: RequestHead,
  policy: OriginPolicy,
  host: string,
  secure: boolean,
): string | undefined {
  if (typeof policy !== "function") return checkOrigin(head, policy, host, secure);
  const origin = checkOrigin(head, "any", host, secure);
  if (origin === undefined) return undefined;
  const allowed: unknown = policy(origin, head);
  // A promise is truthy, so it would allow every origin.
  refusePromise("the origin function", allowed, () => {});
  checkDecision("the origin function", allowed);
  if (!allowed) throw originError();
  return origin;
}

/** Calls the origin function; throws a `HandshakeError` with status 403 if it does not allow the origin. */
export async function askOrigin(
  check: OriginCheck,
  origin: string,
  head: RequestHead,
): Promise<void> {
  const allowed: unknown = await check(origin, head);
  checkDecision("the origin function", allowed);
  if (!allowed) throw originError();
}

/** Serialises an origin as browsers do. Returns `undefined` if the value is not an origin. */
function serialiseOrigin(origin: unknown): string | undefined {
  if (typeof origin !== "string") return undefined;
  const end = origin.indexOf("://");
  const scheme = origin.slice(0, end).toLowerCase();
  const host = origin.slice(end + 3);
  // The origin of a page never has the scheme ws or wss, and wildcards are not supported.
  if (end === -1 || scheme === "ws" || scheme === "wss" || host.includes("*")) return undefined;
  if (scheme === "http" || scheme === "https") {
    const authority = parseAuthority(host, scheme === "https");
    return authority === undefined ? undefined : `${scheme}://${authority}`;
  }
  // Pages of extensions and apps: "chrome-extension://abcdef", "capacitor://localhost", "file://".
  return /^[a-z][a-z0-9+.-]*$/.test(scheme) && /^[A-Za-z0-9.:_-]*$/.test(host)
    ? `${scheme}://${host}`
    : undefined;
}
