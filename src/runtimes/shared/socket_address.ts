import type { Address } from "../../transport/byte_channel.ts";

/** The addresses of a TCP socket of Node or Bun. They are not set once it is closed. */
export interface SocketAddresses {
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
}

export function tcpAddress(hostname: string = "", port: number = 0): Address {
  return { transport: "tcp", hostname, port };
}

/** Gives the peer's address of a TCP socket; with the host name `""` if the socket is closed. */
export function remoteAddressOf({ remoteAddress, remotePort }: SocketAddresses): Address {
  return tcpAddress(remoteAddress, remotePort);
}

/** Gives the local address of a TCP socket; with the host name `""` if the socket is closed. */
export function localAddressOf({ localAddress, localPort }: SocketAddresses): Address {
  return tcpAddress(localAddress, localPort);
}

/** Gives both addresses of an accepted socket; `undefined` if its peer closed it before it was accepted. */
export function addressesOf(
  socket: SocketAddresses,
  bound: Address,
): [remote: Address, local: Address] | undefined {
  if (bound.transport !== "tcp") return [{ transport: "unix", path: "" }, bound];
  if (socket.remoteAddress === undefined) return undefined;
  return [remoteAddressOf(socket), isWildcard(bound.hostname) ? localAddressOf(socket) : bound];
}

/** Whether an address stands for all addresses of the machine: 0.0.0.0 or ::. */
function isWildcard(hostname: string): boolean {
  return /^[0.:]+$/.test(hostname);
}
