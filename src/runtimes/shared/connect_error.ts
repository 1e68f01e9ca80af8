/**
 * One error for each reason not to connect, the same on every runtime.
 *
 * @module
 */

import type { DialTarget } from "../../transport/byte_channel.ts";
import { ConnectError } from "../../errors.ts";
import { permissionsOf, placeOf } from "./error_target.ts";
import { describeTlsFailure, toWords } from "./tls_failure.ts";
import { isErrorObject } from "../../values.ts";

/** What the system's error codes mean to someone who connects. */
const reasons: ReadonlyMap<string, string> = new Map([
  ["EACCES", "permission denied"],
  ["EADDRNOTAVAIL", "no local address or port is available"],
  ["EAFNOSUPPORT", "the address family is not supported on this machine"],
  ["EAGAIN", "the server accepts no more connections for now"],
  ["EAI_AGAIN", "the name server does not answer"],
  ["ECONNABORTED", "the connection was aborted"],
  ["ECONNREFUSED", "the connection was refused"],
  ["ECONNRESET", "the connection was reset"],
  ["EHOSTDOWN", "the host is down"],
  ["EHOSTUNREACH", "the host can't be reached"],
  ["ELOOP", "the path has too many symbolic links"],
  ["EMFILE", "too many files are open"],
  ["ENAMETOOLONG", "the path is too long"],
  ["ENETDOWN", "the network is down"],
  ["ENETUNREACH", "the network can't be reached"],
  ["ENOENT", "the path does not exist"],
  ["ENOTDIR", "a part of the path is not a directory"],
  ["ENOTFOUND", "the host name can't be resolved"],
  ["EPROTOTYPE", "the socket is of another type"],
  ["ETIMEDOUT", "the server did not answer in time"],
]);

/** What Node's codes for a certificate that is not trusted mean. */
const certificateReasons: ReadonlyMap<string, string> = new Map([
  ["CERT_HAS_EXPIRED", "its certificate has expired"],
  ["CERT_NOT_YET_VALID", "its certificate is not valid yet"],
  ["CERT_REVOKED", "its certificate was revoked"],
  ["DEPTH_ZERO_SELF_SIGNED_CERT", "its certificate is self-signed"],
  ["ERR_TLS_CERT_ALTNAME_INVALID", "its certificate is for another name"],
  ["HOSTNAME_MISMATCH", "its certificate is for another name"],
  ["SELF_SIGNED_CERT_IN_CHAIN", "its certificate was issued by an unknown authority"],
  ["UNABLE_TO_GET_ISSUER_CERT", "its certificate was issued by an unknown authority"],
  ["UNABLE_TO_GET_ISSUER_CERT_LOCALLY", "its certificate was issued by an unknown authority"],
  // Deno says so of one that has expired, too.
  ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", "its certificate can't be verified"],
]);
/** The others of https://nodejs.org/api/tls.html#x509-certificate-error-codes. */
const certificateCode =
  /^(?:CERT|CRL|ERROR_IN_CRL|INVALID_CA$|INVALID_PURPOSE$|PATH_LENGTH_EXCEEDED$|UNABLE_TO_|AKID_)/;

/** Codes that mean the same to the caller as the one on the right. */
const synonyms: ReadonlyMap<string, string> = new Map([
  ["EPERM", "EACCES"],
  ["ENFILE", "EMFILE"],
]);

/**
 * Creates the error for `target`.
 *
 * @param target Where connecting was tried.
 * @param code The system's name of the reason, such as `"ECONNREFUSED"`.
 * @param cause The runtime's own error.
 */
export function connectError(target: DialTarget, code: string, cause?: unknown): ConnectError {
  const reason = reasons.get(code) ??
    (isErrorObject(cause) ? cause.message : `the system answered ${code}`);
  return new ConnectError(code, `Cannot connect to ${placeOf(target)}: ${reason}`, cause);
}

/** Creates the error for `target` from what a runtime threw. */
export function toConnectError(target: DialTarget, error: unknown): ConnectError {
  const { code, name } = error as { code?: unknown; name?: unknown };
  // Deno's own permissions have no code.
  if (name === "NotCapable") {
    const reason = `permission denied: Deno needs ${permissionsOf(target)}`;
    return new ConnectError("EACCES", `Cannot connect to ${placeOf(target)}: ${reason}`, error);
  }
  const system = typeof code === "string" && /^E(?!RR_)[A-Z0-9_]+$/.test(code) ? code : "EINVAL";
  return connectError(target, synonyms.get(system) ?? system, error);
}

/**
 * Creates the error for TLS that could not begin.
 *
 * @param serverName The name that the server's certificate must be for.
 * @param error What a runtime threw, or `undefined` where the server closed the connection.
 */
export function toTlsError(serverName: string, error: unknown): ConnectError {
  const { code = "ECONNRESET" } = (error ?? {}) as { code?: unknown };
  const create = (code: string, reason: string) =>
    new ConnectError(code, `Cannot begin TLS with ${serverName}: ${reason}`, error);
  const fail = () => create("EPROTO", `the TLS handshake failed: ${describeTlsFailure(error)}`);
  if (typeof code !== "string") return fail();
  const reason = certificateReasons.get(code);
  if (reason !== undefined) return create(code, reason);
  if (certificateCode.test(code)) {
    return create(code, `its certificate is not trusted: ${toWords(code)}`);
  }
  const systemReason = reasons.get(code);
  return systemReason === undefined ? fail() : create(code, systemReason);
}
