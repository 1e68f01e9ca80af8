import { checkBrokerTopic } from "../cluster/broker_names.ts";
import type { Clock } from "../../transport/clock.ts";
import type { Sendable } from "../../connection/connection.ts";
import { SentQueries } from "./sent_queries.ts";
import { TopicRotation } from "./digest.ts";
import {
  encodePresenceMessage,
  type Heartbeat,
  inboxTopic,
  lengthOfEntry,
  lengthOfText,
  parsePresenceMessage,
  type PresenceMessage,
  type Query,
  roomTopic,
  SERVERS_TOPIC,
  type Snapshot,
  splitUp,
  topicOfRoom,
  type TopicSnapshot,
  type Update,
} from "./message.ts";
import { PresenceLookups } from "./lookups.ts";
import { type PeerStanding, PresenceRoom, type RoomChange, type ShareEntry } from "./room.ts";
import { PresenceSender, type PresenceVersions } from "./sender.ts";

/** How long others may take to answer, in milliseconds. */
const ANSWER_MS = 1_000;
/** The longest time between two heartbeats, in milliseconds. */
const MAX_HEARTBEAT_MS = 60_000;
/** The number of heartbeats after which a server leaves that watches nothing; it may watch again before. */
const IDLE_HEARTBEATS = 3;
/** The most topics that are queried one by one, instead of sending all servers one query. */
const FEW_TOPICS = 16;

/** A server's part in a broker, for presence. */
export interface PresenceLink {
  /** Subscribes to a topic of the broker. */
  addPresenceTopic(brokerTopic: string): void;
  /** Unsubscribes from a topic of the broker. */
  deletePresenceTopic(brokerTopic: string): void;
  /** Publishes a text; rejects where it is lost, and where the broker is away. */
  sendPresence(brokerTopic: string, text: string): Promise<void>;
}

/** Tells those who watch of changes. `isNews` is false for members that were there before this server watched. */
export type TellChanges = (
  room: PresenceRoom,
  changes: readonly RoomChange[],
  isNews: boolean,
) => void;

/** Takes what the broker brings about presence. */
export interface PresenceBrokerHandler {
  /**
   * Takes a message.
   *
   * @throws {Error} If it is malformed. It says what is wrong.
   */
  receiveMessage(brokerTopic: string, data: Sendable): void;
  /** Is told that the broker can be reached, and is subscribed again to what it was. */
  receiveConnected(): void;
  /** Is told that the broker can't be reached. */
  receiveLost(): void;
  /** Is told of topics that the broker is subscribed to from now on. */
  receiveSubscribed(brokerTopics: readonly string[]): void;
  /** Leaves; resolves when the other servers were told. */
  close(): Promise<void>;
}

/** Another server. */
interface Peer {
  heardAt: number;
  /** Whether it has been asked for all that concerns this server. */
  isIntroduced: boolean;
  /** The topics that its digests have named in this turn; `undefined` in one whose beginning was missed. */
  named: Set<string> | undefined;
}

/**
 * The servers that have presence in common: what each of them has in the topics that are watched here, and
 * which of them are alive. See `message.ts` for what they send one another.
 */
export class PresenceGroup implements PresenceBrokerHandler, PresenceVersions {
  readonly #link: PresenceLink;
  readonly #clock: Clock;
  readonly #ttlMs: number;
  readonly #heartbeatMs: number;
  readonly #id: string;
  readonly #tell: TellChanges;
  readonly #rooms: Map<string, PresenceRoom> = new Map();
  readonly #lookups: PresenceLookups;
  readonly #peers: Map<string, Peer> = new Map();
  readonly #sender: PresenceSender = new PresenceSender(this);
  readonly #sentQueries: SentQueries = new SentQueries();
  readonly #rotation: TopicRotation = new TopicRotation();
  /** The topics of the broker that it has confirmed. */
  readonly #subscribed: Set<string> = new Set();
  #state: "idle" | "active" | "closed" = "idle";
  #isConnected = false;
  /** Whether the broker can't be reached, and said so. */
  #isLost = false;
  /** Whether others can be asked, and told. */
  #isReady = false;
  /** The time from which all servers are known. */
  #acquaintedAt = Infinity;
  #lastNumber = 0;
  #nextHeartbeatAt = 0;
  #idleHeartbeats = 0;
  #isSendingHeartbeat = false;
  #timer: unknown;
  #timerAt = 0;

  /**
   * @param id What stands for this server.
   * @param tell Is told what changes in rooms by other servers.
   */
  constructor(
    link: PresenceLink,
    clock: Clock,
    ttlMs: number,
    id: string,
    tell: TellChanges,
  ) {
    this.#link = link;
    this.#clock = clock;
    this.#lookups = new PresenceLookups(clock, ANSWER_MS);
    this.#ttlMs = ttlMs;
    this.#heartbeatMs = Math.max(1, Math.floor(Math.min(ttlMs / 3, MAX_HEARTBEAT_MS)));
    this.#id = id;
    this.#tell = tell;
  }

  // ---- For the rooms of this server ----

  /** Checks a topic that is to be watched. */
  checkTopic(topic: string): void {
    checkBrokerTopic(topic, roomTopic("").length);
  }

  /** Begins to watch a topic. */
  addRoom(room: PresenceRoom): void {
    this.#activate();
    this.#rooms.set(room.topic, room);
    this.#link.addPresenceTopic(roomTopic(room.topic));
  }

  /** Watches a topic no more. Its own members have left. */
  deleteRoom({ topic }: PresenceRoom): void {
    this.#rooms.delete(topic);
    this.#idleHeartbeats = 0;
    this.#subscribed.delete(roomTopic(topic));
    this.#link.deletePresenceTopic(roomTopic(topic));
  }

  /** Tells the others of a change of this server's own. */
  change(room: PresenceRoom, key: string): void {
    this.#sender.change(room.topic, key);
  }

  /** Whether the members of a room are known, as far as they can be. */
  isKnown(room: PresenceRoom): boolean {
    return room.knownAt <= this.#clock.now();
  }

  /** Asks all servers who is in a topic; resolves with what is known after their answers, or without them. */
  async lookUp(topic: string): Promise<PresenceRoom> {
    const before = this.#rooms.get(topic);
    if (this.#state === "closed") return before ?? new PresenceRoom(topic);
    this.#activate();
    const isAsked = this.#lookups.has(topic);
    const answer = this.#lookups.add(topic);
    if (this.#isLost) this.#lookups.end(topic);
    else if (!isAsked && this.#isReady) this.#sendLookup(topic);
    const found = await answer;
    const room = this.#rooms.get(topic);
    if (room !== undefined && (room === before || this.isKnown(room))) return room;
    found.replace(this.#id, this.ownShares(topic));
    return found;
  }

  async close(): Promise<void> {
    const said = this.#stop();
    this.#state = "closed";
    await said;
  }

  // ---- For what tells the others ----

  nextVersion(): number {
    return ++this.#lastNumber;
  }

  ownShares(topic: string): ShareEntry[] {
    return this.#rooms.get(topic)?.sharesOf(this.#id) ?? [];
  }

  sendUpdate(topic: string, update: Omit<Update, "type" | "from">): Promise<void> {
    return this.#post(roomTopic(topic), { type: "update", from: this.#id, ...update });
  }

  async sendSnapshot(topic: string, version: number): Promise<void> {
    await this.#sendSnapshots(roomTopic(topic), -version, [[
      topic,
      version,
      this.ownShares(topic),
    ]]);
  }

  // ---- What the broker tells ----

  receiveConnected(): void {
    this.#isConnected = true;
    this.#isLost = false;
    this.#begin();
  }

  receiveLost(): void {
    this.#isConnected = false;
    this.#isLost = true;
    this.#isReady = false;
    this.#acquaintedAt = Infinity;
    this.#sender.disconnect();
    // Nobody can be asked.
    for (const topic of this.#lookups.topics) this.#lookups.end(topic);
  }

  receiveSubscribed(brokerTopics: readonly string[]): void {
    if (this.#state !== "active") return;
    for (const brokerTopic of brokerTopics) this.#subscribed.add(brokerTopic);
    if (!this.#isReady) {
      this.#begin();
      return;
    }
    const topics = brokerTopics.map(topicOfRoom).filter((topic) =>
      topic !== undefined && this.#rooms.has(topic)
    ) as string[];
    this.#queryRooms(topics, false);
  }

  receiveMessage(brokerTopic: string, data: Sendable): void {
    const message = parsePresenceMessage(data);
    if (this.#state !== "active" || message.from === this.#id) return;
    if (message.type === "bye") {
      this.#deletePeer(message.from);
      return;
    }
    const peer = this.#hear(message.from);
    switch (message.type) {
      case "beat":
        return this.#receiveHeartbeat(peer, message);
      case "update":
        return this.#receiveUpdate(brokerTopic, message);
      case "ask":
        return this.#answer(brokerTopic, message);
      case "state":
        return this.#receiveSnapshot(message);
    }
  }

  // ---- Being there ----

  #activate(): void {
    this.#idleHeartbeats = 0;
    if (this.#state !== "idle") return;
    this.#state = "active";
    this.#link.addPresenceTopic(SERVERS_TOPIC);
    this.#link.addPresenceTopic(inboxTopic(this.#id));
    this.#nextHeartbeatAt = this.#clock.now() + this.#heartbeatMs;
    this.#schedule();
  }

  /** Introduces this server, once it can be answered. */
  #begin(): void {
    if (this.#isReady || !this.#isConnected || this.#state !== "active") return;
    if (!this.#subscribed.has(SERVERS_TOPIC) || !this.#subscribed.has(inboxTopic(this.#id))) return;
    this.#isReady = true;
    this.#acquaintedAt = this.#clock.now() + ANSWER_MS;
    this.#sendHeartbeat(SERVERS_TOPIC, true, false);
    this.#sender.connect();
    const topics = [...this.#rooms.keys()].filter((topic) =>
      this.#subscribed.has(roomTopic(topic))
    );
    // Those that are known must say what they have no more, too.
    this.#queryRooms(topics, this.#peers.size > 0);
    for (const topic of this.#lookups.topics) this.#sendLookup(topic);
  }

  /** Says goodbye. */
  #stop(): Promise<void> {
    if (this.#state !== "active") return Promise.resolve();
    const leave: PresenceMessage = { type: "bye", from: this.#id };
    const said = this.#isReady ? this.#send(SERVERS_TOPIC, leave) : Promise.resolve();
    this.#state = "idle";
    for (const topic of this.#lookups.topics) this.#lookups.end(topic);
    this.#isReady = false;
    this.#acquaintedAt = Infinity;
    this.#clock.clearTimeout(this.#timer);
    this.#sender.clear();
    this.#peers.clear();
    for (const brokerTopic of [SERVERS_TOPIC, inboxTopic(this.#id)]) {
      this.#subscribed.delete(brokerTopic);
      this.#link.deletePresenceTopic(brokerTopic);
    }
    return said;
  }

  #schedule(): void {
    const now = this.#clock.now();
    let dueAt = this.#nextHeartbeatAt;
    for (const { heardAt } of this.#peers.values()) dueAt = Math.min(dueAt, heardAt + this.#ttlMs);
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
      if (now - heardAt >= this.#ttlMs) this.#deletePeer(server);
    }
    if (now >= this.#nextHeartbeatAt) {
      this.#nextHeartbeatAt = now + this.#heartbeatMs;
      this.#sentQueries.forget(now - Math.max(this.#heartbeatMs, ANSWER_MS));
      const isIdle = this.#rooms.size === 0 && this.#lookups.size === 0;
      if (isIdle && this.#idleHeartbeats++ === IDLE_HEARTBEATS) {
        void this.#stop();
        return;
      }
      this.#sender.retry();
      if (this.#isReady && !this.#isSendingHeartbeat) {
        this.#sendHeartbeat(SERVERS_TOPIC, false, false);
      }
    }
    this.#schedule();
  }

  /** Tells that this server is there. */
  #sendHeartbeat(brokerTopic: string, isHello: boolean, isReply: boolean): void {
    const { topics, isEnd } = isReply
      ? { topics: [], isEnd: false }
      : this.#rotation.next(this.#sender.topics);
    const digest: [string, number][] = [];
    for (const topic of topics) {
      const version = this.#sender.versionOf(topic);
      if (version !== undefined) digest.push([topic, version]);
    }
    const { size } = this.#sender;
    const from = this.#id;
    const heartbeat: Heartbeat = {
      type: "beat",
      from,
      isHello,
      isReply,
      topics: size,
      digest,
      isEnd,
    };
    const sent = this.#send(brokerTopic, heartbeat);
    if (isReply) return;
    this.#isSendingHeartbeat = true;
    void sent.then(() => this.#isSendingHeartbeat = false);
  }

  // ---- The other servers ----

  #hear(server: string): Peer {
    const now = this.#clock.now();
    let peer = this.#peers.get(server);
    if (peer === undefined) {
      peer = { heardAt: now, isIntroduced: false, named: undefined };
      this.#peers.set(server, peer);
    }
    peer.heardAt = now;
    return peer;
  }

  /** Removes a server, and its members with it. */
  #deletePeer(server: string): void {
    if (!this.#peers.delete(server)) return;
    for (const room of this.#rooms.values()) {
      room.peers.delete(server);
      this.#tell(room, room.replace(server, []), true);
    }
    for (const topic of this.#lookups.topics) {
      this.#lookups.receive(topic, server, []);
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
        this.#noteVersion(room, from, version);
        behind.push(topic);
      }
    }
    if (!peer.isIntroduced && !isWhole) this.#queryServer(from, [...this.#rooms.keys()]);
    else this.#queryServer(from, behind);
    peer.isIntroduced = true;
    if (!isEnd) return;
    // It does not name the topics in which it has members no more.
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
    this.#seeNumber(version);
    const standing = this.#noteVersion(room, from, version);
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
      this.#tell(room, room.replace(from, set), true);
      return;
    }
    const changes: (RoomChange | undefined)[] = [];
    for (const key of gone) changes.push(room.set(from, key, undefined));
    for (const [key, share] of set) changes.push(room.set(from, key, share));
    this.#tell(room, changes.filter((change) => change !== undefined), true);
  }

  #receiveSnapshot(snapshot: Snapshot): void {
    const { from } = snapshot;
    const whole = this.#sentQueries.receiveSnapshot(snapshot, this.#clock.now());
    if (whole === undefined) return;
    this.#seeNumber(snapshot.version);
    const behind: string[] = [];
    for (const [topic, { version, members }] of whole.topics) {
      this.#lookups.receive(topic, from, members);
      const room = this.#rooms.get(topic);
      if (room === undefined) continue;
      const standing = this.#noteVersion(room, from, version);
      this.#peers.get(from)?.named?.add(topic);
      if (standing.seen > version) behind.push(topic);
      if (version < standing.version) continue;
      standing.version = version;
      const isNews = !whole.isAnswer || this.isKnown(room);
      this.#tell(room, room.replace(from, members), isNews);
    }
    this.#queryServer(from, behind);
    whole.onAnswer?.(from);
  }

  #noteVersion(room: PresenceRoom, server: string, version: number): PeerStanding {
    let standing = room.peers.get(server);
    if (standing === undefined) {
      standing = { version: 0, seen: 0, queriedAt: -Infinity };
      room.peers.set(server, standing);
    }
    standing.seen = Math.max(standing.seen, version);
    return standing;
  }

  /** Makes the next versions and stamps of this server greater than those of others that it knows. */
  #seeNumber(version: number): void {
    this.#lastNumber = Math.max(this.#lastNumber, version);
  }

  // ---- Asking, and answering ----

  /** Asks who is in topics that are watched here. */
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
      this.#noteVersion(this.#rooms.get(topic)!, server, 0).queriedAt = now;
    }
    this.#query(inboxTopic(server), topics);
  }

  #query(brokerTopic: string, topics: readonly string[]): void {
    if (!this.#isReady) return;
    for (const some of splitUp(topics, lengthOfText)) {
      const id = this.#sentQueries.add(some, this.#clock.now());
      void this.#send(brokerTopic, { type: "ask", from: this.#id, id, topics: some });
    }
  }

  #sendLookup(topic: string): void {
    const onAnswer = (server: string) => this.#receiveAnswer(topic, server);
    const id = this.#sentQueries.add([topic], this.#clock.now(), onAnswer);
    void this.#send(SERVERS_TOPIC, { type: "ask", from: this.#id, id, topics: [topic] });
    this.#lookups.wait(topic, this.#peers.keys());
    // There may be nobody to wait for.
    this.#receiveAnswer(topic, this.#id);
  }

  #answer(brokerTopic: string, { from, id, topics }: Query): void {
    const snapshots: TopicSnapshot[] = [];
    for (const topic of topics) {
      const shares = this.ownShares(topic);
      const version = this.#sender.versionOf(topic);
      if (shares.length > 0 || version !== undefined) snapshots.push([topic, version ?? 0, shares]);
    }
    // A query through a topic asks only servers that have members there.
    if (snapshots.length === 0 && topicOfRoom(brokerTopic) !== undefined) return;
    this.#sendSnapshots(inboxTopic(from), id, snapshots).catch(() => {});
  }

  /** Sends what this server has in topics, in as many parts as it needs. */
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
    const from = this.#id;
    await Promise.all(parts.map((topics, part) => {
      const isEnd = part === parts.length - 1;
      return this.#post(brokerTopic, { type: "state", from, id, part, isEnd, version, topics });
    }));
  }

  #receiveAnswer(topic: string, server: string): void {
    const now = this.#clock.now();
    if (!this.#lookups.receiveAnswer(topic, server) || now < this.#acquaintedAt) return;
    const room = this.#rooms.get(topic);
    if (room !== undefined) room.knownAt = Math.min(room.knownAt, now);
    this.#lookups.end(topic);
  }

  /** Sends what may be lost. */
  #send(brokerTopic: string, message: PresenceMessage): Promise<void> {
    return this.#post(brokerTopic, message).catch(() => {});
  }

  #post(brokerTopic: string, message: PresenceMessage): Promise<void> {
    return this.#link.sendPresence(brokerTopic, encodePresenceMessage(message));
  }
}

function lengthOfSnapshot([topic, , shares]: TopicSnapshot): number {
  let length = 32 + lengthOfText(topic);
  for (const share of shares) length += lengthOfEntry(share);
  return length;
}
