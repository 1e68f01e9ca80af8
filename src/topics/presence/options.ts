import { checkDuration, checkFunction, checkNames, type Names } from "../../checks.ts";
import type { Sendable } from "../../connection/connection.ts";

/** Somebody who is in a topic: see `SubscribeOptions.presence`. */
export interface PresentMember {
  /** Who it is. */
  key: string;
  /** What was given along, a copy; `undefined` where nothing was. Of several connections, the last one's. */
  info: unknown;
  /** The number of connections, on all servers, that are there as this member. */
  connections: number;
}

/** A change of who is in a topic. */
export interface PresenceChange {
  /**
   * `"join"`: the first connection of a member came. `"leave"`: its last one went. `"update"`: what was
   * given along is another.
   */
  type: "join" | "leave" | "update";
  /** The topic. */
  topic: string;
  /** Who it is. */
  key: string;
  /** What was given along, a copy; with `"leave"` what was last. */
  info: unknown;
}

/** Options of presence: who is in a topic, on all servers. */
export interface PresenceOptions {
  /**
   * How long the members of another server stay while nothing is heard of it, in milliseconds: an integer
   * from 1 to 2,147,483,647, or `Infinity`. Without a broker there is no other server. With one, each server
   * that has such topics says every third of it, and at least once a minute, that it is there; they have to
   * agree about it.
   *
   * @default {30000}
   */
  ttlMs?: number | undefined;
  /**
   * Says what the connections of this server that watch the topic are told of a change: those that are
   * subscribed to it with `presence`, except the one whose `subscribe` it was. It is sent to them as what is
   * published to the topic is, in the same order; those that keep the `"latest"` keep it for each member.
   * Nothing is told for `undefined`. What it throws is reported to `onError`. By default nothing is told.
   *
   * It is called on each server that watches the topic, and returns at once.
   */
  notice?: ((change: PresenceChange) => Sendable | undefined) | undefined;
}

const OPTIONS: Names<PresenceOptions> = { ttlMs: true, notice: true };

/** Options of presence, checked and complete. */
export interface PresenceSettings {
  readonly ttlMs: number;
  readonly notice: PresenceOptions["notice"];
}

/**
 * Checks the options, and fills in the defaults.
 *
 * @throws {RangeError} Where `ttlMs` is out of its range.
 * @throws {TypeError} Where an option is of another type.
 */
export function resolvePresenceOptions(options: PresenceOptions = {}): PresenceSettings {
  checkNames("presence", options, OPTIONS);
  const { ttlMs = 30_000, notice } = options;
  checkDuration("presence.ttlMs", ttlMs);
  checkFunction("presence.notice", notice);
  return { ttlMs, notice: notice?.bind(options) };
}
