import { lengthOfEntry, lengthOfText, splitUp, type Update } from "./message.ts";
import type { ShareEntry } from "./room.ts";
import { queueMicrotask } from "../../timers.ts";

/** What the other servers were told of a topic, and what is still to be told. */
interface Told {
  /** The version that they have, as far as nothing was lost; 0 before the first one. */
  version: number;
  /** Whether nobody is there in that version. */
  isEmpty: boolean;
  /** The keys of members that have changed since. */
  changed: Set<string>;
  /** Whether it is not known what they have. */
  isLost: boolean;
  isSending: boolean;
}

/** What a {@linkcode PresenceSender} tells. */
export interface PresenceVersions {
  /** Gives a number that is greater than all before. */
  nextVersion(): number;
  /** Who is in a topic on this server. */
  ownShares(topic: string): ShareEntry[];
  /** Tells the others of changes; rejects where they may not get it. */
  sendUpdate(topic: string, update: Omit<Update, "type" | "from">): Promise<void>;
  /** Tells the others all there is; rejects where they may not get it. */
  sendSnapshot(topic: string, version: number): Promise<void>;
}

/**
 * Tells the other servers what changes in this server's topics. Of each topic one thing is told at a time:
 * what changes meanwhile, or while the broker is away, is put together.
 */
export class PresenceSender {
  readonly #versions: PresenceVersions;
  readonly #told: Map<string, Told> = new Map();
  #scheduled: Set<string> = new Set();
  #isConnected = false;

  constructor(versions: PresenceVersions) {
    this.#versions = versions;
  }

  /** The topics that the others know of. */
  get topics(): IterableIterator<string> {
    return this.#told.keys();
  }

  /** The number of topics that the others know of. */
  get size(): number {
    return this.#told.size;
  }

  /** The version that the others were told last; `undefined` where nothing is to be known. */
  versionOf(topic: string): number | undefined {
    return this.#told.get(topic)?.version;
  }

  /** Has a change of a member told at the end of this turn. */
  change(topic: string, key: string): void {
    let told = this.#told.get(topic);
    if (told === undefined) {
      const changed = new Set<string>();
      told = { version: 0, isEmpty: true, changed, isLost: false, isSending: false };
      this.#told.set(topic, told);
    }
    told.changed.add(key);
    if (this.#scheduled.size === 0) queueMicrotask(() => this.#sendScheduled());
    this.#scheduled.add(topic);
  }

  /** Begins to tell. */
  connect(): void {
    this.#isConnected = true;
    this.retry();
  }

  /** Stops to tell. */
  disconnect(): void {
    this.#isConnected = false;
  }

  /** Stops to tell, and forgets what the others know. */
  clear(): void {
    this.#isConnected = false;
    this.#told.clear();
  }

  /** Tells what could not be told before. */
  retry(): void {
    for (const [topic, told] of this.#told) this.#send(topic, told);
  }

  #sendScheduled(): void {
    const topics = this.#scheduled;
    this.#scheduled = new Set();
    for (const topic of topics) {
      const told = this.#told.get(topic);
      if (told !== undefined) this.#send(topic, told);
    }
  }

  #send(topic: string, told: Told): void {
    if (!this.#isConnected || told.isSending) return;
    if (told.changed.size === 0 && !told.isLost) {
      if (told.isEmpty) this.#told.delete(topic);
      return;
    }
    void this.#sendChanges(topic, told);
  }

  async #sendChanges(topic: string, told: Told): Promise<void> {
    told.isSending = true;
    const sent = told.isLost ? this.#sendAll(topic, told) : this.#sendUpdates(topic, told);
    try {
      await Promise.all(sent);
    } catch {
      // Nobody is told: it is made good when the broker is back, or with the next heartbeat.
      told.isLost = true;
    }
    told.isSending = false;
    // It may have been forgotten, and begun anew, meanwhile.
    if (!told.isLost && this.#told.get(topic) === told) this.#send(topic, told);
  }

  #sendAll(topic: string, told: Told): Promise<void>[] {
    told.version = this.#versions.nextVersion();
    told.isEmpty = this.#versions.ownShares(topic).length === 0;
    told.isLost = false;
    told.changed.clear();
    return [this.#versions.sendSnapshot(topic, told.version)];
  }

  #sendUpdates(topic: string, told: Told): Promise<void>[] {
    const shares = new Map(this.#versions.ownShares(topic));
    const changes: [key: string, entry: ShareEntry | undefined][] = [];
    for (const key of told.changed) {
      const share = shares.get(key);
      if (share !== undefined) changes.push([key, [key, share]]);
      // Who came and went meanwhile was never told of.
      else if (!told.isEmpty) changes.push([key, undefined]);
    }
    told.changed.clear();
    const sent: Promise<void>[] = [];
    for (const some of splitUp(changes, lengthOfChange)) {
      const after = told.isEmpty ? 0 : told.version;
      told.version = this.#versions.nextVersion();
      const set = some.map(([, entry]) => entry).filter((entry) => entry !== undefined);
      const gone = some.filter(([, entry]) => entry === undefined).map(([key]) => key);
      if (set.length > 0) told.isEmpty = false;
      sent.push(this.#versions.sendUpdate(topic, { after, version: told.version, set, gone }));
    }
    told.isEmpty = shares.size === 0;
    return sent;
  }
}

function lengthOfChange([key, entry]: [key: string, entry: ShareEntry | undefined]): number {
  return entry === undefined ? lengthOfText(key) : lengthOfEntry(entry);
}
