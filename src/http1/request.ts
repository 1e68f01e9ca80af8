import { checkBoolean, checkOptions, type Names } from "../checks.ts";
import { HandshakeError } from "../errors.ts";
import type { RequestHead } from "./request_head.ts";
import { parseHost, resolveTarget } from "./request_target.ts";

/**
 * The methods that a `Request` carries faithfully on every runtime. CONNECT and TRACE are forbidden to
 * it, some runtimes turn a method they don't know into GET, and what becomes of others differs.
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
 * Creates a `Request` of a request head, for user code: the URL of the target, and every header field as
 * sent. It has no body.
 *
 * @param head The request.
 * @param options `secure`: whether the connection is TLS, so that the URL is an https one.
 * @throws {HandshakeError} With status 400 where Host is missing, duplicate or malformed, or the target
 * is neither a path nor a URL that agrees with it; with 501 where the method is none of DELETE, GET,
 * HEAD, OPTIONS, PATCH, POST and PUT.
 * @throws {TypeError} Where an option is unknown or of another type.
 */
export function toRequest(head: RequestHead, options: { secure: boolean }): Request {
  const { method, fields } = head;
  checkOptions("toRequest", options, OPTIONS);
  const { secure } = options;
  checkBoolean("secure", secure);
  if (!METHODS.has(method)) {
    // Without a valid Host, it is malformed in the first place.
    parseHost(head, secure);
    throw new HandshakeError(501, "Cannot accept the request: its method is not supported");
  }
  const { host, path } = resolveTarget(head, secure);
  try {
    const request = new Request(`${secure ? "https" : "http"}://${host}${path}`, { method });
    // Several times faster than to give `Request` a `Headers`, which some runtimes copy by iterating.
    for (const [name, value] of fields) request.headers.append(name, value);
    const cookies = head.getAll("Cookie");
    // Some runtimes join these with a comma, which is not the separator of cookies (RFC 9113, 8.2.3).
    if (cookies.length > 1) request.headers.set("Cookie", cookies.join("; "));
    return request;
  } catch {
    // A head that was built by hand can hold what no parser lets pass.
    throw new HandshakeError(400, "Cannot accept the request: its URL or a header is malformed");
  }
}
