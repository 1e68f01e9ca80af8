import type { BrokerLink } from "../cluster/broker_link.ts";
import { checkBrokerTopic } from "../cluster/broker_names.ts";
import type { Clock } from "../../transport/clock.ts";
import type { Sendable } from "../../connection/connection.ts";
import { SentQueries } from "./sent_queries.ts";
import {
  encodePresenceMessage,
  type Heartbeat,
  inboxTopic,
  lengthOfEntry,
  lengthOfText,
  parsePresenceMessage,
  type Query,
  roomTopic,
  SERVERS_TOPIC,
  type Snapshot,
  splitUp,
  topicOfRoom,
  type TopicSnapshot,
  type Update,
  type WithoutSender,
} from "./message.ts";
import { type PeerStanding, PresenceRoom, type ShareEntry } from "./room.ts";
import type { Presence } from "./presence.ts";
import { PresenceSender } from "./sender.ts";

/** How long other servers may take to answer, in milliseconds. */
const ANSWER_MS = 1_000;
/** The longest time between two heartbeats, in milliseconds. */
const MAX_HEARTBEAT_MS = 60_000;
/** After how many heartbeats without a watched topic a server leaves; it may soon watch one again. */
const IDLE_HEARTBEATS = 3;
/** The most topics that are queried one by one. For more, one query is sent to all servers. */
const FEW_TOPICS = 16;

/** A query to all servers for the members of a topic, until all have answered or the time is over. */
interface Lookup {
  /** The members in the answers so far. */
  readonly found: PresenceRoom;
  /** Resolves with `found`; callers share it. */
  readonly done: PromiseWithResolvers<PresenceRoom>;
  /** The servers that have not answered yet; `undefined` before the query was sent. */
  waiting: Set<string> | undefined;
  readonly timer: unknown;
}

interface Peer {
  heardAt: number;
  /** Whether it was queried for all topics that are watched here. */
  isIntroduced: boolean;
  /** What its digests have named in this round; `undefined` if the beginning of the round was missed. */
  named: Set<string> | undefined;
}

/** The servers that share presence: which are alive, and their members in the topics that are watched here. */
export class PresenceGroup {
  readonly #link: BrokerLink;
  readonly #clock: Clock;
  readonly #presence: Presence;
  readonly #heartbeatMs: number;
  readonly #rooms: Map<string, PresenceRoom> = new Map();
  readonly #lookups: Map<string, Lookup> = new Map();
  readonly #peers: Map<string, Peer> = new Map();
  readonly sender: PresenceSender = new PresenceSender(this);
  /** The broker's topics for this server, whatever it watches. */
  readonly #ownTopics: readonly string[];
  readonly #sentQueries: SentQueries = new SentQueries();
  /** The broker's topics to which it has confirmed the subscription. */
  readonly #subscribed: Set<string> = new Set();
  #state: "idle" | "active" | "closed" = "idle";
  /** Whether messages can be sent to the other servers, and their answers arrive. */
  isReady = false;
  /** The time from which all other servers are known. */
  #acquaintedAt = Infinity;
  #lastNumber = 0;
  #nextHeartbeatAt = 0;
  #idleHeartbeats = 0;
  #isSendingHeartbeat = false;
  #timer: unknown;
  #timerAt = 0;

  constructor(link: BrokerLink, presence: Presence) {
    const { clock } = link.settings;
    this.#link = link;
    this.#clock = clock;
    this.#presence = presence;
    this.#ownTopics = [SERVERS_TOPIC, inboxTopic(presence.id)];
    const heartbeatMs = Math.floor(Math.min(presence.settings.ttlMs / 3, MAX_HEARTBEAT_MS));
    this.#heartbeatMs = Math.max(1, heartbeatMs);
  }

  // ---- Called by `Presence` ----

  /** @throws {RangeError | TypeError} If the topic is too long for the broker, or can't be used with it. */
  checkTopic(topic: string): void {
    checkBrokerTopic(topic, roomTopic("").length);
  }

  addRoom(room: PresenceRoom): void {
    this.#activate();
    this.#rooms.set(room.topic, room);
    this.#link.subscriptions.add(roomTopic(room.topic));
  }

  /** Stops watching a topic. This server's members have left it. */
  deleteRoom({ topic }: PresenceRoom): void {
    this.#rooms.delete(topic);
    this.#idleHeartbeats = 0;
    this.#subscribed.delete(roomTopic(topic));
    this.#link.subscriptions.delete(roomTopic(topic));
  }

  /** Whether the members of a room are known: the other servers have answered, or their time is over. */
  isKnown(room: PresenceRoom): boolean {
    return room.knownAt <= this.#clock.now();
  }

  /** Asks all servers for the members of a topic; resolves with those known after their answers, or a timeout. */
  async lookUp(topic: string): Promise<PresenceRoom> {
    const before = this.#rooms.get(topic);
    if (this.#state === "closed") return before ?? new PresenceRoom(topic);
    this.#activate();
    const found = await (this.#lookups.get(topic) ?? this.#beginLookup(topic)).done.promise;
    const room = this.#rooms.get(topic);
    if (room !== undefined && (room === before || this.isKnown(room))) return room;
    found.replace(this.#presence.id, this.ownShares(topic));
    return found;
  }

  /** Leaves; resolves when the other servers were told. */
  async close(): Promise<void> {
    const left = this.#stop();
    this.#state = "closed";
    await left;
  }

  // ---- Called by the sender ----

  /** Returns a number that is greater than all before. */
  nextVersion(): number {
    return ++this.#lastNumber;
  }

  ownShares(topic: string): ShareEntry[] {
    return this.#rooms.get(topic)?.sharesOf(this.#presence.id) ?? [];
  }

  /** Tells the other servers of changes; rejects if they may not get it. */
  sendUpdate(topic: string, update: Omit<Update, "type" | "from">): Promise<void> {
    return this.#post(roomTopic(topic), { type: "update", ...update });
  }

  /** Tells the other servers all members of a topic here; rejects if they may not get it. */
  async sendSnapshot(topic: string, version: number): Promise<void> {
    const snapshot: TopicSnapshot = [topic, version, this.ownShares(topic)];
    await this.#sendSnapshots(roomTopic(topic), -version, [snapshot]);
  }

  // ---- Called by the broker link ----

  receiveConnected(): void {
    this.#begin();
  }

  receiveLost(): void {
    this.isReady = false;
    this.#acquaintedAt = Infinity;
    // No server can be asked.
    this.#endLookups();
  }

  receiveSubscribed(brokerTopics: readonly string[]): void {
    if (this.#state !== "active") return;
    for (const brokerTopic of brokerTopics) this.#subscribed.add(brokerTopic);
    if (!this.isReady) return this.#begin();
    const topics = brokerTopics.flatMap((topic) => topicOfRoom(topic) ?? []);
    this.#queryRooms(topics.filter((topic) => this.#rooms.has(topic)), false);
  }

  /** @throws {TypeError} If the message is malformed. */
  receiveMessage(brokerTopic: string, data: Sendable): void {
    const message = parsePresenceMessage(data);
    const { type, from } = message;
    if (this.#state !== "active" || from === this.#presence.id) return;
    if (type === "bye") return this.#deletePeer(from);
    const peer = this.#hear(from);
    if (type === "beat") this.#receiveHeartbeat(peer, message);
    else if (type === "update") this.#receiveUpdate(brokerTopic, message);
    else if (type === "ask") this.#answer(brokerTopic, message);
    else this.#receiveSnapshot(message);
  }

  // ---- Joining and leaving the group ----

  #activate(): void {
    this.#idleHeartbeats = 0;
    if (this.#state !== "idle") return;
    this.#state = "active";
    for (const brokerTopic of this.#ownTopics) this.#link.subscriptions.add(brokerTopic);
    this.#nextHeartbeatAt = this.#clock.now() + this.#heartbeatMs;
    this.#schedule();
  }

  /** Introduces this server, once answers to it can arrive. */
  #begin(): void {
    if (this.isReady || this.#link.state !== "connected" || this.#state !== "active") return;
    if (!this.#ownTopics.every((topic) => this.#subscribed.has(topic))) return;
    this.isReady = true;
    this.#acquaintedAt = this.#clock.now() + ANSWER_MS;
    this.#sendHeartbeat(SERVERS_TOPIC, true, false);
    this.sender.retry();
    const isSubscribed = (topic: string) => this.#subscribed.has(roomTopic(topic));
    const topics = [...this.#rooms.keys()].filter(isSubscribed);
    // Known servers must answer for topics in which they have no members any more, too.
    this.#queryRooms(topics, this.#peers.size > 0);
    for (const topic of [...this.#lookups.keys()]) this.#sendLookup(topic);
  }

  /** Leaves the group; resolves when the other servers were told. */
  #stop(): Promise<void> {
    if (this.#state !== "active") return Promise.resolve();
    const left = this.isReady ? this.#send(SERVERS_TOPIC, { type: "bye" }) : Promise.resolve();
    this.#state = "idle";
    this.#endLookups();
    this.isReady = false;
    this.#acquaintedAt = Infinity;
    this.#clock.clearTimeout(this.#timer);
    this.sender.clear();
    this.#peers.clear();
    for (const brokerTopic of this.#ownTopics) {
      this.#subscribed.delete(brokerTopic);
      this.#link.subscriptions.delete(brokerTopic);
    }
    return left;
  }

  #schedule(): void {
    const now = this.#clock.now();
    let dueAt = this.#nextHeartbeatAt;
    for (const { heardAt } of this.#peers.values()) {
      dueAt = Math.min(dueAt, heardAt + this.#presence.settings.ttlMs);
    }
    this.#timerAt = Math.max(dueAt, now);
    this.#timer = this.#clock.setTimeout(() => this.#tick(), Math.ceil(this.#timerAt - now));
  }

  #tick(): void {
    const now = this.#clock.now();
    // If this process stalled, what others sent meanwhile has not been read yet.
    const lateMs = now - this.#timerAt;
    if (lateMs > this.#heartbeatMs) {
      for (const peer of this.#peers.values()) peer.heardAt += lateMs;
    }
    for (const [server, { heardAt }] of this.#peers) {
      if (now - heardAt >= this.#presence.settings.ttlMs) this.#deletePeer(server);
    }
    if (now >= this.#nextHeartbeatAt) {
      this.#nextHeartbeatAt = now + this.#heartbeatMs;
      this.#sentQueries.forget(now - Math.max(this.#heartbeatMs, ANSWER_MS));
      const isIdle = this.#rooms.size === 0 && this.#lookups.size === 0;
      if (isIdle && this.#idleHeartbeats++ === IDLE_HEARTBEATS) {
        void this.#stop();
        return;
      }
      this.sender.retry();
      if (this.isReady && !this.#isSendingHeartbeat) {
        this.#sendHeartbeat(SERVERS_TOPIC, false, false);
      }
    }
    this.#schedule();
  }

  #sendHeartbeat(brokerTopic: string, isHello: boolean, isReply: boolean): void {
    const { size: topics } = this.sender;
    const { digest, isEnd } = isReply ? { digest: [], isEnd: false } : this.sender.nextDigest();
    const message = { type: "beat", isHello, isReply, topics, digest, isEnd } as const;
    const sent = this.#send(brokerTopic, message);
    if (isReply) return;
    this.#isSendingHeartbeat = true;
    void sent.then(() => this.#isSendingHeartbeat = false);
  }

  // ---- The other servers ----

  #hear(server: string): Peer {
    const known = this.#peers.get(server);
    const peer = known ?? { heardAt: 0, isIntroduced: false, named: undefined };
    peer.heardAt = this.#clock.now();
    if (known === undefined) this.#peers.set(server, peer);
    return peer;
  }

  #deletePeer(server: string): void {
    if (!this.#peers.delete(server)) return;
    for (const room of this.#rooms.values()) {
      room.peers.delete(server);
      this.#presence.receiveChanges(room, room.replace(server, []), true);
    }
    for (const topic of [...this.#lookups.keys()]) {
      this.#lookups.get(topic)?.found.replace(server, []);
      this.#receiveAnswer(topic, server);
    }
  }

  #receiveHeartbeat(
    peer: Peer,
    { from, isHello, isReply, topics, digest, isEnd }: Heartbeat,
  ): void {
    if (isHello) this.#sendHeartbeat(inboxTopic(from), false, true);
    if (isReply) {
      peer.isIntroduced = true;
      return;
    }
    const isWhole = digest.length >= topics;
    const behind: string[] = [];
    for (const [topic, version] of digest) {
      peer.named?.add(topic);
      const room = this.#rooms.get(topic);
      if (room !== undefined && (room.peers.get(from)?.version ?? 0) < version) {
        this.#seeVersion(room, from, version);
        behind.push(topic);
      }
    }
    if (!peer.isIntroduced && !isWhole) this.#queryServer(from, [...this.#rooms.keys()]);
    else this.#queryServer(from, behind);
    peer.isIntroduced = true;
    if (!isEnd) return;
    // The digests of a round name all topics in which the server has members.
    const named = isWhole ? new Set(digest.map(([topic]) => topic)) : peer.named;
    const forgotten: string[] = [];
    for (const [topic, room] of this.#rooms) {
      if (named !== undefined && !named.has(topic) && room.has(from)) forgotten.push(topic);
    }
    this.#queryServer(from, forgotten);
    peer.named = new Set();
  }

  #receiveUpdate(brokerTopic: string, { from, after, version, set, gone }: Update): void {
    const topic = topicOfRoom(brokerTopic);
    const room = topic === undefined ? undefined : this.#rooms.get(topic);
    if (room === undefined) return;
    // The next versions and stamps of this server are greater than those that it has seen.
    this.#lastNumber = Math.max(this.#lastNumber, version);
    const standing = this.#seeVersion(room, from, version);
    if (version <= standing.version) return;
    if (after !== 0 && after !== standing.version) {
      if (this.#clock.now() - standing.queriedAt >= ANSWER_MS) {
        this.#queryServer(from, [room.topic]);
      }
      return;
    }
    standing.version = version;
    this.#peers.get(from)?.named?.add(room.topic);
    if (after === 0) {
      this.#presence.receiveChanges(room, room.replace(from, set), true);
      return;
    }
    const left = gone.flatMap((key) => room.set(from, key, undefined));
    const changed = set.flatMap(([key, share]) => room.set(from, key, share));
    this.#presence.receiveChanges(room, [...left, ...changed], true);
  }

  #receiveSnapshot(snapshot: Snapshot): void {
    const { from } = snapshot;
    const whole = this.#sentQueries.receiveSnapshot(snapshot, this.#clock.now());
    if (whole === undefined) return;
    this.#lastNumber = Math.max(this.#lastNumber, snapshot.version);
    const behind: string[] = [];
    for (const [topic, { version, members }] of whole.topics) {
      this.#lookups.get(topic)?.found.replace(from, members);
      const room = this.#rooms.get(topic);
      if (room === undefined) continue;
      const standing = this.#seeVersion(room, from, version);
      this.#peers.get(from)?.named?.add(topic);
      if (standing.seen > version) behind.push(topic);
      if (version < standing.version) continue;
      standing.version = version;
      const isNews = whole.query === undefined || this.isKnown(room);
      this.#presence.receiveChanges(room, room.replace(from, members), isNews);
    }
    this.#queryServer(from, behind);
    whole.query?.onAnswer?.(from);
  }

  /** Records that a server has a version of a topic. */
  #seeVersion(room: PresenceRoom, server: string, version: number): PeerStanding {
    const known = room.peers.get(server);
    const standing = known ?? { version: 0, seen: 0, queriedAt: -Infinity };
    standing.seen = Math.max(standing.seen, version);
    if (known === undefined) room.peers.set(server, standing);
    return standing;
  }

  // ---- Queries and answers ----

  #queryRooms(topics: readonly string[], ofAll: boolean): void {
    const now = this.#clock.now();
    for (const topic of topics) {
      const room = this.#rooms.get(topic)!;
      if (room.knownAt === Infinity) room.knownAt = now + ANSWER_MS;
    }
    if (ofAll || topics.length > FEW_TOPICS) this.#query(SERVERS_TOPIC, topics);
    else for (const topic of topics) this.#query(roomTopic(topic), [topic]);
  }

  #queryServer(server: string, topics: readonly string[]): void {
    const now = this.#clock.now();
    for (const topic of topics) {
      this.#seeVersion(this.#rooms.get(topic)!, server, 0).queriedAt = now;
    }
    this.#query(inboxTopic(server), topics);
  }

  #query(brokerTopic: string, topics: readonly string[]): void {
    if (!this.isReady) return;
    for (const some of splitUp(topics, lengthOfText)) {
      const id = this.#sentQueries.add(some, this.#clock.now());
      void this.#send(brokerTopic, { type: "ask", id, topics: some });
    }
  }

  #beginLookup(topic: string): Lookup {
    const done = Promise.withResolvers<PresenceRoom>();
    const timer = this.#clock.setTimeout(() => this.#endLookup(topic), ANSWER_MS);
    const lookup = { found: new PresenceRoom(topic), done, waiting: undefined, timer };
    this.#lookups.set(topic, lookup);
    if (this.#link.state === "lost") this.#endLookup(topic);
    else if (this.isReady) this.#sendLookup(topic);
    return lookup;
  }

  #endLookup(topic: string): void {
    const { done, found, timer } = this.#lookups.get(topic)!;
    this.#lookups.delete(topic);
    this.#clock.clearTimeout(timer);
    done.resolve(found);
  }

  #endLookups(): void {
    for (const topic of [...this.#lookups.keys()]) this.#endLookup(topic);
  }

  #sendLookup(topic: string): void {
    const onAnswer = (server: string) => this.#receiveAnswer(topic, server);
    const id = this.#sentQueries.add([topic], this.#clock.now(), onAnswer);
    void this.#send(SERVERS_TOPIC, { type: "ask", id, topics: [topic] });
    this.#lookups.get(topic)!.waiting = new Set(this.#peers.keys());
    // There may be no server to wait for.
    this.#receiveAnswer(topic, this.#presence.id);
  }

  #answer(brokerTopic: string, { from, id, topics }: Query): void {
    const snapshots: TopicSnapshot[] = [];
    for (const topic of topics) {
      const shares = this.ownShares(topic);
      const version = this.sender.versionOf(topic);
      if (shares.length > 0 || version !== undefined) snapshots.push([topic, version ?? 0, shares]);
    }
    // A query through a topic asks only servers that have members there.
    if (snapshots.length === 0 && topicOfRoom(brokerTopic) !== undefined) return;
    this.#sendSnapshots(inboxTopic(from), id, snapshots).catch(() => {});
  }

  /** Sends the members of topics on this server, in as many messages as necessary. */
  async #sendSnapshots(
    brokerTopic: string,
    id: number,
    snapshots: readonly TopicSnapshot[],
  ): Promise<void> {
    const pieces: TopicSnapshot[] = [];
    for (const [topic, version, shares] of snapshots) {
      if (shares.length === 0) pieces.push([topic, version, []]);
      for (const some of splitUp(shares, lengthOfEntry)) pieces.push([topic, version, some]);
    }
    const parts = [...splitUp(pieces, lengthOfSnapshot)];
    if (parts.length === 0) parts.push([]);
    const version = this.#lastNumber;
    await Promise.all(parts.map((topics, part) => {
      const isEnd = part === parts.length - 1;
      return this.#post(brokerTopic, { type: "state", id, part, isEnd, version, topics });
    }));
  }

  #receiveAnswer(topic: string, server: string): void {
    const now = this.#clock.now();
    const waiting = this.#lookups.get(topic)?.waiting;
    waiting?.delete(server);
    if (waiting?.size !== 0 || now < this.#acquaintedAt) return;
    const room = this.#rooms.get(topic);
    if (room !== undefined) room.knownAt = Math.min(room.knownAt, now);
    this.#endLookup(topic);
  }

  /** Sends a message that may be lost. */
  #send(brokerTopic: string, message: WithoutSender): Promise<void> {
    return this.#post(brokerTopic, message).catch(() => {});
  }

  #post(brokerTopic: string, message: WithoutSender): Promise<void> {
    const text = encodePresenceMessage(this.#presence.id, message);
    return this.#link.sendPresence(brokerTopic, text);
  }
}

function lengthOfSnapshot([topic, , shares]: TopicSnapshot): number {
  let length = 32 + lengthOfText(topic);
  for (const share of shares) length += lengthOfEntry(share);
  return length;
}
