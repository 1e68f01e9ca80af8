import type { Protocol } from "../protocol/protocol.ts";
import { clearTimeout, queueMicrotask, setTimeout } from "../timers.ts";
import type { ByteChannel } from "../transport/byte_channel.ts";
import type { ConnectionCore } from "./core.ts";
import type { SharedFrames } from "./fan_out.ts";

// Output is gathered up to this size before it is written: larger writes win nothing.
const MAX_GATHERED = 64 * 1024;

const NO_FRAMES: SharedFrames[] = [];

// One microtask for all writers that are to flush: a broadcast fills many.
let dueWriters: OutputWriter[] = [];

function flushDueWriters(): void {
  const writers = dueWriters;
  dueWriters = [];
  for (const writer of writers) writer.flushWhenDue();
}

/** Gathers the protocol's output to few writes, and counts what the channel has taken. */
export class OutputWriter {
  // Fields read on every publish come first, to share a cache line: it goes through thousands of writers.
  readonly #channel: ByteChannel;
  readonly #mayExpectMore: boolean;
  /** Whether the channel takes a write. */
  ready = true;
  /** Whether the protocol may have output: to look at that of each of thousands would be to wait for memory. */
  #mayHaveOutput = false;
  #corked = false;
  /** The bytes that the channel was given, and has not taken yet. */
  #inFlight = 0;
  /** The bytes that it has taken since its beginning. */
  takenLength = 0;
  /** How many bytes of the output other connections send too, and which. */
  #sharedOutput = 0;
  #outputFrames: SharedFrames[] = NO_FRAMES;
  /** The same of what is in flight. */
  #sharedInFlight = 0;
  #framesInFlight: SharedFrames[] = NO_FRAMES;
  readonly #protocol: Protocol;
  readonly #core: ConnectionCore;
  #flushIsScheduled = false;
  #lateFlush: ReturnType<typeof setTimeout> | undefined;

  constructor(core: ConnectionCore) {
    this.#core = core;
    this.#channel = core.channel;
    this.#protocol = core.inbound.protocol;
    // A program with callbacks is given one message after another.
    this.#mayExpectMore = core.program.callbacks === undefined;
  }

  /** The bytes of the output, and those that the channel has not taken yet. */
  get length(): number {
    return this.#inFlight + this.#outputLength();
  }

  /** The same, without what other connections send too. */
  get ownLength(): number {
    return this.length - this.#sharedOutput - this.#sharedInFlight;
  }

  /** How much other connections send too. */
  get sharedLength(): number {
    return this.#sharedOutput + this.#sharedInFlight;
  }

  #outputLength(): number {
    return this.#mayHaveOutput ? this.#protocol.outputLength : 0;
  }

  /** Whether nothing is to go out with what is sent now. */
  get mayWriteNow(): boolean {
    return this.ready && !this.#corked && this.#outputLength() === 0 && !this.#isMoreExpected();
  }

  /** Writes frames at once: to come back later costs as much again. Returns whether they were taken. */
  writeFrames(frames: SharedFrames): boolean {
    this.#sharedOutput = frames.length;
    this.write(frames.chunks, frames.length);
    if (this.ready || this.#core.closing.isClosed) return true;
    frames.hold();
    this.#framesInFlight = [frames];
    return false;
  }

  addFrames(frames: SharedFrames): void {
    this.#mayHaveOutput = true;
    this.#protocol.sendFrames(frames.chunks);
    this.#sharedOutput += frames.length;
    frames.hold();
    if (this.#outputFrames === NO_FRAMES) this.#outputFrames = [frames];
    else this.#outputFrames.push(frames);
    this.requestFlush();
  }

  /** Gathers output until `uncork`, which writes it, now or with what is still to come. */
  cork(): void {
    this.#corked = true;
  }

  uncork(): void {
    this.#corked = false;
    this.#flushUnlessGathering();
  }

  /**
   * Has the output written with what else is sent in this turn, or until the program has come to the last of the
   * messages at hand. Returns `length`.
   */
  requestFlush(): number {
    this.#mayHaveOutput = true;
    const { outputLength } = this.#protocol;
    if (outputLength >= MAX_GATHERED) {
      this.flush();
      return this.length;
    }
    if (!this.#corked) {
      if (this.#isMoreExpected()) this.#scheduleLateFlush();
      else this.#scheduleFlush();
    }
    return this.#inFlight + outputLength;
  }

  #isMoreExpected(): boolean {
    return this.#mayExpectMore && this.#core.inbound.isMoreExpected;
  }

  #flushUnlessGathering(): void {
    const outputLength = this.#outputLength();
    const isDue = outputLength >= MAX_GATHERED || this.#core.closing.isEndDue;
    if (isDue || !this.#isMoreExpected()) this.flush();
    else if (outputLength > 0) this.#scheduleLateFlush();
  }

  /** Writes the output, if the channel takes it. */
  flush(): void {
    const length = this.#outputLength();
    if (this.ready && length > 0) {
      this.#mayHaveOutput = false;
      this.write(this.#protocol.takeOutput(), length);
      if (this.ready) this.#protocol.recycleOutput();
    }
    const { closing, memory } = this.#core;
    if (!this.ready || memory.counted > 0) memory.recountHeld();
    if (this.ready && closing.isEndDue) closing.handle("written");
  }

  /** Writes the output, behind which FIN is due. */
  end(): void {
    this.#mayHaveOutput = true;
    this.flush();
  }

  /** The channel has taken what was in flight. */
  drain(): void {
    this.takenLength += this.#inFlight;
    this.#inFlight = 0;
    this.#releaseInFlight();
    this.#protocol.recycleOutput();
    this.ready = true;
    this.#flushUnlessGathering();
    this.#core.memory.recountHeld();
    this.#core.outbound.outputTaken();
  }

  /** Writes what may be written now. */
  write(chunks: readonly Uint8Array[], length: number): void {
    // Before the program's `drain` may run, and send more.
    const shared = this.#sharedOutput;
    const frames = this.#takeSharedOutput();
    if (this.#channel.write(chunks)) {
      this.takenLength += length;
      for (const each of frames) each.release();
      this.#core.outbound.outputTaken();
    } else {
      this.ready = false;
      this.#inFlight = length;
      this.#sharedInFlight = shared;
      this.#framesInFlight = frames;
      // The channel may have found that it is closed.
      if (this.#core.closing.isClosed) this.#releaseInFlight();
    }
  }

  #takeSharedOutput(): SharedFrames[] {
    const frames = this.#outputFrames;
    this.#outputFrames = NO_FRAMES;
    this.#sharedOutput = 0;
    return frames;
  }

  #releaseInFlight(): void {
    const frames = this.#framesInFlight;
    this.#framesInFlight = NO_FRAMES;
    this.#sharedInFlight = 0;
    for (const each of frames) each.release();
  }

  #scheduleFlush(): void {
    if (this.#flushIsScheduled) return;
    this.#flushIsScheduled = true;
    if (dueWriters.push(this) === 1) queueMicrotask(flushDueWriters);
  }

  flushWhenDue(): void {
    this.#flushIsScheduled = false;
    this.flush();
  }

  #scheduleLateFlush(): void {
    this.#lateFlush ??= setTimeout(() => {
      this.#lateFlush = undefined;
      this.flush();
    }, 0);
  }

  /** Drops the output, and gives its memory back; returns how many bytes were dropped. */
  close(): number {
    const { length } = this;
    this.ready = false;
    this.#inFlight = 0;
    this.#releaseInFlight();
    this.#takeSharedOutput().forEach((frames) => frames.release());
    this.#protocol.takeOutput();
    clearTimeout(this.#lateFlush);
    return length;
  }
}
