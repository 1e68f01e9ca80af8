/**
 * What is the same of all addresses, whether to listen on or to connect to.
 *
 * @module
 */

/** How many bytes the path of a socket may have: `sockaddr_un` on Linux, less the terminating NUL. */
export const MAX_PATH_SIZE = 107;

/** Writes a target as people do: `127.0.0.1:80`, `[::1]:80`, or the path. */
export function placeOf(target: { hostname: string; port: number } | { path: string }): string {
  if ("path" in target) return target.path;
  const { hostname, port } = target;
  return hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
}

/** Names the permissions that a place needs on Deno. */
export function permissionsOf(
  target: { hostname: string; port: number } | { path: string },
): string {
  return "path" in target ? "--allow-read and --allow-write" : "--allow-net";
}
