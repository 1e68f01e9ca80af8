import { checkBrokerTopic } from "../cluster/broker_names.ts";
import type { Clock } from "../../transport/clock.ts";
import type { Sendable } from "../../connection/connection.ts";
import { PresenceAsks } from "./asked_queries.ts";
import { TopicRotation } from "./digest.ts";
import {
  type Ask,
  type Beat,
  encodePresenceMessage,
  inboxTopic,
  lengthOfEntry,
  lengthOfText,
  parsePresenceMessage,
  type PresenceMessage,
  roomTopic,
  SERVERS_TOPIC,
  splitUp,
  type State,
  topicOfRoom,
  type TopicState,
  type Update,
} from "./message.ts";
import { PresenceQueries } from "./queries.ts";
import { type PeerStanding, PresenceRoom, type RoomChange, type ShareEntry } from "./room.ts";
import { PresenceSender, type PresenceVersions } from "./sender.ts";

/** How long others may take to answer, in milliseconds. */
const ANSWER_MS = 1_000;
/** The longest time between two beats, in milliseconds. */
const MAX_BEAT_MS = 60_000;
/** After how many beats a server takes leave that has nothing to watch: it may be about to, again. */
const IDLE_BEATS = 3;
/** How many topics are asked for one by one, rather than of all servers at once. */
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

/** Tells those who watch of changes, or, where those that came are no news, of the others. */
export type TellChanges = (
  room: PresenceRoom,
  changes: readonly RoomChange[],
  isNews: boolean,
) => void;

/** Takes what a broker has to tell of presence. */
export interface PresenceBrokerHandler {
  /**
   * Takes a message.
   *
   * @throws {Error} Where it is none. It says what is wrong.
   */
  receiveMessage(brokerTopic: string, data: Sendable): void;
  /** Is told that the broker can be reached, and is subscribed again to what it was. */
  receiveConnected(): void;
  /** Is told that the broker can't be reached. */
  receiveLost(): void;
  /** Is told of topics that the broker is subscribed to from now on. */
  receiveSubscribed(brokerTopics: readonly string[]): void;
  /** Says goodbye; resolves when that has been said. */
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
 * which of them are alive. See `presence_message.ts` for what they tell one another.
 */
export class PresenceGroup implements PresenceBrokerHandler, PresenceVersions {
  readonly #link: PresenceLink;
  readonly #clock: Clock;
  readonly #ttlMs: number;
  readonly #beatMs: number;
  readonly #id: string;
  readonly #tell: TellChanges;
  readonly #rooms: Map<string, PresenceRoom> = new Map();
  readonly #queries: PresenceQueries;
  readonly #peers: Map<string, Peer> = new Map();
  readonly #sender: PresenceSender = new PresenceSender(this);
  readonly #asks: PresenceAsks = new PresenceAsks();
  readonly #rotation: TopicRotation = new TopicRotation();
  /** The topics of the broker that it has confirmed. */
  readonly #subscribed: Set<string> = new Set();
  #state: "idle" | "active" | "closed" = "idle";
  #isConnected = false;
  /** Whether it is known that the broker can't be reached. */
  #isLost = false;
  /** Whether others can be asked, and told. */
  #isReady = false;
  /** From when on all servers are known. */
  #acquaintedAt = Infinity;
  #lastNumber = 0;
  #nextBeatAt = 0;
  #idleBeats = 0;
  #isBeating = false;
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
    this.#queries = new PresenceQueries(clock, ANSWER_MS);
    this.#ttlMs = ttlMs;
    this.#beatMs = Math.max(1, Math.floor(Math.min(ttlMs / 3, MAX_BEAT_MS)));
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
    this.#idleBeats = 0;
    this.#subscribed.delete(roomTopic(topic));
    this.#link.deletePresenceTopic(roomTopic(topic));
  }

  /** Tells the others of a change of this server's own. */
  change(room: PresenceRoom, key: string): void {
    this.#sender.change(room.topic, key);
  }

  /** Whether what there is to be known of a room is known. */
  isSettled(room: PresenceRoom): boolean {
    return room.settledAt <= this.#clock.now();
  }

  /** Asks all servers who is in a topic; resolves, with or without their answers, with what is known. */
  async query(topic: string): Promise<PresenceRoom> {
    const before = this.#rooms.get(topic);
    if (this.#state === "closed") return before ?? new PresenceRoom(topic);
    this.#activate();
    const isAsked = this.#queries.has(topic);
    const answer = this.#queries.add(topic);
    if (this.#isLost) this.#queries.end(topic);
    else if (!isAsked && this.#isReady) this.#askQuery(topic);
    const found = await answer;
    const room = this.#rooms.get(topic);
    if (room !== undefined && (room === before || this.isSettled(room))) return room;
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

  async sendState(topic: string, version: number): Promise<void> {
    await this.#sendStates(roomTopic(topic), -version, [[topic, version, this.ownShares(topic)]]);
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
    for (const topic of this.#queries.topics) this.#queries.end(topic);
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
    this.#askForRooms(topics, false);
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
        return this.#receiveBeat(peer, message);
      case "update":
        return this.#receiveUpdate(brokerTopic, message);
      case "ask":
        return this.#answer(brokerTopic, message);
      case "state":
        return this.#receiveState(message);
    }
  }

  // ---- Being there ----

  #activate(): void {
    this.#idleBeats = 0;
    if (this.#state !== "idle") return;
    this.#state = "active";
    this.#link.addPresenceTopic(SERVERS_TOPIC);
    this.#link.addPresenceTopic(inboxTopic(this.#id));
    this.#nextBeatAt = this.#clock.now() + this.#beatMs;
    this.#schedule();
  }

  /** Says hello, where it can be answered. */
  #begin(): void {
    if (this.#isReady || !this.#isConnected || this.#state !== "active") return;
    if (!this.#subscribed.has(SERVERS_TOPIC) || !this.#subscribed.has(inboxTopic(this.#id))) return;
    this.#isReady = true;
    this.#acquaintedAt = this.#clock.now() + ANSWER_MS;
    this.#beat(SERVERS_TOPIC, true, false);
    this.#sender.connect();
    const topics = [...this.#rooms.keys()].filter((topic) =>
      this.#subscribed.has(roomTopic(topic))
    );
    // Those that are known must say what they have no more, too.
    this.#askForRooms(topics, this.#peers.size > 0);
    for (const topic of this.#queries.topics) this.#askQuery(topic);
  }

  /** Says goodbye. */
  #stop(): Promise<void> {
    if (this.#state !== "active") return Promise.resolve();
    const bye: PresenceMessage = { type: "bye", from: this.#id };
    const said = this.#isReady ? this.#send(SERVERS_TOPIC, bye) : Promise.resolve();
    this.#state = "idle";
    for (const topic of this.#queries.topics) this.#queries.end(topic);
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
    let dueAt = this.#nextBeatAt;
    for (const { heardAt } of this.#peers.values()) dueAt = Math.min(dueAt, heardAt + this.#ttlMs);
    this.#timerAt = Math.max(dueAt, now);
    this.#timer = this.#clock.setTimeout(() => this.#tick(), Math.ceil(this.#timerAt - now));
  }

  #tick(): void {
    const now = this.#clock.now();
    // Where this process stood still, what others said meanwhile has not been read yet.
    const lateMs = now - this.#timerAt;
    if (lateMs > this.#beatMs) { for (const peer of this.#peers.values()) peer.heardAt += lateMs; }
    for (const [server, { heardAt }] of this.#peers) {
      if (now - heardAt >= this.#ttlMs) this.#deletePeer(server);
    }
    if (now >= this.#nextBeatAt) {
      this.#nextBeatAt = now + this.#beatMs;
      this.#asks.forget(now - Math.max(this.#beatMs, ANSWER_MS));
      const isIdle = this.#rooms.size === 0 && this.#queries.size === 0;
      if (isIdle && this.#idleBeats++ === IDLE_BEATS) {
        void this.#stop();
        return;
      }
      this.#sender.retry();
      if (this.#isReady && !this.#isBeating) this.#beat(SERVERS_TOPIC, false, false);
    }
    this.#schedule();
  }

  /** Tells that this server is there. */
  #beat(brokerTopic: string, isHello: boolean, isReply: boolean): void {
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
    const beat: Beat = { type: "beat", from, isHello, isReply, topics: size, digest, isEnd };
    const sent = this.#send(brokerTopic, beat);
    if (isReply) return;
    this.#isBeating = true;
    void sent.then(() => this.#isBeating = false);
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

  /** Has a server be gone, and its members with it. */
  #deletePeer(server: string): void {
    if (!this.#peers.delete(server)) return;
    for (const room of this.#rooms.values()) {
      room.peers.delete(server);
      this.#tell(room, room.replace(server, []), true);
    }
    for (const topic of this.#queries.topics) {
      this.#queries.receive(topic, server, []);
      this.#receiveAnswer(topic, server);
    }
  }

  #receiveBeat(peer: Peer, { from, isHello, isReply, topics, digest, isEnd }: Beat): void {
    if (isHello) this.#beat(inboxTopic(from), false, true);
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
    if (!peer.isIntroduced && !isWhole) this.#askServer(from, [...this.#rooms.keys()]);
    else this.#askServer(from, behind);
    peer.isIntroduced = true;
    if (!isEnd) return;
    // What it has no more it does not name.
    const named = isWhole ? new Set(digest.map(([topic]) => topic)) : peer.named;
    const forgotten: string[] = [];
    for (const [topic, room] of this.#rooms) {
      if (named !== undefined && !named.has(topic) && room.has(from)) forgotten.push(topic);
    }
    this.#askServer(from, forgotten);
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
      if (this.#clock.now() - standing.askedAt >= ANSWER_MS) this.#askServer(from, [room.topic]);
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

  #receiveState(state: State): void {
    const { from } = state;
    const whole = this.#asks.receiveState(state, this.#clock.now());
    if (whole === undefined) return;
    this.#seeNumber(state.version);
    const behind: string[] = [];
    for (const [topic, { version, members }] of whole.topics) {
      this.#queries.receive(topic, from, members);
      const room = this.#rooms.get(topic);
      if (room === undefined) continue;
      const standing = this.#noteVersion(room, from, version);
      this.#peers.get(from)?.named?.add(topic);
      if (standing.seen > version) behind.push(topic);
      if (version < standing.version) continue;
      standing.version = version;
      const isNews = !whole.isAnswer || this.isSettled(room);
      this.#tell(room, room.replace(from, members), isNews);
    }
    this.#askServer(from, behind);
    whole.onAnswer?.(from);
  }

  #noteVersion(room: PresenceRoom, server: string, version: number): PeerStanding {
    let standing = room.peers.get(server);
    if (standing === undefined) {
      standing = { version: 0, seen: 0, askedAt: -Infinity };
      room.peers.set(server, standing);
    }
    standing.seen = Math.max(standing.seen, version);
    return standing;
  }

  /** Has versions and stamps of this server be greater than those of others that it knows. */
  #seeNumber(version: number): void {
    this.#lastNumber = Math.max(this.#lastNumber, version);
  }

  // ---- Asking, and answering ----

  /** Asks who is in topics that are watched here. */
  #askForRooms(topics: readonly string[], ofAll: boolean): void {
    const now = this.#clock.now();
    for (const topic of topics) {
      const room = this.#rooms.get(topic)!;
      if (room.settledAt === Infinity) room.settledAt = now + ANSWER_MS;
    }
    if (ofAll || topics.length > FEW_TOPICS) this.#ask(SERVERS_TOPIC, topics);
    else for (const topic of topics) this.#ask(roomTopic(topic), [topic]);
  }

  #askServer(server: string, topics: readonly string[]): void {
    const now = this.#clock.now();
    for (const topic of topics) this.#noteVersion(this.#rooms.get(topic)!, server, 0).askedAt = now;
    this.#ask(inboxTopic(server), topics);
  }

  #ask(brokerTopic: string, topics: readonly string[]): void {
    if (!this.#isReady) return;
    for (const some of splitUp(topics, lengthOfText)) {
      const id = this.#asks.add(some, this.#clock.now());
      void this.#send(brokerTopic, { type: "ask", from: this.#id, id, topics: some });
    }
  }

  #askQuery(topic: string): void {
    const onAnswer = (server: string) => this.#receiveAnswer(topic, server);
    const id = this.#asks.add([topic], this.#clock.now(), onAnswer);
    void this.#send(SERVERS_TOPIC, { type: "ask", from: this.#id, id, topics: [topic] });
    this.#queries.wait(topic, this.#peers.keys());
    // There may be nobody to wait for.
    this.#receiveAnswer(topic, this.#id);
  }

  #answer(brokerTopic: string, { from, id, topics }: Ask): void {
    const states: TopicState[] = [];
    for (const topic of topics) {
      const shares = this.ownShares(topic);
      const version = this.#sender.versionOf(topic);
      if (shares.length > 0 || version !== undefined) states.push([topic, version ?? 0, shares]);
    }
    // Where it was asked of those who have something to say, nothing is no answer.
    if (states.length === 0 && topicOfRoom(brokerTopic) !== undefined) return;
    this.#sendStates(inboxTopic(from), id, states).catch(() => {});
  }

  /** Sends what this server has in topics, in as many parts as it needs. */
  async #sendStates(brokerTopic: string, id: number, states: readonly TopicState[]): Promise<void> {
    const pieces: TopicState[] = [];
    for (const [topic, version, shares] of states) {
      if (shares.length === 0) pieces.push([topic, version, []]);
      for (const some of splitUp(shares, lengthOfEntry)) pieces.push([topic, version, some]);
    }
    const parts = [...splitUp(pieces, lengthOfState)];
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
    if (!this.#queries.receiveAnswer(topic, server) || now < this.#acquaintedAt) return;
    const room = this.#rooms.get(topic);
    if (room !== undefined) room.settledAt = Math.min(room.settledAt, now);
    this.#queries.end(topic);
  }

  /** Sends what may be lost. */
  #send(brokerTopic: string, message: PresenceMessage): Promise<void> {
    return this.#post(brokerTopic, message).catch(() => {});
  }

  #post(brokerTopic: string, message: PresenceMessage): Promise<void> {
    return this.#link.sendPresence(brokerTopic, encodePresenceMessage(message));
  }
}

function lengthOfState([topic, , shares]: TopicState): number {
  let length = 32 + lengthOfText(topic);
  for (const share of shares) length += lengthOfEntry(share);
  return length;
}
