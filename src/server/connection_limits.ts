import { checkInteger } from "../checks.ts";
import type { Address } from "../transport/byte_channel.ts";
import { HandshakeError } from "../errors.ts";
import { addressGroup } from "../transport/address_group.ts";
import type { HostOptions } from "./options.ts";

/** Counts connections, in all and per address, and says whether there may be one more. */
export class ConnectionLimits {
  readonly #maxConnections: number;
  readonly #maxPerAddress: number;
  #count = 0;
  /** The connections of each group of addresses; empty if there is no limit. */
  readonly #counts: Map<string, number> = new Map();

  /**
   * @throws {RangeError} If a limit is out of its range.
   */
  constructor(options: Pick<HostOptions, "maxConnections" | "maxConnectionsPerAddress">) {
    const { maxConnections = Infinity, maxConnectionsPerAddress = Infinity } = options;
    checkInteger("maxConnections", maxConnections, 0);
    checkInteger("maxConnectionsPerAddress", maxConnectionsPerAddress, 0);
    this.#maxConnections = maxConnections;
    this.#maxPerAddress = maxConnectionsPerAddress;
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

  /** Counts a connection. */
  add(remote: Address): void {
    this.#count++;
    this.#change(remote, 1);
  }

  /** Counts a connection no longer. */
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
