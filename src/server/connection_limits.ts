import type { Address } from "../transport/byte_channel.ts";
import { HandshakeError } from "../errors.ts";
import { addressGroup } from "../transport/address_group.ts";

/** Counts connections, in all and per address, and says whether there may be one more. */
export class ConnectionLimits {
  readonly #maxConnections: number;
  readonly #maxPerAddress: number;
  #count = 0;
  /** The connections of each group of addresses; empty if there is no limit. */
  readonly #counts: Map<string, number> = new Map();

  constructor(maxConnections: number, maxPerAddress: number) {
    this.#maxConnections = maxConnections;
    this.#maxPerAddress = maxPerAddress;
  }

  /** Returns why this peer may have no further connection, if so. */
  refusal(remote: Address): HandshakeError | undefined {
    if (this.#count >= this.#maxConnections) {
      return new HandshakeError(503, "The server has as many connections as it may have");
    }
    if (remote.transport !== "tcp" || this.#maxPerAddress === Infinity) return undefined;
    if ((this.#counts.get(addressGroup(remote)) ?? 0) < this.#maxPerAddress) return undefined;
    return new HandshakeError(
      503,
      "The server has as many connections of this address as it may have",
    );
  }

  add(remote: Address): void {
    this.#count++;
    this.#change(remote, 1);
  }

  remove(remote: Address): void {
    this.#count--;
    this.#change(remote, -1);
  }

  #change(remote: Address, change: number): void {
    if (remote.transport !== "tcp" || this.#maxPerAddress === Infinity) return;
    const group = addressGroup(remote);
    const count = (this.#counts.get(group) ?? 0) + change;
    if (count > 0) this.#counts.set(group, count);
    else this.#counts.delete(group);
  }
}
