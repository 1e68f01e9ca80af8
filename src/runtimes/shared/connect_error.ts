import type { DialTarget } from "../../transport/byte_channel.ts";
import { ConnectError } from "../../errors.ts";
import { codeOf, describeDenied, explain, explainCode, formatTarget } from "./system_error.ts";
import type { Reasons } from "./system_error.ts";
import { describeTlsFailure, toWords } from "./tls_failure.ts";

const REASONS: Reasons = new Map([
  ["EADDRNOTAVAIL", "no local address or port is available"],
  ["EAGAIN", "the server accepts no more connections at the moment"],
  ["EAI_AGAIN", "the name server does not answer"],
  ["ECONNABORTED", "the connection was aborted"],
  ["ECONNREFUSED", "the connection was refused"],
  ["ECONNRESET", "the connection was reset"],
  ["EHOSTDOWN", "the host is down"],
  ["EHOSTUNREACH", "the host can't be reached"],
  ["ELOOP", "the path has too many symbolic links"],
  ["ENETDOWN", "the network is down"],
  ["ENETUNREACH", "the network can't be reached"],
  ["ENOENT", "the path does not exist"],
  ["EPROTOTYPE", "the socket is of another type"],
  ["ETIMEDOUT", "the server did not answer in time"],
]);

/** Explanations of Node's codes for a certificate that is not trusted. */
const CERTIFICATE_REASONS: Reasons = new Map([
  ["CERT_HAS_EXPIRED", "its certificate has expired"],
  ["CERT_NOT_YET_VALID", "its certificate is not valid yet"],
  ["CERT_REVOKED", "its certificate was revoked"],
  ["DEPTH_ZERO_SELF_SIGNED_CERT", "its certificate is self-signed"],
  ["ERR_TLS_CERT_ALTNAME_INVALID", "its certificate is for another name"],
  ["HOSTNAME_MISMATCH", "its certificate is for another name"],
  ["SELF_SIGNED_CERT_IN_CHAIN", "its certificate was issued by an unknown authority"],
  ["UNABLE_TO_GET_ISSUER_CERT", "its certificate was issued by an unknown authority"],
  ["UNABLE_TO_GET_ISSUER_CERT_LOCALLY", "its certificate was issued by an unknown authority"],
  // Deno gives this code for an expired certificate, too.
  ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", "its certificate can't be verified"],
]);
/** The other codes of https://nodejs.org/api/tls.html#x509-certificate-error-codes. */
const CERTIFICATE_CODE =
  /^(?:CERT|CRL|ERROR_IN_CRL|INVALID_CA$|INVALID_PURPOSE$|PATH_LENGTH_EXCEEDED$|UNABLE_TO_|AKID_)/;

/** @param code The code of the system, such as `"ECONNREFUSED"`: the same on every runtime, as the message is. */
export function connectError(
  target: DialTarget,
  code: string,
  cause?: unknown,
  reason: string = explain(code, REASONS, cause),
): ConnectError {
  return new ConnectError(code, `Cannot connect to ${formatTarget(target)}: ${reason}`, cause);
}

export function toConnectError(target: DialTarget, error: unknown): ConnectError {
  const denied = describeDenied(target, error);
  if (denied !== undefined) return connectError(target, "EACCES", error, denied);
  return connectError(target, codeOf(error), error);
}

/** @param error What a runtime threw; `undefined` if the server closed the connection. */
export function toTlsError(serverName: string, error: unknown): ConnectError {
  const { code = "ECONNRESET" } = (error ?? {}) as { code?: unknown };
  const create = (code: string, reason: string) =>
    new ConnectError(code, `Cannot begin TLS with ${serverName}: ${reason}`, error);
  const fail = () => create("EPROTO", `the TLS handshake failed: ${describeTlsFailure(error)}`);
  if (typeof code !== "string") return fail();
  const reason = CERTIFICATE_REASONS.get(code);
  if (reason !== undefined) return create(code, reason);
  const isUntrusted = CERTIFICATE_CODE.test(code);
  if (isUntrusted) return create(code, `its certificate is not trusted: ${toWords(code)}`);
  const systemReason = explainCode(code, REASONS);
  return systemReason === undefined ? fail() : create(code, systemReason);
}
