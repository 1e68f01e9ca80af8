import { parseAuthority } from "./authority.ts";
import { requestError } from "./request_error.ts";
import type { RequestHead } from "./request_head.ts";

/** The target URI of a request, without its scheme. */
export interface TargetUri {
  /** Host and port as in a normalised URL: without the default port. */
  host: string;
  /** Path and query; begins with a slash. */
  path: string;
}

/** Parses Host as in a normalised URL. @throws {HandshakeError} With status 400, if it is not there once and valid. */
export function parseHost(head: RequestHead, secure: boolean): string {
  // "A server MUST respond with a 400 (Bad Request) status code to any HTTP/1.1 request message that
  // lacks a Host header field and to any request message that contains more than one Host header field
  // line or a Host header field with an invalid field value" (RFC 9112, section 3.2).
  const hostValue = head.get("Host");
  if (hostValue === undefined) throw requestError(400, "no Host header");
  const host = parseAuthority(hostValue, secure);
  if (host === undefined) throw requestError(400, "malformed Host header");
  return host;
}

/** Determines the target URI (RFC 9112, section 3.3). @throws {HandshakeError} With status 400, if it is malformed. */
export function resolveTarget(head: RequestHead, secure: boolean): TargetUri {
  const host = parseHost(head, secure);
  const { target } = head;
  if (target.includes("#")) throw requestError(400, "a fragment in the request target");
  if (target.startsWith("/")) return { host, path: target };
  return { host, path: parseAbsoluteForm(target, host, secure) };
}

/**
 * "a server MUST accept the absolute-form in requests" (RFC 9112, section 3.2.2). The RFC lets the target
 * override Host. Here a target that differs from Host or from the connection's scheme is refused: clients
 * must send the same host in both, and a difference may mislead a proxy.
 */
function parseAbsoluteForm(target: string, host: string, secure: boolean): string {
  const scheme = secure ? "https://" : "http://";
  if (target.slice(0, scheme.length).toLowerCase() !== scheme) {
    throw requestError(400, `the request target must be a path or an ${scheme} URL`);
  }
  let end = scheme.length;
  while (end < target.length && target[end] !== "/" && target[end] !== "?") end++;
  if (parseAuthority(target.slice(scheme.length, end), secure) !== host) {
    throw requestError(400, "the request target and the Host header differ");
  }
  const path = target.slice(end);
  return path.startsWith("/") ? path : `/${path}`;
}
