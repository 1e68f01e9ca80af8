import { concatBytes } from "../../codec/byte_collector.ts";
import type { PublishedMessage } from "./published_message.ts";
import { PublishedFrames, type SharedTally } from "./shared_memory.ts";
import type { Subscriber } from "./subscriber.ts";

/** Longer chunks are not copied: that would cost more than to write them separately. */
const MAX_COPIED_LENGTH = 16 * 1024;
/** The longest chunk that others are copied to. */
const MAX_CHUNK_LENGTH = 64 * 1024;

export interface Entry {
  readonly topic: string;
  readonly message: PublishedMessage;
  /** Its number among all published messages. */
  readonly sequence: number;
}

/** Messages that the same subscribers get one after another, joined once for all of these subscribers. */
export class Batch {
  readonly entries: readonly Entry[];
  /** The sequence number of the first message, and that of the last plus 1. */
  readonly first: number;
  readonly end: number;
  /** Whether some subscribers don't get all messages. */
  readonly #hasExceptions: boolean;
  readonly #frames: Map<number, PublishedFrames> = new Map();

  constructor(entries: readonly Entry[]) {
    this.entries = entries;
    this.first = entries[0]!.sequence;
    this.end = entries.at(-1)!.sequence + 1;
    this.#hasExceptions = entries.some(({ message }) => !message.isForAll);
  }

  isFor(subscriber: Subscriber): boolean {
    return !this.#hasExceptions || this.entries.every(({ message }) => message.isFor(subscriber));
  }

  /** Returns all frames, in the form that a subscriber shares with others. */
  encodeFor(subscriber: Subscriber, form: number): PublishedFrames {
    const known = this.#frames.get(form);
    if (known !== undefined) return known;
    const all = this.entries.map(({ message }) => message.encodeFor(subscriber, form));
    const frames = join(all, subscriber.fanOut.tally);
    this.#frames.set(form, frames);
    return frames;
  }
}

/** Joins frames into few chunks. */
function join(all: readonly PublishedFrames[], tally: SharedTally): PublishedFrames {
  if (all.length === 1) return all[0]!;
  const chunks: Uint8Array[] = [];
  const parts: PublishedFrames[] = [];
  let length = 0;
  let ownLength = 0;
  let run: Uint8Array[] = [];
  let runLength = 0;
  const endRun = () => {
    if (run.length > 0) chunks.push(run.length === 1 ? run[0]! : concatBytes(run, runLength));
    run = [];
    runLength = 0;
  };
  for (const frames of all) {
    length += frames.length;
    let isPart = false;
    for (const chunk of frames.chunks) {
      if (chunk.length > MAX_COPIED_LENGTH || runLength + chunk.length > MAX_CHUNK_LENGTH) endRun();
      if (chunk.length > MAX_COPIED_LENGTH) {
        chunks.push(chunk);
        isPart = true;
      } else {
        run.push(chunk);
        runLength += chunk.length;
        ownLength += chunk.length;
      }
    }
    if (isPart) parts.push(frames);
  }
  endRun();
  return new PublishedFrames(chunks, length, ownLength, tally, parts);
}
