import { isErrorObject } from "../../values.ts";

type Target = { hostname: string; port: number } | { path: string };

/** The longest path of a socket, in bytes: the size of `sockaddr_un` on Linux, less the terminating NUL. */
export const MAX_PATH_SIZE = 107;

export type Reasons = ReadonlyMap<string, string>;

/** Explanations that are the same whether a program listens or connects. */
const COMMON: Reasons = new Map([
  ["EACCES", "permission denied"],
  ["EAFNOSUPPORT", "the address family is not supported on this machine"],
  ["EMFILE", "too many files are open"],
  ["ENAMETOOLONG", "the path is too long"],
  ["ENOTDIR", "a part of the path is not a directory"],
  ["ENOTFOUND", "the host name can't be resolved"],
]);

/** Codes that mean the same to the program as the one on the right. */
const SYNONYMS: Reasons = new Map([["EPERM", "EACCES"], ["ENFILE", "EMFILE"]]);

/** Formats a target: `127.0.0.1:80`, `[::1]:80`, or the path. */
export function formatTarget(target: Target): string {
  if ("path" in target) return target.path;
  const { hostname, port } = target;
  return hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
}

/** Gives the system's code of an error that a runtime threw, such as `"EADDRINUSE"`. Default: `"EINVAL"`. */
export function codeOf(error: unknown): string {
  const { code } = error as { code?: unknown };
  const known = typeof code === "string" && /^E(?!RR_)[A-Z0-9_]+$/.test(code) ? code : "EINVAL";
  return SYNONYMS.get(known) ?? known;
}

/** Describes the permission that Deno denied; `undefined` if `error` is another error. */
export function describeDenied(target: Target, error: unknown): string | undefined {
  // These errors have no code.
  if ((error as { name?: unknown }).name !== "NotCapable") return undefined;
  const flags = "path" in target ? "--allow-read and --allow-write" : "--allow-net";
  return `permission denied: Deno needs ${flags}`;
}

/** Explains an error code: `undefined` if it is in neither list. */
export function explainCode(code: string, reasons: Reasons): string | undefined {
  return reasons.get(code) ?? COMMON.get(code);
}

/** Explains an error: if its code is in no list, by the runtime's own error, if there is one. */
export function explain(code: string, reasons: Reasons, cause: unknown): string {
  return explainCode(code, reasons) ??
    (isErrorObject(cause) ? cause.message : `the system's error code is ${code}`);
}
