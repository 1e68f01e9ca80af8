/**
 * Connections in memory: the server's end is a byte channel that checks how it is used, the client's end
 * is driven by the test, byte by byte where it matters.
 *
 * @module
 */

import type { Address, ByteChannel, ByteChannelHandler } from "../../src/transport/byte_channel.ts";
import type { RawSocket, RawSocketHandler } from "./raw_socket.ts";
import { turn } from "./turn.ts";

/** What lent bytes are overwritten with: nobody may have kept a reference to them. */
const GARBAGE = 0xa5;

/** The server's end. Every breach of the contract of {@linkcode ByteChannel} throws, and is noted. */
export class MemoryChannel implements ByteChannel {
  handler!: ByteChannelHandler;
  readonly remoteAddress: Address = { transport: "tcp", hostname: "192.0.2.1", port: 50_000 };
  readonly localAddress: Address = { transport: "tcp", hostname: "192.0.2.2", port: 80 };
  /** The client's end. */
  readonly socket: MemorySocket = new MemorySocket(this);
  /** The sizes of the writes, in bytes. */
  readonly writes: number[] = [];
  /** What was done that a channel's user must not do. */
  readonly violations: string[] = [];
  /** What was written and is not taken yet. The arrays are the writer's own until then. */
  #outgoing: Uint8Array[] = [];
  /** What the client sent while this end was paused. */
  #incoming: Uint8Array[] = [];
  #isBlocked = false;
  #isTaking = false;
  #lends = false;
  #isPaused = false;
  #isReleasing = false;
  #isDelivering = false;
  #isEnding = false;
  #endSent = false;
  #endReceived = false;
  #endDelivered = false;
  /** `receiveClosed()` is called, or is about to be. */
  #isOver = false;

  // ---- What the server does ----

  write(chunks: readonly Uint8Array[]): boolean {
    if (this.#isOver) return false;
    if (this.#isBlocked) this.#violate("write() between false and drain()");
    if (this.#isEnding) this.#violate("write() after end()");
    if (chunks.length === 0) this.#violate("write() of no chunks");
    if (!chunks.every((chunk) => ArrayBuffer.isView(chunk))) this.#violate("write() of no bytes");
    this.writes.push(sizeOf(chunks));
    this.#outgoing.push(...chunks);
    this.#takeSome();
    this.#isBlocked = this.#outgoing.length > 0;
    return !this.#isBlocked;
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    if (!this.#isPaused || this.#isOver) return;
    this.#isPaused = false;
    if (this.#isReleasing) return;
    this.#isReleasing = true;
    queueMicrotask(() => {
      this.#isReleasing = false;
      this.#deliver();
    });
  }

  end(): void {
    if (this.#isOver) return;
    if (this.#isEnding) this.#violate("end() twice");
    this.#isEnding = true;
    this.#endIfTaken();
  }

  abort(): void {
    if (this.#isOver) return;
    this.#drop();
    this.socket.handler.receiveClosed(new Error("The server dropped the connection"));
    queueMicrotask(() => this.handler.receiveClosed());
  }

  // ---- What tests look at ----

  /** Whether the server has stopped reading. */
  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Whether the server waits for `drain()`. */
  get isBlocked(): boolean {
    return this.#isBlocked;
  }

  /** Whether the server has ended its direction, or is about to. */
  get isEnding(): boolean {
    return this.#isEnding;
  }

  /** The number of bytes that were written and not taken yet. */
  get outgoingSize(): number {
    return sizeOf(this.#outgoing);
  }

  /** The number of bytes that the client sent and the server has not been given yet. */
  get incomingSize(): number {
    return sizeOf(this.#incoming);
  }

  // ---- What the client does, by its socket ----

  /** Takes the client's bytes. */
  arrive(bytes: Uint8Array): void {
    if (this.#isOver) return;
    this.#incoming.push(bytes.slice());
    if (!this.#isReleasing) this.#deliver();
  }

  /** Takes the client's FIN. */
  arriveEnd(): void {
    if (this.#isOver) return;
    this.#endReceived = true;
    if (!this.#isReleasing) this.#deliver();
  }

  /** Takes the client's RST. */
  arriveReset(): void {
    if (this.#isOver) return;
    this.#drop();
    this.handler.receiveClosed(new Error("The client reset the connection"));
  }

  /** Gives the client up to `size` bytes of what was written. */
  take(size: number): void {
    let left = size;
    while (left > 0 && this.#outgoing.length > 0) {
      const chunk = this.#outgoing[0];
      const count = Math.min(left, chunk.length);
      left -= count;
      if (count === chunk.length) this.#outgoing.shift();
      else this.#outgoing[0] = chunk.subarray(count);
      if (count > 0) this.socket.handler.receive(chunk.slice(0, count));
    }
    if (this.#outgoing.length > 0 || !this.#isBlocked) return;
    this.#isBlocked = false;
    this.handler.drain();
    this.#endIfTaken();
  }

  /** Gives the client what it takes at once, and the rest on later turns. */
  async takeAll(): Promise<void> {
    if (this.#isTaking) return;
    this.#isTaking = true;
    while (this.#outgoing.length > 0 && this.socket.takesAtOnce > 0) {
      await turn();
      this.take(this.socket.takesAtOnce);
    }
    this.#isTaking = false;
  }

  #takeSome(): void {
    this.take(this.socket.takesAtOnce);
    if (this.#outgoing.length > 0) void this.takeAll();
  }

  #deliver(): void {
    if (this.#isDelivering) return;
    this.#isDelivering = true;
    while (this.#incoming.length > 0 && !this.#isPaused) {
      const bytes = this.#incoming.shift()!;
      // Some runtimes lend what they read, others give it away: here it is by turns.
      this.#lends = !this.#lends;
      this.handler.receive(bytes, this.#lends);
      if (this.#lends) bytes.fill(GARBAGE);
    }
    this.#isDelivering = false;
    if (!this.#endReceived || this.#endDelivered || this.#isPaused || this.#isOver) return;
    this.#endDelivered = true;
    this.handler.receiveEnd();
    this.#closeIfEnded();
  }

  #endIfTaken(): void {
    if (!this.#isEnding || this.#endSent || this.#outgoing.length > 0 || this.#isOver) return;
    this.#endSent = true;
    this.socket.handler.receiveEnd();
    this.#closeIfEnded();
  }

  #closeIfEnded(): void {
    if (!this.#endDelivered || !this.#endSent || this.#isOver) return;
    this.#drop();
    queueMicrotask(() => {
      this.handler.receiveClosed();
      this.socket.handler.receiveClosed();
    });
  }

  #drop(): void {
    this.#isOver = true;
    this.#isBlocked = false;
    this.#outgoing = [];
    this.#incoming = [];
  }

  #violate(what: string): never {
    this.violations.push(what);
    throw new Error(`The channel was misused: ${what}`);
  }
}

/** The client's end. What it sends arrives at once, unless the server has paused. */
export class MemorySocket implements RawSocket {
  handler!: RawSocketHandler;
  readonly channel: MemoryChannel;
  #takesAtOnce = Infinity;
  hasEnded = false;

  constructor(channel: MemoryChannel) {
    this.channel = channel;
  }

  send(bytes: Uint8Array): void {
    if (this.hasEnded) throw new Error("The test sends after FIN");
    this.channel.arrive(bytes);
  }

  get unsentSize(): number {
    return this.channel.incomingSize;
  }

  end(): void {
    this.hasEnded = true;
    this.channel.arriveEnd();
  }

  reset(): void {
    this.hasEnded = true;
    this.channel.arriveReset();
    queueMicrotask(() => this.handler.receiveClosed());
  }

  pause(): void {
    this.#takesAtOnce = 0;
  }

  resume(): void {
    this.#takesAtOnce = Infinity;
    void this.channel.takeAll();
  }

  /** Takes `size` bytes of each write at once, and as many on each later turn: short writes. */
  takeSlowly(size: number): void {
    this.#takesAtOnce = size;
    void this.channel.takeAll();
  }

  /** Takes up to `size` bytes of what was written, though paused. */
  take(size: number): void {
    this.channel.take(size);
  }

  /** How many bytes are taken at once. */
  get takesAtOnce(): number {
    return this.#takesAtOnce;
  }
}

function sizeOf(chunks: readonly Uint8Array[]): number {
  return chunks.reduce((size, chunk) => size + chunk.length, 0);
}
