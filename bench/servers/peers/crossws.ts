/**
 * What the servers on `crossws` have in common.
 *
 * @module
 */

import { kind } from "./arguments.ts";

interface Peer {
  send(data: string | Uint8Array): void;
}

interface Message {
  rawData: unknown;
  uint8Array(): Uint8Array;
}

/** What happens on a connection. */
export interface Hooks {
  open(peer: Peer): void;
  message(peer: Peer, message: Message): void;
  close(peer: Peer): void;
}

const peers = new Set<Peer>();

const hooks: Hooks = {
  open(peer) {
    if (kind === "fan-out") peers.add(peer);
  },
  message(peer, message) {
    // A text as a string, as all others have it.
    const data = typeof message.rawData === "string" ? message.rawData : message.uint8Array();
    if (kind !== "fan-out") return peer.send(data);
    for (const other of peers) other.send(data);
  },
  close(peer) {
    peers.delete(peer);
  },
};

/**
 * Loads an adapter that sends messages back, or to all. By a name that the type checkers don't
 * follow: its types have Bun's globals with them, which replace those of Deno.
 */
export async function loadAdapter<Adapter>(name: string, options: object = {}): Promise<Adapter> {
  const { default: createAdapter } = await import(`crossws/adapters/${name}`);
  return createAdapter({ hooks, ...options });
}
