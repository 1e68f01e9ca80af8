import type { Subscriber } from "../fan_out/subscriber.ts";
import { decodeInfo } from "./claim.ts";
import type { PresentMember } from "./options.ts";

/** What one server has of a member. */
export interface PresenceShare {
  /** Its connections there. */
  readonly connections: number;
  /** When its information was given, by a counter that all servers keep going together. */
  readonly stamp: number;
  /** What is known of it, as JSON. */
  readonly info: string;
}

/** A member of one server. */
export type ShareEntry = readonly [key: string, share: PresenceShare];

/** What changed for those who watch. */
export interface RoomChange {
  readonly type: "join" | "leave" | "update";
  readonly key: string;
  readonly info: string;
}

/** What is known of another server's members in a topic. */
export interface PeerStanding {
  /** The version of what is known. */
  version: number;
  /** The latest version that was heard of. */
  seen: number;
  /** When it was queried last. */
  queriedAt: number;
}

/** Who is in a topic: what each server says, and what comes of it. */
export class PresenceRoom {
  readonly topic: string;
  /** The connections here that watch. */
  readonly watchers: Set<Subscriber> = new Set();
  /** How what is known of other servers stands, by their ids. */
  readonly peers: Map<string, PeerStanding> = new Map();
  /** The time from which all members are known, as far as they can be. */
  knownAt: number = Infinity;
  /** The members that something was told of before that. */
  readonly told: Set<string> = new Set();
  /** The connections here that are there, by their keys, the last one to say so last. */
  readonly #own: Map<string, Map<Subscriber, Omit<PresenceShare, "connections">>> = new Map();
  /** The shares of each member, by the servers' ids. */
  readonly #members: Map<string, Map<string, PresenceShare>> = new Map();
  readonly #keys: Map<string, Set<string>> = new Map();

  constructor(topic: string) {
    this.topic = topic;
  }

  /** Has a connection of this server be there. */
  enter(
    server: string,
    subscriber: Subscriber,
    key: string,
    info: string,
    stamp: number,
  ): RoomChange | undefined {
    let own = this.#own.get(key);
    if (own === undefined) this.#own.set(key, own = new Map());
    own.delete(subscriber);
    own.set(subscriber, { info, stamp });
    return this.#setOwn(server, key, own);
  }

  /** Has a connection of this server be gone. */
  exit(server: string, subscriber: Subscriber, key: string): RoomChange | undefined {
    const own = this.#own.get(key)!;
    own.delete(subscriber);
    if (own.size === 0) this.#own.delete(key);
    return this.#setOwn(server, key, own);
  }

  /** Sets what a server has of a member; gives what changed for those who watch. */
  set(server: string, key: string, share: PresenceShare | undefined): RoomChange | undefined {
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
    if (after === undefined) return before && { type: "leave", key, info: before.info };
    if (before === undefined) return { type: "join", key, info: after.info };
    return before.info === after.info ? undefined : { type: "update", key, info: after.info };
  }

  /** Replaces all that a server has; gives what changed, those who left first. */
  replace(server: string, entries: readonly ShareEntry[]): RoomChange[] {
    const stay = new Set(entries.map(([key]) => key));
    const changes: (RoomChange | undefined)[] = [];
    for (const key of [...this.#keys.get(server) ?? []]) {
      if (!stay.has(key)) changes.push(this.set(server, key, undefined));
    }
    for (const [key, share] of entries) changes.push(this.set(server, key, share));
    return changes.filter((change) => change !== undefined);
  }

  /** Whether a server has members. */
  has(server: string): boolean {
    return this.#keys.has(server);
  }

  /** What a server has of a member. */
  shareOf(server: string, key: string): PresenceShare | undefined {
    return this.#members.get(key)?.get(server);
  }

  /** All that a server has. */
  sharesOf(server: string): ShareEntry[] {
    return Array.from(this.#keys.get(server) ?? [], (key) => [key, this.shareOf(server, key)!]);
  }

  /** Lists the members of all servers, in the order of their keys. */
  list(): PresentMember[] {
    const members: PresentMember[] = [];
    for (const key of [...this.#members.keys()].sort()) {
      const shares = this.#members.get(key)!;
      let connections = 0;
      for (const share of shares.values()) connections += share.connections;
      members.push({ key, info: decodeInfo(latestOf(shares)!.info), connections });
    }
    return members;
  }

  #setOwn(
    server: string,
    key: string,
    own: ReadonlyMap<Subscriber, Omit<PresenceShare, "connections">>,
  ): RoomChange | undefined {
    let last: Omit<PresenceShare, "connections"> | undefined;
    for (const each of own.values()) last = each;
    return this.set(server, key, last && { ...last, connections: own.size });
  }
}

/** The share whose information was given last: the same one on all servers. */
function latestOf(shares: ReadonlyMap<string, PresenceShare>): PresenceShare | undefined {
  let latest: PresenceShare | undefined;
  let latestServer = "";
  for (const [server, share] of shares) {
    if (
      latest === undefined || share.stamp > latest.stamp ||
      (share.stamp === latest.stamp && server > latestServer)
    ) {
      latest = share;
      latestServer = server;
    }
  }
  return latest;
}
