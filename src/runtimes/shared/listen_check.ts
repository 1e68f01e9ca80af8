/**
 * What can be known before a runtime is asked to listen. Runtimes differ in what they check, and
 * some find out only with the first connection; checked here, all of them refuse alike.
 *
 * @module
 */

import type { ListenTarget, TlsCertificate } from "../../transport/byte_channel.ts";
import { certificateError, listenError } from "./listen_error.ts";
import { MAX_PATH_SIZE } from "./error_target.ts";

/**
 * How many connections the system is asked to keep until they are accepted. Where a crowd fills that
 * queue, whoever comes then waits a second and more, until his system tries again. It is what Linux
 * allows by default; runtimes ask for 511.
 */
export const BACKLOG = 4096;

/**
 * Checks where to listen, and the certificate.
 *
 * @param target Where to listen.
 * @param tls The certificate and its key, if any.
 * @returns The target, with an IP address in place of a host name, unless that may not be looked up.
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
    const { checkCertificate } = await import("./certificate.ts");
    checkCertificate(tls, certificateError);
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
    if (new TextEncoder().encode(target.path).length > MAX_PATH_SIZE) {
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
    // Deno may permit to listen on a name, and not to look it up: it is then left to Deno.
    if ((error as { code?: unknown }).code === "EPERM") return target;
    throw listenError(target, "ENOTFOUND", error);
  }
}
