import { HandshakeError } from "../errors.ts";
import { parseAuthority } from "./authority.ts";
import type { RequestHead } from "./request_head.ts";

/** The target URI of a request, without its scheme. */
export interface TargetUri {
  /** Host and port in the form that URLs give them: without the default port. */
  host: string;
  /** Path and query; begins with a slash. */
  path: string;
}

/**
 * Parses the Host header of a request.
 *
 * @returns Host and port in the form that URLs give them.
 * @throws {HandshakeError} With status 400, where Host is missing, duplicate or malformed.
 */
export function parseHost(head: RequestHead, secure: boolean): string {
  // "A server MUST respond with a 400 (Bad Request) status code to any HTTP/1.1 request message that
  // lacks a Host header field and to any request message that contains more than one Host header field
  // line or a Host header field with an invalid field value" (RFC 9112, section 3.2).
  const hostValue = head.get("Host");
  if (hostValue === undefined) throw refuse("no Host header");
  const host = parseAuthority(hostValue, secure);
  if (host === undefined) throw refuse("malformed Host header");
  return host;
}

/**
 * Determines the target URI of a request (RFC 9112, section 3.3).
 *
 * @throws {HandshakeError} With status 400, where Host is missing, duplicate or malformed, or the
 * target is neither in origin-form nor in absolute-form.
 */
export function resolveTarget(head: RequestHead, secure: boolean): TargetUri {
  const host = parseHost(head, secure);
  const { target } = head;
  if (target.includes("#")) throw refuse("a fragment in the request target");
  if (target.startsWith("/")) return { host, path: target };
  return { host, path: parseAbsoluteForm(target, host, secure) };
}

/**
 * "a server MUST accept the absolute-form in requests" (RFC 9112, section 3.2.2). What differs from
 * the Host header or from the scheme of the connection is refused, not preferred: a client must send
 * the same host twice, and who does not has two readers in mind.
 */
function parseAbsoluteForm(target: string, host: string, secure: boolean): string {
  const scheme = secure ? "https://" : "http://";
  if (target.slice(0, scheme.length).toLowerCase() !== scheme) {
    throw refuse(`the request target must be a path or an ${scheme} URL`);
  }
  let end = scheme.length;
  while (end < target.length && target[end] !== "/" && target[end] !== "?") end++;
  if (parseAuthority(target.slice(scheme.length, end), secure) !== host) {
    throw refuse("the request target and the Host header differ");
  }
  const path = target.slice(end);
  return path.startsWith("/") ? path : `/${path}`;
}

function refuse(reason: string): HandshakeError {
  return new HandshakeError(400, `Cannot accept the request: ${reason}`);
}
