/**
 * What can be known before a runtime is asked to listen. Runtimes differ in what they check, and
 * some find out only with the first connection; checked here, all of them refuse alike.
 *
 * @module
 */

import type { ListenTarget, TlsCertificate } from "../connection/byte_channel.ts";
import { certificateError, listenError } from "./listen_error.ts";

/** What fits into `sockaddr_un` on Linux, less the terminating NUL. */
const maxPathSize = 107;

/**
 * How many connections the system is asked to keep until they are accepted. Where a crowd fills that
 * queue, whoever comes then waits a second and more, until his system tries again. It is what Linux
 * allows by default; runtimes ask for 511.
 */
export const BACKLOG = 4096;

/** What runtimes ask of an RSA key, in bits; not all of them, and not all before a handshake. */
const smallestModulus = 2048;

/**
 * Checks where to listen, and the certificate.
 *
 * @param target Where to listen.
 * @param tls The certificate and its key, if any.
 * @returns The target, with an IP address in place of a host name.
 * @throws {ListenError} Where the name can't be resolved, the path is too long, or the certificate
 * or its key can't be used.
 * @throws {TypeError} Where TLS is asked for on a Unix socket.
 */
export async function checkListen(
  target: ListenTarget,
  tls: TlsCertificate | undefined,
): Promise<ListenTarget> {
  if (tls !== undefined) {
    if ("path" in target) {
      throw new TypeError(`Cannot listen on ${target.path}: TLS needs a host name and port`);
    }
    await checkCertificate(tls);
  }
  return resolveTarget(target);
}

/** Whether an address to listen on stands for all addresses of the machine: 0.0.0.0 or ::. */
export function isWildcard(hostname: string): boolean {
  return /^[0.:]+$/.test(hostname);
}

async function resolveTarget(target: ListenTarget): Promise<ListenTarget> {
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

async function checkCertificate(tls: TlsCertificate): Promise<void> {
  const { createPrivateKey, X509Certificate } = await import("node:crypto");
  const certificate = attempt(
    () => new X509Certificate(tls.cert),
    "cert is not a PEM encoded certificate",
  );
  const key = attempt(
    () => createPrivateKey(tls.key),
    "key is not a PEM encoded, unencrypted private key",
  );
  const { modulusLength = smallestModulus } = key.asymmetricKeyDetails ?? {};
  if (modulusLength < smallestModulus) {
    throw certificateError(`an RSA key needs at least ${smallestModulus} bits`);
  }
  const matches = attempt(
    () => certificate.checkPrivateKey(key),
    "the private key can't be compared with it",
  );
  if (!matches) throw certificateError("the private key belongs to another certificate");
}

function attempt<T>(run: () => T, reason: string): T {
  try {
    return run();
  } catch (error) {
    throw certificateError(reason, error);
  }
}
