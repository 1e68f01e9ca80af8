import { HandshakeError } from "../errors.ts";
import { LinkedList, type Place } from "../linked_list.ts";
import { addressGroup } from "../transport/address_group.ts";
import type { Clock } from "../transport/clock.ts";
import { GroupedQueue, type GroupPlace } from "./grouped_queue.ts";
import type { HandshakeSlot, HandshakeStage } from "./handshake_slots.ts";

/** A peer that takes longer than this for its request, in milliseconds, is late. Most are faster. */
const GRACE_MS = 500;

/** A slot's places in the queues. */
export interface Queued {
  /** The group of its address. */
  readonly group: string;
  /** The queue of those that may be evicted, and the place in it, if it is in one. */
  queue?: GroupedQueue<HandshakeSlot> | undefined;
  place?: GroupPlace<HandshakeSlot> | undefined;
  /** The place among those that are not late, once it had one. */
  recent?: Place<HandshakeSlot>;
}

/**
 * Chooses the handshake that makes room for a newcomer. Those that have waited for half a second, silent or
 * begun, go first: of the address that has the most of them, the oldest. If there are none:
 *
 * 1. Of the silent and the begun, the kind of which some address has more; if equal, the kind of which there
 *    are more; if that is equal too, the silent.
 * 2. Of that kind, those of the address that has the most.
 * 3. Of these, the oldest.
 *
 * If there are none of either kind, one whose response is being sent goes, by the same rule.
 */
export class HandshakeEviction {
  readonly #clock: Clock;
  /** Those that may be evicted, by their stage, but for those that are late. */
  readonly #queues = {
    silent: new GroupedQueue<HandshakeSlot>(),
    begun: new GroupedQueue<HandshakeSlot>(),
    answering: new GroupedQueue<HandshakeSlot>(),
    served: undefined,
  };
  /** The silent and the begun that are late. */
  readonly #late: GroupedQueue<HandshakeSlot> = new GroupedQueue();
  /** The silent and the begun that were not late at the last check, from the oldest to the newest. */
  readonly #recent: LinkedList<HandshakeSlot> = new LinkedList();

  /** @param slots The slots in use, in the order in which they moved last. */
  constructor(slots: Iterable<HandshakeSlot>, clock: Clock) {
    this.#clock = clock;
    const all = [...slots];
    for (const slot of all) this.#put(slot, this.#queues[slot.stage!]);
    const waiting = all.filter(({ since }) => since !== undefined);
    waiting.sort((a, b) => a.since! - b.since!);
    for (const slot of waiting) placesOf(slot).recent = this.#recent.add(slot);
  }

  /** Moves a slot to the queue of the stage `now`, if any. `goesOn`: it waits for its peer, and did before. */
  sort(slot: HandshakeSlot, now: HandshakeStage | undefined, goesOn: boolean): void {
    const queued = placesOf(slot);
    // A peer that was late as silent stays late when it begins.
    if (goesOn && queued.queue === this.#late) return;
    if (!goesOn && queued.recent !== undefined) this.#recent.delete(queued.recent);
    if (slot.since !== undefined && !goesOn) queued.recent = this.#recent.add(slot);
    this.#put(slot, now && this.#queues[now]);
  }

  #put(slot: HandshakeSlot, queue: GroupedQueue<HandshakeSlot> | undefined): void {
    const queued = placesOf(slot);
    if (queued.place !== undefined) queued.queue!.delete(queued.place);
    queued.queue = queue;
    queued.place = queue?.add(queued.group, slot);
  }

  /** The slot whose handshake is to make room, if one may. */
  get victim(): HandshakeSlot | undefined {
    this.#findLate();
    if (this.#late.size > 0) return this.#late.first;
    const { silent, begun, answering } = this.#queues;
    if (silent.size + begun.size === 0) return answering.first;
    const difference = silent.largestSize - begun.largestSize || silent.size - begun.size;
    return difference >= 0 ? silent.first : begun.first;
  }

  /** Each becomes late once, so this takes constant time for each newcomer on average. */
  #findLate(): void {
    const last = this.#clock.now() - GRACE_MS;
    for (let first = this.#recent.first; first !== undefined; first = this.#recent.first) {
      if (first.value.since! > last) return;
      this.#recent.delete(first);
      this.#put(first.value, this.#late);
    }
  }
}

/** Creates the error for a handshake that makes room: what its program is told. */
export function noRoom(): HandshakeError {
  const reason = "The response makes room for another client: maxHandshakes are in progress";
  return new HandshakeError(503, reason);
}

function placesOf(slot: HandshakeSlot): Queued {
  return slot.queued ??= { group: addressGroup(slot.remote) };
}
