import { ListenError } from "../../errors.ts";
import type { ListenTarget } from "../../transport/byte_channel.ts";
import { isErrorObject } from "../../values.ts";
import { codeOf, describeDenied, explain, formatTarget, type Reasons } from "./system_error.ts";

const REASONS: Reasons = new Map([
  [
    "EADDRINUSE",
    "the address is in use: another program, or this one a second time, listens there",
  ],
  ["EADDRNOTAVAIL", "the address is not available on this machine"],
  ["ENOENT", "the directory does not exist"],
  ["EROFS", "the file system is read-only"],
]);

/** @param code The code of the system, such as `"EADDRINUSE"`: the same on every runtime, as the message is. */
export function listenError(
  target: ListenTarget,
  code: string,
  cause?: unknown,
  reason: string = explain(code, REASONS, cause),
): ListenError {
  return new ListenError(code, `Cannot listen on ${formatTarget(target)}: ${reason}`, cause);
}

export function toListenError(target: ListenTarget, error: unknown): ListenError {
  const { code } = error as { code?: unknown };
  // The runtime's TLS library refuses some well-formed certificates, such as those with a short key.
  if (typeof code === "string" && /^ERR_(CRYPTO|OSSL|SSL|TLS)_/.test(code)) {
    return certificateError(isErrorObject(error) ? error.message : code, error);
  }
  const denied = describeDenied(target, error);
  if (denied !== undefined) return listenError(target, "EACCES", error, denied);
  const known = codeOf(error);
  const isLowPort = known === "EACCES" && "port" in target && target.port < 1024;
  const reason = isLowPort ? "permission denied, as for most users below port 1024" : undefined;
  return listenError(target, known, error, reason);
}

export function certificateError(reason: string, cause?: unknown): ListenError {
  return new ListenError("EINVAL", `Cannot use the TLS certificate: ${reason}`, cause);
}
