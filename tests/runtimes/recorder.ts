/**
 * Drives the channel from a test, and watches that it keeps its promises.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import type { ByteChannel, ByteChannelHandler } from "../../src/transport/byte_channel.ts";
import { patternBytes, PatternCheck } from "./pattern.ts";

const GARBAGE = 0xa5;

/** A handler that records, and through which the test calls the channel. */
export class Recorder implements ByteChannelHandler {
  readonly channel: ByteChannel;
  /** Called for each event, after it was recorded. */
  onEvent: (event: "receive" | "receiveEnd" | "drain" | "receiveClosed") => void = () => {};
  /** How many bytes were written to the channel. */
  written = 0;
  /** How many times bytes arrived. */
  receives = 0;
  drains = 0;
  ended = false;
  closed = false;
  error: unknown;
  /** What the channel did against the contract. */
  readonly violations: string[] = [];
  readonly #check = new PatternCheck();
  #paused = false;
  #aborted = false;
  #waitsForDrain = false;
  /** What the channel was given and has not taken yet. */
  #untaken: readonly Uint8Array[] = [];
  /** A call of ours is on the stack. */
  #calling = false;
  #waiting: { test: () => boolean; resolve: () => void }[] = [];

  constructor(channel: ByteChannel) {
    this.channel = channel;
    channel.handler = this;
  }

  /** How many bytes arrived. */
  get received(): number {
    return this.#check.size;
  }

  /** Whether they were the pattern. */
  get intact(): boolean {
    return this.#check.intact;
  }

  get waitsForDrain(): boolean {
    return this.#waitsForDrain;
  }

  write(chunks: readonly Uint8Array[]): boolean {
    for (const chunk of chunks) this.written += chunk.length;
    const ready = this.#call(() => this.channel.write(chunks));
    this.#waitsForDrain = !ready;
    this.#untaken = chunks;
    if (ready) this.#reuse();
    return ready;
  }

  /** Writes bytes of the pattern, in writes of `writeSize`, and waits where it has to. */
  async send(size: number, writeSize = 65_536): Promise<void> {
    while (size > 0 && !this.closed) {
      const part = Math.min(size, writeSize);
      size -= part;
      if (!this.write([patternBytes(this.written, part)])) await this.untilDrained();
    }
  }

  pause(): void {
    this.#paused = true;
    this.#call(() => this.channel.pause());
  }

  resume(): void {
    this.#paused = false;
    this.#call(() => this.channel.resume());
  }

  end(): void {
    this.#call(() => this.channel.end());
  }

  abort(): void {
    this.#aborted = true;
    this.#call(() => this.channel.abort());
  }

  untilReceived(size: number): Promise<void> {
    return this.until(() => this.received >= size || this.closed);
  }

  untilDrained(): Promise<void> {
    return this.until(() => !this.#waitsForDrain || this.closed);
  }

  untilEnded(): Promise<void> {
    return this.until(() => this.ended || this.closed);
  }

  untilClosed(): Promise<void> {
    return this.until(() => this.closed);
  }

  /**
   * Waits until the channel tells that the peer has gone: by an error, or by an end, as which some
   * systems show a reset. Then the channel is ended, as a server would.
   */
  async untilGone(): Promise<void> {
    await this.untilEnded();
    if (!this.closed) this.end();
    await this.untilClosed();
    assert(this.ended || this.error instanceof Error);
  }

  /** Waits for an event after which `test` holds. */
  async until(test: () => boolean): Promise<void> {
    if (test()) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push({ test, resolve });
    await promise;
  }

  receive(bytes: Uint8Array): void {
    this.#expect(!this.#paused, "received while paused");
    this.#expect(!this.ended, "received after the end");
    this.#expect(bytes.length > 0, "received nothing");
    this.#expect(Object.getPrototypeOf(bytes) === Uint8Array.prototype, "received a subclass");
    this.#check.push(bytes);
    this.receives++;
    // As the connection does when it unmasks.
    bytes.fill(0);
    this.#event("receive");
  }

  receiveEnd(): void {
    this.#expect(!this.#paused, "ended while paused");
    this.#expect(!this.ended, "ended twice");
    this.ended = true;
    this.#event("receiveEnd");
  }

  drain(): void {
    this.#expect(this.#waitsForDrain, "drained without need");
    this.#waitsForDrain = false;
    this.#reuse();
    this.drains++;
    this.#event("drain");
  }

  receiveClosed(error?: unknown): void {
    this.#expect(!this.#aborted || error === undefined, "closed with an error after abort()");
    this.error = error;
    this.#event("receiveClosed");
    this.closed = true;
    this.#wake();
  }

  /** Checks that the channel is closed, in order, and kept its promises. */
  assertClosedInOrder(): void {
    this.assertKept();
    assertEquals({ closed: this.closed, error: this.error }, { closed: true, error: undefined });
  }

  /** Checks that the channel kept its promises. */
  assertKept(): void {
    assertEquals(this.violations, []);
    assertEquals(this.intact, true);
  }

  #call<T>(run: () => T): T {
    const nested = this.#calling;
    this.#calling = true;
    try {
      return run();
    } finally {
      this.#calling = nested;
    }
  }

  #event(event: "receive" | "receiveEnd" | "drain" | "receiveClosed"): void {
    this.#expect(!this.#calling, `${event} within a call`);
    this.#expect(!this.closed, `${event} after the channel closed`);
    this.#expect(event === "receiveClosed" || !this.#aborted, `${event} after abort()`);
    this.onEvent(event);
    this.#wake();
  }

  /** Overwrites what the channel has taken, as a program does that uses its buffer again. */
  #reuse(): void {
    for (const chunk of this.#untaken) chunk.fill(GARBAGE);
    this.#untaken = [];
  }

  #expect(holds: boolean, violation: string): void {
    if (!holds) this.violations.push(violation);
  }

  #wake(): void {
    this.#waiting = this.#waiting.filter(({ test, resolve }) => {
      if (!test()) return true;
      resolve();
      return false;
    });
  }
}
