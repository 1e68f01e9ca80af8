import { checkBoolean, checkOptions, type Names } from "../checks.ts";
import { requestError } from "./request_error.ts";
import type { RequestHead } from "./request_head.ts";
import { parseHost, resolveTarget } from "./request_target.ts";

/**
 * The methods that a `Request` preserves on every runtime. It must not have CONNECT or TRACE, some runtimes
 * turn unknown methods into GET, and others treat them differently.
 */
const METHODS: ReadonlySet<string> = new Set([
  "DELETE",
  "GET",
  "HEAD",
  "OPTIONS",
  "PATCH",
  "POST",
  "PUT",
]);

const OPTIONS: Names<{ secure: boolean }> = { secure: true };

/**
 * Creates a `Request` from a request head, for the program: with the target as its URL, and every header
 * field as sent. It has no body.
 *
 * @param head The request.
 * @param options `secure`: whether the connection is TLS, and so the scheme of the URL is https.
 * @throws {HandshakeError} With status 400 if Host is missing, duplicate or malformed, or the target is
 * neither a path nor a URL with the same host; with 501 if the method is not DELETE, GET, HEAD, OPTIONS,
 * PATCH, POST or PUT.
 * @throws {TypeError} If an option is unknown or of another type.
 */
export function toRequest(head: RequestHead, options: { secure: boolean }): Request {
  const { method, fields } = head;
  checkOptions("toRequest", options, OPTIONS);
  const { secure } = options;
  checkBoolean("secure", secure);
  if (!METHODS.has(method)) {
    // A request without a valid Host gets 400, whatever its method.
    parseHost(head, secure);
    throw requestError(501, "its method is not supported");
  }
  const { host, path } = resolveTarget(head, secure);
  try {
    const request = new Request(`${secure ? "https" : "http"}://${host}${path}`, { method });
    // Several times faster than passing a `Headers` to `Request`, which some runtimes copy by iterating.
    for (const [name, value] of fields) request.headers.append(name, value);
    const cookies = head.getAll("Cookie");
    // Some runtimes join them with a comma, but the separator of cookies is "; " (RFC 9113, 8.2.3).
    if (cookies.length > 1) request.headers.set("Cookie", cookies.join("; "));
    return request;
  } catch {
    // Only a head that no parser has checked gets here.
    throw requestError(400, "its URL or a header is malformed");
  }
}
