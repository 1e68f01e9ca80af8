import type { Address } from "../connection/byte_channel.ts";
import { addressGroup } from "./address_group.ts";
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

/**
 * The room that there is for opening handshakes, those of TLS included. Where all of it is taken, one
 * that waits for its peer makes room for a newcomer, so that peers that send nothing lock nobody out:
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
  readonly #silent: Crowd<Place> = new Crowd();
  readonly #begun: Crowd<Place> = new Crowd();
  readonly #answering: Crowd<Place> = new Crowd();
  #size = 0;

  /** @param max How many places there are. */
  constructor(max: number) {
    this.#max = max;
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
    return new Place(addressGroup(remote), makeRoom, this);
  }

  /** Those that are in a stage, where they may have to make room. */
  crowdOf(stage: HandshakeStage): Crowd<Place> | undefined {
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

  /** Takes a place back. */
  release(): void {
    this.#size--;
  }

  get #victim(): Place | undefined {
    const silent = this.#silent;
    const begun = this.#begun;
    if (silent.size + begun.size === 0) return this.#answering.first;
    const difference = silent.largestSize - begun.largestSize || silent.size - begun.size;
    return difference >= 0 ? silent.first : begun.first;
  }
}

class Place implements HandshakePlace {
  readonly #group: string;
  readonly makeRoom: () => void;
  readonly #room: HandshakeRoom;
  #stage: HandshakeStage = "silent";
  #hasLeft = false;

  constructor(group: string, makeRoom: () => void, room: HandshakeRoom) {
    this.#group = group;
    this.makeRoom = makeRoom;
    this.#room = room;
    room.crowdOf(this.#stage)?.add(group, this);
  }

  move(stage: HandshakeStage): void {
    if (stage === this.#stage || this.#hasLeft) return;
    this.#room.crowdOf(this.#stage)?.delete(this.#group, this);
    this.#stage = stage;
    this.#room.crowdOf(stage)?.add(this.#group, this);
  }

  leave(): void {
    if (this.#hasLeft) return;
    this.#hasLeft = true;
    this.#room.crowdOf(this.#stage)?.delete(this.#group, this);
    this.#room.release();
  }
}
