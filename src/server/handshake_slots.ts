import { LinkedList, type Place } from "../linked_list.ts";
import type { Address } from "../transport/byte_channel.ts";
import type { Clock } from "../transport/clock.ts";
import type { HandshakeEviction, Queued } from "./handshake_eviction.ts";
import { rest } from "./load_parts.ts";

/**
 * What an opening handshake waits for. `"silent"`: a peer that has sent nothing, or has its response and only
 * has to end. `"begun"`: a peer that has sent a part of its request. `"served"`: the program's hook.
 * `"answering"`: a peer that reads the response, which may be a stream without end.
 */
export type HandshakeStage = "silent" | "begun" | "served" | "answering";

/**
 * The slots for opening handshakes, TLS handshakes included. If all are in use, a newcomer gets the slot of
 * one that waits for its peer, so that peers that send nothing can't lock others out; {@linkcode HandshakeEviction}
 * says which. Those that wait for a hook keep their slots: if all do, the newcomer gets none.
 */
export class HandshakeSlots {
  readonly #max: number;
  readonly #clock: Clock;
  /** Those in use, in the order in which they moved last. */
  readonly #slots: LinkedList<HandshakeSlot> = new LinkedList();
  /** Set once all were in use. */
  #eviction: HandshakeEviction | undefined;

  constructor(max: number, clock: Clock) {
    this.#max = max;
    this.#clock = clock;
  }

  get size(): number {
    return this.#slots.size;
  }

  /** Takes a slot, if there is one. `onEvicted` is called if a newcomer gets it, and it has been given back. */
  take(remote: Address, onEvicted: () => void): HandshakeSlot | undefined {
    if (this.size >= this.#max) {
      this.#eviction ??= new rest.HandshakeEviction(this.#slots, this.#clock);
      const { victim } = this.#eviction;
      if (victim === undefined) return undefined;
      victim.leave();
      victim.onEvicted();
    }
    return new HandshakeSlot(remote, onEvicted, this);
  }

  /** Notes that a slot moves to the stage `now`, or is given back if that is `undefined`. */
  note(slot: HandshakeSlot, now: HandshakeStage | undefined): void {
    const { place, since } = slot;
    if (place !== undefined) this.#slots.delete(place);
    if (now !== undefined) slot.place = this.#slots.add(slot);
    const waits = now === "silent" || now === "begun";
    slot.since = waits ? since ?? this.#clock.now() : undefined;
    this.#eviction?.sort(slot, now, waits && since !== undefined);
  }
}

/** A slot for one of the handshakes in progress. */
export class HandshakeSlot {
  readonly remote: Address;
  readonly onEvicted: () => void;
  /** What it waits for; `undefined` once the slot is given back. */
  stage: HandshakeStage | undefined;
  place: Place<HandshakeSlot> | undefined;
  /** Since when it has waited for its peer to begin its request, or to go on with it, if it does. */
  since: number | undefined;
  /** Its places in the queues of those that may be evicted, once there are such queues. */
  queued: Queued | undefined;
  readonly #slots: HandshakeSlots;

  constructor(remote: Address, onEvicted: () => void, slots: HandshakeSlots) {
    this.remote = remote;
    this.onEvicted = onEvicted;
    this.#slots = slots;
    this.#setStage("silent");
  }

  /** Says what the handshake waits for now. */
  move(stage: HandshakeStage): void {
    if (this.stage !== undefined) this.#setStage(stage);
  }

  /** Gives the slot back. Calling it again does nothing. */
  leave(): void {
    this.#setStage(undefined);
  }

  #setStage(stage: HandshakeStage | undefined): void {
    if (stage === this.stage) return;
    this.#slots.note(this, stage);
    this.stage = stage;
  }
}
