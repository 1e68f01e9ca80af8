/**
 * One error for each reason not to listen, the same on every runtime.
 *
 * @module
 */

import type { ListenTarget } from "../connection/byte_channel.ts";
import { ListenError } from "../errors.ts";

/** What the system's error codes mean to someone who starts a server. */
const reasons: ReadonlyMap<string, string> = new Map([
  ["EACCES", "permission denied"],
  ["EADDRINUSE", "the address is in use"],
  ["EADDRNOTAVAIL", "the address is not available on this machine"],
  ["EAFNOSUPPORT", "the address family is not supported on this machine"],
  ["EMFILE", "too many files are open"],
  ["ENAMETOOLONG", "the path is too long"],
  ["ENOENT", "the directory does not exist"],
  ["ENOTDIR", "a part of the path is not a directory"],
  ["ENOTFOUND", "the host name can't be resolved"],
  ["EROFS", "the file system is read-only"],
]);

/** Codes that mean the same to the caller as the one on the right. */
const synonyms: ReadonlyMap<string, string> = new Map([
  ["EPERM", "EACCES"],
  ["ENFILE", "EMFILE"],
  ["EAI_AGAIN", "ENOTFOUND"],
  ["EAI_NODATA", "ENOTFOUND"],
  ["EAI_NONAME", "ENOTFOUND"],
]);

/**
 * Creates the error for `target`.
 *
 * @param target Where listening was tried.
 * @param code The system's name of the reason, such as `"EADDRINUSE"`.
 * @param cause The runtime's own error.
 */
export function listenError(target: ListenTarget, code: string, cause?: unknown): ListenError {
  code = synonyms.get(code) ?? code;
  const reason = reasons.get(code) ??
    (cause instanceof Error ? cause.message : `the system said ${code}`);
  return new ListenError(code, `Cannot listen on ${placeOf(target)}: ${reason}`, cause);
}

/** Writes a target as people do: `127.0.0.1:80`, `[::1]:80`, or the path. */
function placeOf(target: ListenTarget): string {
  if ("path" in target) return target.path;
  const { hostname, port } = target;
  return hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
}
