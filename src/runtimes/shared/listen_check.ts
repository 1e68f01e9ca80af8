import "../../connection/common.ts";
import type { ListenTarget, TlsCertificate } from "../../transport/byte_channel.ts";
import { certificateError, listenError } from "./listen_error.ts";
export { listenError, toListenError } from "./listen_error.ts";
export { TlsHandshakes } from "./tls_handshakes.ts";
import { MAX_PATH_SIZE } from "./system_error.ts";

/**
 * Checks the address to listen on, and the certificate. Runtimes check different things, and some fail only at the
 * first connection: so all of them fail alike, and before they listen, since an error must leave no descriptor.
 *
 * @returns The target, with its host name resolved to an IP address, if that is permitted.
 * @throws {ListenError} If the name can't be resolved, the path is too long, or the certificate or its key
 * can't be used.
 * @throws {TypeError} If TLS is to be used on a Unix socket.
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

async function resolveTarget(target: ListenTarget): Promise<ListenTarget> {
  if ("path" in target) {
    // Some runtimes truncate a longer path, and listen on another one.
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
    // The program may have Deno's permission to listen on a name, but not to look it up.
    if ((error as { code?: unknown }).code === "EPERM") return target;
    throw listenError(target, "ENOTFOUND", error);
  }
}
