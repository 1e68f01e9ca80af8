import { addressGroup } from "../transport/address_group.ts";
import type { Address } from "../transport/byte_channel.ts";
import type { Clock } from "../transport/clock.ts";
import { LinkedList, type Place } from "../linked_list.ts";
import { GroupedQueue, type GroupPlace } from "./grouped_queue.ts";

/**
 * What an opening handshake waits for. `"silent"`: a peer that has sent nothing, or has its response and only
 * has to end. `"begun"`: a peer that has sent a part of its request. `"served"`: the program's hook.
 * `"answering"`: a peer that reads the response, which may be a stream without end.
 */
export type HandshakeStage = "silent" | "begun" | "served" | "answering";

/** A slot for one of the handshakes in progress. */
export interface HandshakeSlot {
  /** Says what the handshake waits for now. At first it is `"silent"`. */
  move(stage: HandshakeStage): void;
  /** Gives the slot back. Calling it again does nothing. */
  leave(): void;
}

/** A peer that takes longer than this for its request, in milliseconds, is late. Most are faster. */
const GRACE_MS = 500;

/**
 * The slots for opening handshakes, TLS handshakes included. If all are in use, a newcomer gets the slot of
 * one that waits for its peer, so that peers that send nothing can't lock others out. Those that have waited
 * for half a second, silent or begun, go first: of the address that has the most of them, the oldest. If
 * there are none:
 *
 * 1. Of the silent and the begun, the kind of which some address has more; if equal, the kind of which there
 *    are more; if that is equal too, the silent.
 * 2. Of that kind, those of the address that has the most.
 * 3. Of these, the oldest.
 *
 * If there are none of either kind, one whose response is being sent goes, by the same rule. Those that wait
 * for a hook keep their slots: if all do, the newcomer gets none.
 */
export class HandshakeSlots {
  readonly #max: number;
  readonly #clock: Clock;
  readonly #silent: GroupedQueue<Slot> = new GroupedQueue();
  readonly #begun: GroupedQueue<Slot> = new GroupedQueue();
  /** The silent and the begun that are late. */
  readonly #late: GroupedQueue<Slot> = new GroupedQueue();
  readonly #answering: GroupedQueue<Slot> = new GroupedQueue();
  /** The silent and the begun that were not late at the last check, from the oldest to the newest. */
  readonly #recent: LinkedList<Slot> = new LinkedList();
  #size = 0;

  /** @param max The number of slots. */
  constructor(max: number, clock: Clock) {
    this.#max = max;
    this.#clock = clock;
  }

  /** The number of slots in use. */
  get size(): number {
    return this.#size;
  }

  /**
   * Takes a slot.
   *
   * @param onEvicted Called if it is given to a newcomer. It has been given back already.
   * @returns The slot, or `undefined` if there is none.
   */
  take(remote: Address, onEvicted: () => void): HandshakeSlot | undefined {
    if (this.#size >= this.#max) {
      const victim = this.#victim;
      if (victim === undefined) return undefined;
      victim.leave();
      victim.onEvicted();
    }
    this.#size++;
    const slot = new Slot(addressGroup(remote), onEvicted, this);
    slot.move("silent");
    return slot;
  }

  /** Moves a slot between queues. `before` is `undefined` for a new one, `now` for one that is given back. */
  sort(slot: Slot, before: HandshakeStage | undefined, now: HandshakeStage | undefined): void {
    const waits = isPeersTurn(now);
    const goesOn = waits && isPeersTurn(before);
    // A peer that was late as silent stays late when it begins.
    if (goesOn && slot.queue === this.#late) return;
    if (!goesOn && slot.recent !== undefined) this.#recent.delete(slot.recent);
    if (waits && !goesOn) {
      slot.since = this.#clock.now();
      slot.recent = this.#recent.add(slot);
    }
    this.#put(slot, this.#queueOf(now));
    if (now === undefined) this.#size--;
  }

  #put(slot: Slot, queue: GroupedQueue<Slot> | undefined): void {
    if (slot.place !== undefined) slot.queue!.delete(slot.place);
    slot.queue = queue;
    slot.place = queue?.add(slot.group, slot);
  }

  #queueOf(stage: HandshakeStage | undefined): GroupedQueue<Slot> | undefined {
    switch (stage) {
      case "silent":
        return this.#silent;
      case "begun":
        return this.#begun;
      case "answering":
        return this.#answering;
      default:
        return undefined;
    }
  }

  get #victim(): Slot | undefined {
    this.#findLate();
    if (this.#late.size > 0) return this.#late.first;
    const silent = this.#silent;
    const begun = this.#begun;
    if (silent.size + begun.size === 0) return this.#answering.first;
    const difference = silent.largestSize - begun.largestSize || silent.size - begun.size;
    return difference >= 0 ? silent.first : begun.first;
  }

  /** Each becomes late once, so this takes constant time for each newcomer on average. */
  #findLate(): void {
    const last = this.#clock.now() - GRACE_MS;
    for (let first = this.#recent.first; first !== undefined; first = this.#recent.first) {
      if (first.value.since > last) return;
      this.#recent.delete(first);
      this.#put(first.value, this.#late);
    }
  }
}

function isPeersTurn(stage: HandshakeStage | undefined): boolean {
  return stage === "silent" || stage === "begun";
}

class Slot implements HandshakeSlot {
  readonly group: string;
  readonly onEvicted: () => void;
  /** The queue of those that may be evicted, and the place in it, if it is in one. */
  queue: GroupedQueue<Slot> | undefined;
  place: GroupPlace<Slot> | undefined;
  /** The place among those that are not late, once it had one. */
  recent: Place<Slot> | undefined;
  /** When it began to wait for its peer, if it does. */
  since = 0;
  readonly #slots: HandshakeSlots;
  #stage: HandshakeStage | undefined;
  #hasLeft = false;

  constructor(group: string, onEvicted: () => void, slots: HandshakeSlots) {
    this.group = group;
    this.onEvicted = onEvicted;
    this.#slots = slots;
  }

  move(stage: HandshakeStage): void {
    if (!this.#hasLeft) this.#setStage(stage);
  }

  leave(): void {
    if (this.#hasLeft) return;
    this.#hasLeft = true;
    this.#setStage(undefined);
  }

  #setStage(stage: HandshakeStage | undefined): void {
    const before = this.#stage;
    if (stage === before) return;
    this.#stage = stage;
    this.#slots.sort(this, before, stage);
  }
}
