/**
 * One error for each reason not to listen, the same on every runtime.
 *
 * @module
 */

import type { ListenTarget } from "../../transport/byte_channel.ts";
import { ListenError } from "../../errors.ts";
import { permissionsOf, placeOf } from "./error_target.ts";
import { isErrorObject } from "../../values.ts";

/** What the system's error codes mean to someone who starts a server. */
const reasons: ReadonlyMap<string, string> = new Map([
  ["EACCES", "permission denied"],
  [
    "EADDRINUSE",
    "the address is in use: another program, or this one a second time, listens there",
  ],
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
]);

/**
 * Creates the error for `target`.
 *
 * @param target Where listening was tried.
 * @param code The system's name of the reason, such as `"EADDRINUSE"`.
 * @param cause The runtime's own error.
 */
export function listenError(target: ListenTarget, code: string, cause?: unknown): ListenError {
  const reason = reasons.get(code) ??
    (isErrorObject(cause) ? cause.message : `the system answered ${code}`);
  return createError(target, code, reason, cause);
}

function createError(
  target: ListenTarget,
  code: string,
  reason: string,
  cause: unknown,
): ListenError {
  return new ListenError(code, `Cannot listen on ${placeOf(target)}: ${reason}`, cause);
}

/** Creates the error for `target` from what a runtime threw. */
export function toListenError(target: ListenTarget, error: unknown): ListenError {
  const { code, name } = error as { code?: unknown; name?: unknown };
  // A runtime's TLS library objects to a certificate that is well-formed, such as to a short key.
  if (typeof code === "string" && /^ERR_(CRYPTO|OSSL|SSL|TLS)_/.test(code)) {
    return certificateError(isErrorObject(error) ? error.message : code, error);
  }
  // Deno's own permissions have no code.
  if (name === "NotCapable") {
    const reason = `permission denied: Deno needs ${permissionsOf(target)}`;
    return createError(target, "EACCES", reason, error);
  }
  const system = typeof code === "string" && /^E[A-Z0-9]+$/.test(code) ? code : "EINVAL";
  const known = synonyms.get(system) ?? system;
  if (known === "EACCES" && "port" in target && target.port < 1024) {
    return createError(
      target,
      known,
      "permission denied, as for most users below port 1024",
      error,
    );
  }
  return listenError(target, known, error);
}

/** Creates the error for a certificate that can't be used. */
export function certificateError(reason: string, cause?: unknown): ListenError {
  return new ListenError("EINVAL", `Cannot use the TLS certificate: ${reason}`, cause);
}
