import type { Subscriber } from "../fan_out/subscriber.ts";
import { decodeInfo } from "./claim.ts";
import type { PresentMember } from "./options.ts";

/** A member as one server knows it. */
export interface PresenceShare {
  /** The number of its connections to that server. */
  readonly connections: number;
  /** When its information was given: a number of a counter that the servers synchronize. */
  readonly stamp: number;
  /** The information, as JSON. */
  readonly info: string;
}

/** The part that a connection of this server has in a member. */
type OwnShare = Omit<PresenceShare, "connections">;

/** A member's key, and the member as one server knows it. */
export type ShareEntry = readonly [key: string, share: PresenceShare];

export interface RoomChange {
  readonly type: "join" | "leave" | "update";
  readonly key: string;
  readonly info: string;
}

/** How far another server's members of a topic are known. */
export interface PeerStanding {
  /** The version that is known. */
  version: number;
  /** The latest version that a message has named. */
  seen: number;
  queriedAt: number;
}

/** The members of a topic: a share for each server and member, and their union. */
export class PresenceRoom {
  readonly topic: string;
  /** The connections of this server that watch the topic. */
  readonly watchers: Set<Subscriber> = new Set();
  /** The standings of other servers, by their ids. */
  readonly peers: Map<string, PeerStanding> = new Map();
  /** The time from which the members count as known. */
  knownAt: number = Infinity;
  /** The members of which there were notices before that. */
  readonly told: Set<string> = new Set();
  /** The member connections of this server, by key, the one that gave its information last at the end. */
  readonly #own: Map<string, Map<Subscriber, OwnShare>> = new Map();
  /** The shares of each member, by the servers' ids. */
  readonly #members: Map<string, Map<string, PresenceShare>> = new Map();
  readonly #keys: Map<string, Set<string>> = new Map();

  constructor(topic: string) {
    this.topic = topic;
  }

  /** Adds a connection of this server to a member, or changes its information. */
  enter(server: string, subscriber: Subscriber, key: string, share: OwnShare): RoomChange[] {
    let own = this.#own.get(key);
    if (own === undefined) this.#own.set(key, own = new Map());
    own.delete(subscriber);
    own.set(subscriber, share);
    return this.#setOwn(server, key, own);
  }

  exit(server: string, subscriber: Subscriber, key: string): RoomChange[] {
    const own = this.#own.get(key)!;
    own.delete(subscriber);
    if (own.size === 0) this.#own.delete(key);
    return this.#setOwn(server, key, own);
  }

  /** Sets a server's share of a member; returns the change that watchers see, if any. */
  set(server: string, key: string, share: PresenceShare | undefined): RoomChange[] {
    let shares = this.#members.get(key);
    const before = shares && latestOf(shares);
    let keys = this.#keys.get(server);
    if (share !== undefined) {
      if (shares === undefined) this.#members.set(key, shares = new Map());
      if (keys === undefined) this.#keys.set(server, keys = new Set());
      shares.set(server, share);
      keys.add(key);
    } else {
      shares?.delete(server);
      if (shares?.size === 0) this.#members.delete(key);
      keys?.delete(key);
      if (keys?.size === 0) this.#keys.delete(server);
    }
    const after = shares && latestOf(shares);
    const info = after?.info ?? before?.info ?? "";
    if (after !== undefined && before?.info === info) return [];
    if (after !== undefined) return [{ type: before ? "update" : "join", key, info }];
    return before ? [{ type: "leave", key, info }] : [];
  }

  /** Replaces all shares of a server; returns the changes, those who left first. */
  replace(server: string, entries: readonly ShareEntry[]): RoomChange[] {
    const stay = new Set(entries.map(([key]) => key));
    const left = [...this.#keys.get(server) ?? []].filter((key) => !stay.has(key));
    const changes = left.flatMap((key) => this.set(server, key, undefined));
    return [...changes, ...entries.flatMap(([key, share]) => this.set(server, key, share))];
  }

  has(server: string): boolean {
    return this.#keys.has(server);
  }

  sharesOf(server: string): ShareEntry[] {
    const keys = this.#keys.get(server) ?? [];
    return Array.from(keys, (key) => [key, this.#members.get(key)!.get(server)!]);
  }

  /** Lists the members of all servers, in the order of their keys. */
  list(): PresentMember[] {
    return [...this.#members.keys()].sort().map((key) => {
      const shares = this.#members.get(key)!;
      let connections = 0;
      for (const share of shares.values()) connections += share.connections;
      return { key, info: decodeInfo(latestOf(shares)!.info), connections };
    });
  }

  #setOwn(server: string, key: string, own: ReadonlyMap<Subscriber, OwnShare>): RoomChange[] {
    let last: OwnShare | undefined;
    for (const each of own.values()) last = each;
    return this.set(server, key, last && { ...last, connections: own.size });
  }
}

/** Returns the share whose information was given last: the same one on all servers. */
function latestOf(shares: ReadonlyMap<string, PresenceShare>): PresenceShare | undefined {
  let latest: PresenceShare | undefined;
  let latestServer = "";
  for (const [server, share] of shares) {
    const lead = share.stamp - (latest?.stamp ?? -1);
    if (lead < 0 || (lead === 0 && server < latestServer)) continue;
    latest = share;
    latestServer = server;
  }
  return latest;
}
