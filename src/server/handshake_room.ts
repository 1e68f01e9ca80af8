import type { Address } from "../transport/byte_channel.ts";
import type { Clock } from "../transport/clock.ts";
import { addressGroup } from "../transport/address_group.ts";
import { Crowd } from "./crowd.ts";

/**
 * What an opening handshake waits for: the peer, of which nothing was heard, or which has its answer
 * and only has to leave; the peer, which has not sent all of its request; the program's hook; or the
 * response, which may be a stream without end.
 */
export type HandshakeStage = "silent" | "begun" | "served" | "answering";

/** A place among the handshakes in progress. */
export interface HandshakePlace {
  /** Notes what the handshake waits for now; at first it is `"silent"`. */
  move(stage: HandshakeStage): void;
  /** Gives the place back, once; more often does nothing. */
  leave(): void;
}

/** How long a peer may take for its request before it is late, in milliseconds: longer than most do. */
const GRACE_MS = 500;

/**
 * The room that there is for opening handshakes, those of TLS included. Where all of it is taken, one
 * that waits for its peer makes room for a newcomer, so that peers that send nothing lock nobody out.
 * Those that have waited for half a second, silent or begun, go first: of the address that has the
 * most of them, the one that came first. Where there are none:
 *
 * 1. Of those that are silent and those that have begun, one of which an address has more; where
 *    that is equal, of which there are more; where that is equal too, the silent.
 * 2. Of these, one of the address that has the most.
 * 3. Of these, the one that came first.
 *
 * If there are none of either, a response that is being sent makes room, in the same way. Those that wait
 * for a hook make room for nobody: if all do, there is none for a newcomer.
 */
export class HandshakeRoom {
  readonly #max: number;
  readonly #clock: Clock;
  readonly #silent: Crowd<Place> = new Crowd();
  readonly #begun: Crowd<Place> = new Crowd();
  /** The silent and the begun that are late. */
  readonly #late: Crowd<Place> = new Crowd();
  readonly #answering: Crowd<Place> = new Crowd();
  /** The silent and the begun that were not late when it was looked last, in the order they came. */
  readonly #recent: Set<Place> = new Set();
  #size = 0;

  /**
   * Creates a room of which nothing is taken.
   *
   * @param max How many places there are.
   */
  constructor(max: number, clock: Clock) {
    this.#max = max;
    this.#clock = clock;
  }

  /** How many places are taken. */
  get size(): number {
    return this.#size;
  }

  /**
   * Takes a place.
   *
   * @param makeRoom Called where it has to be given to a newcomer; it is given back already.
   * @returns The place; `undefined` where there is none.
   */
  enter(remote: Address, makeRoom: () => void): HandshakePlace | undefined {
    if (this.#size >= this.#max) {
      const victim = this.#victim;
      if (victim === undefined) return undefined;
      victim.leave();
      victim.makeRoom();
    }
    this.#size++;
    const place = new Place(addressGroup(remote), makeRoom, this);
    place.move("silent");
    return place;
  }

  /** Sorts a place in anew that has waited for `before`; `undefined` where it is a new one, or has left. */
  sort(place: Place, before: HandshakeStage | undefined, now: HandshakeStage | undefined): void {
    const waits = isPeersTurn(now);
    const goesOn = waits && isPeersTurn(before);
    // To have begun makes nobody less late.
    if (goesOn && place.crowd === this.#late) return;
    place.crowd?.delete(place.group, place);
    if (!goesOn) this.#recent.delete(place);
    if (waits && !goesOn) {
      place.since = this.#clock.now();
      this.#recent.add(place);
    }
    this.#put(place, this.#crowdOf(now));
    if (now === undefined) this.#size--;
  }

  #put(place: Place, crowd: Crowd<Place> | undefined): void {
    place.crowd = crowd;
    crowd?.add(place.group, place);
  }

  #crowdOf(stage: HandshakeStage | undefined): Crowd<Place> | undefined {
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

  get #victim(): Place | undefined {
    this.#findLate();
    if (this.#late.size > 0) return this.#late.first;
    const silent = this.#silent;
    const begun = this.#begun;
    if (silent.size + begun.size === 0) return this.#answering.first;
    const difference = silent.largestSize - begun.largestSize || silent.size - begun.size;
    return difference >= 0 ? silent.first : begun.first;
  }

  /** Each becomes late once: it takes constant time for each newcomer, all in all. */
  #findLate(): void {
    const last = this.#clock.now() - GRACE_MS;
    for (const place of this.#recent) {
      if (place.since > last) return;
      this.#recent.delete(place);
      place.crowd?.delete(place.group, place);
      this.#put(place, this.#late);
    }
  }
}

function isPeersTurn(stage: HandshakeStage | undefined): boolean {
  return stage === "silent" || stage === "begun";
}

class Place implements HandshakePlace {
  readonly group: string;
  readonly makeRoom: () => void;
  /** Those among whom it may have to make room, if so. */
  crowd: Crowd<Place> | undefined;
  /** Since when it waits for its peer, where it does. */
  since = 0;
  readonly #room: HandshakeRoom;
  #stage: HandshakeStage | undefined;
  #hasLeft = false;

  constructor(group: string, makeRoom: () => void, room: HandshakeRoom) {
    this.group = group;
    this.makeRoom = makeRoom;
    this.#room = room;
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
    this.#room.sort(this, before, stage);
  }
}
