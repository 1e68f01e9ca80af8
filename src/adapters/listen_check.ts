/**
 * What can be known before a runtime is asked to listen. Runtimes differ in what they check, and
 * some find out only with the first connection; checked here, all of them refuse alike.
 *
 * @module
 */

import type { ListenTarget, TlsCertificate } from "../connection/byte_channel.ts";
import { ListenError } from "../errors.ts";
import { listenError } from "./listen_error.ts";

/** What fits into `sockaddr_un` on Linux, less the terminating NUL. */
const maxPathSize = 107;

/**
 * Resolves a host name to the address to bind to, and checks the path of a Unix socket.
 *
 * @param target Where to listen.
 * @returns The target with an IP address for a host name.
 * @throws {ListenError} Where the name can't be resolved, or the path is too long.
 */
export async function resolveTarget(target: ListenTarget): Promise<ListenTarget> {
  if ("path" in target) {
    // Some runtimes cut a longer path short and listen somewhere else.
    if (new TextEncoder().encode(target.path).length > maxPathSize) {
      throw listenError(target, "ENAMETOOLONG");
    }
    return target;
  }
  const { isIP } = await import("node:net");
  if (isIP(target.hostname) !== 0) return target;
  const { lookup } = await import("node:dns/promises");
  try {
    const { address } = await lookup(target.hostname);
    return { hostname: address, port: target.port };
  } catch (error) {
    throw listenError(target, "ENOTFOUND", error);
  }
}

/**
 * Checks that certificate and key are PEM, and belong to each other.
 *
 * @param tls The certificate and its key.
 * @throws {ListenError} Where they can't be used.
 */
export async function checkCertificate(tls: TlsCertificate): Promise<void> {
  const { createPrivateKey, X509Certificate } = await import("node:crypto");
  const certificate = attempt(
    () => new X509Certificate(tls.cert),
    "cert is not a PEM encoded certificate",
  );
  const key = attempt(
    () => createPrivateKey(tls.key),
    "key is not a PEM encoded, unencrypted private key",
  );
  const matches = attempt(
    () => certificate.checkPrivateKey(key),
    "the private key can't be compared with it",
  );
  if (!matches) throw certificateError("the private key belongs to another certificate");
}

/** Creates the error for a certificate that can't be used. */
export function certificateError(reason: string, cause?: unknown): ListenError {
  return new ListenError("EINVAL", `Cannot use the TLS certificate: ${reason}`, cause);
}

function attempt<T>(run: () => T, reason: string): T {
  try {
    return run();
  } catch (error) {
    throw certificateError(reason, error);
  }
}
