import { lengthOfEntry, lengthOfText, splitUp } from "./message.ts";
import type { PresenceGroup } from "./group.ts";
import type { ShareEntry } from "./room.ts";
import { queueMicrotask } from "../../timers.ts";

/** What the other servers were told of a topic. */
interface Told {
  /** The version that they have if no message was lost; 0 before the first one. */
  version: number;
  /** Whether that version has no members. */
  isEmpty: boolean;
  /** The keys of members that have changed since. */
  changed: Set<string>;
  /** Whether a message may have been lost, so that it is unknown what they have. */
  isLost: boolean;
  isSending: boolean;
}

/** How many characters of topics a heartbeat names, about. */
const MAX_DIGEST_LENGTH = 8 * 1024;

/** Tells the other servers what changes here: of a topic one message at a time, with all changes until then. */
export class PresenceSender {
  readonly #group: PresenceGroup;
  readonly #told: Map<string, Told> = new Map();
  #scheduled: Set<string> = new Set();
  /** The topics that the current round of digests has not named yet. */
  #unnamed: string[] = [];

  constructor(group: PresenceGroup) {
    this.#group = group;
  }

  /** The number of topics that the other servers were told of. */
  get size(): number {
    return this.#told.size;
  }

  /** Returns some of these topics with their versions, in rounds, and whether the round has named all of them. */
  nextDigest(): { digest: [topic: string, version: number][]; isEnd: boolean } {
    if (this.#unnamed.length === 0) this.#unnamed = [...this.#told.keys()].reverse();
    const digest: [topic: string, version: number][] = [];
    for (let length = 0; length < MAX_DIGEST_LENGTH && this.#unnamed.length > 0;) {
      const topic = this.#unnamed.pop()!;
      length += 16 + topic.length;
      const version = this.versionOf(topic);
      if (version !== undefined) digest.push([topic, version]);
    }
    return { digest, isEnd: this.#unnamed.length === 0 };
  }

  /** The version that the other servers were told last; `undefined` if they were told of none. */
  versionOf(topic: string): number | undefined {
    return this.#told.get(topic)?.version;
  }

  /** Tells of a change of a member at the end of this turn. */
  change(topic: string, key: string): void {
    const changed = this.#told.get(topic)?.changed ?? new Set();
    changed.add(key);
    if (!this.#told.has(topic)) {
      this.#told.set(topic, {
        version: 0,
        isEmpty: true,
        changed,
        isLost: false,
        isSending: false,
      });
    }
    if (this.#scheduled.size === 0) queueMicrotask(() => this.#sendScheduled());
    this.#scheduled.add(topic);
  }

  /** Forgets what the other servers were told. */
  clear(): void {
    this.#told.clear();
  }

  /** Sends changes that could not be sent before. */
  retry(): void {
    for (const [topic, told] of this.#told) void this.#send(topic, told);
  }

  #sendScheduled(): void {
    const topics = this.#scheduled;
    this.#scheduled = new Set();
    for (const topic of topics) void this.#send(topic, this.#told.get(topic));
  }

  async #send(topic: string, told: Told | undefined): Promise<void> {
    if (told === undefined || !this.#group.isReady || told.isSending) return;
    if (told.changed.size === 0 && !told.isLost) {
      if (told.isEmpty) this.#told.delete(topic);
      return;
    }
    told.isSending = true;
    const sent = told.isLost ? this.#sendAll(topic, told) : this.#sendUpdates(topic, told);
    try {
      await Promise.all(sent);
    } catch {
      // All members are sent again when the broker is back, or with the next heartbeat.
      told.isLost = true;
    }
    told.isSending = false;
    // Meanwhile, `clear` may have been called, and the topic may have been added again.
    if (!told.isLost && this.#told.get(topic) === told) void this.#send(topic, told);
  }

  #sendAll(topic: string, told: Told): Promise<void>[] {
    told.version = this.#group.nextVersion();
    told.isEmpty = this.#group.ownShares(topic).length === 0;
    told.isLost = false;
    told.changed.clear();
    return [this.#group.sendSnapshot(topic, told.version)];
  }

  #sendUpdates(topic: string, told: Told): Promise<void>[] {
    const shares = new Map(this.#group.ownShares(topic));
    const changes: [key: string, entry: ShareEntry | undefined][] = [];
    for (const key of told.changed) {
      const share = shares.get(key);
      if (share !== undefined) changes.push([key, [key, share]]);
      // The other servers were not told of a member that came and went meanwhile.
      else if (!told.isEmpty) changes.push([key, undefined]);
    }
    told.changed.clear();
    const sent: Promise<void>[] = [];
    for (const some of splitUp(changes, lengthOfChange)) {
      const after = told.isEmpty ? 0 : told.version;
      told.version = this.#group.nextVersion();
      const set = some.map(([, entry]) => entry).filter((entry) => entry !== undefined);
      const gone = some.filter(([, entry]) => entry === undefined).map(([key]) => key);
      if (set.length > 0) told.isEmpty = false;
      sent.push(this.#group.sendUpdate(topic, { after, version: told.version, set, gone }));
    }
    told.isEmpty = shares.size === 0;
    return sent;
  }
}

function lengthOfChange([key, entry]: [key: string, entry: ShareEntry | undefined]): number {
  return entry === undefined ? lengthOfText(key) : lengthOfEntry(entry);
}
