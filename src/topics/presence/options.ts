import { checkDuration, checkFunction, checkNames, type Names } from "../../checks.ts";
import type { Sendable } from "../../connection/connection.ts";

/** A member of a topic: see `SubscribeOptions.presence`. */
export interface PresentMember {
  /** The key that identifies the member. */
  key: string;
  /** The member's information, a copy; `undefined` if there is none. Of several connections, the last one's. */
  info: unknown;
  /** The number of the member's connections, to all servers. */
  connections: number;
}

/** A change of the members of a topic. */
export interface PresenceChange {
  /**
   * `"join"`: the member's first connection has joined. `"leave"`: its last connection has left. `"update"`: its
   * information has changed.
   */
  type: "join" | "leave" | "update";
  /** The topic. */
  topic: string;
  /** The key that identifies the member. */
  key: string;
  /** The member's information, a copy; with `"leave"`, the last one. */
  info: unknown;
}

/** Options of presence: the members of a topic, on all servers. */
export interface PresenceOptions {
  /**
   * After how long without a message from another server its members leave, in milliseconds: an integer from 1 to
   * 2,147,483,647, or `Infinity`. It matters only with a broker: each server with such topics then sends a heartbeat
   * every third of this time, and at least once a minute. It must be the same on all servers.
   *
   * @default {30000}
   */
  ttlMs?: number | undefined;
  /**
   * Returns the message that is sent about a change, or `undefined` for none. The connections of this server that
   * watch the topic get it: those subscribed to it with `presence`, except the one whose `subscribe` made the change.
   * It comes in order with messages published to the topic; with `lag: "latest"`, the last notice of each member is
   * kept. Errors are reported to `onError`. By default, no message is sent.
   *
   * It is called on each server that watches the topic, and must return synchronously.
   */
  notice?: ((change: PresenceChange) => Sendable | undefined) | undefined;
}

const OPTIONS: Names<PresenceOptions> = { ttlMs: true, notice: true };

/** Options of presence, checked and complete. */
export type PresenceSettings = Readonly<PresenceOptions> & { readonly ttlMs: number };

/**
 * Checks the options, and fills in the defaults.
 *
 * @throws {RangeError} If `ttlMs` is out of its range.
 * @throws {TypeError} If an option is of another type.
 */
export function resolvePresenceOptions(options: PresenceOptions = {}): PresenceSettings {
  checkNames("presence", options, OPTIONS);
  const { ttlMs = 30_000, notice } = options;
  checkDuration("presence.ttlMs", ttlMs);
  checkFunction("presence.notice", notice);
  return { ttlMs, notice: notice?.bind(options) };
}
