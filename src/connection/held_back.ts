import { cloneBytes } from "../codec/byte_collector.ts";
import { Fifo } from "../fifo.ts";
import { ownString } from "../own_string.ts";
import { createDeferred, type Deferred, rejected } from "../promises.ts";
import { assertMessage } from "../protocol/protocol.ts";
import type { MessageType } from "../protocol/message_receiver.ts";
import type { Sendable } from "./connection.ts";
import type { ConnectionCore } from "./core.ts";
import type { SharedFrames } from "./fan_out.ts";

interface HeldMessage {
  readonly data: Sendable;
  /** Whether it is sent as it is: the message layer encodes others in the order of the wire. */
  readonly isRaw: boolean;
  readonly compress: boolean | undefined;
  readonly size: number;
  readonly deferred: Deferred<void>;
}

interface HeldStream {
  readonly data: undefined;
  readonly deferred: Deferred<Breaker>;
}

/** What waits behind a message that is sent as a stream: messages, streams, and frames that others get too. */
type Held = HeldMessage | HeldStream | SharedFrames;

const encoder = new TextEncoder();

/**
 * Breaks off the wait of a function that awaits one promise after another. An `AbortSignal` does the same at
 * several times the cost: each promise would need a listener, which has to be removed.
 */
export class Breaker {
  #reject: ((reason: unknown) => void) | undefined;
  #isBroken = false;
  #reason: unknown;

  /** Resolves or rejects as `promise` does, unless this is broken off before. */
  wait<T>(promise: Promise<T>): Promise<T> {
    if (this.#isBroken) {
      // It is not awaited any more.
      promise.catch(() => {});
      return rejected(this.#reason);
    }
    return new Promise((resolve, reject) => {
      this.#reject = reject;
      promise.then(resolve, reject);
    });
  }

  /** Rejects the wait at hand with `reason`, and all later ones; the first reason counts. */
  break(reason: unknown): void {
    if (this.#isBroken) return;
    this.#isBroken = true;
    this.#reason = reason;
    this.#reject?.(reason);
  }

  /** Throws the reason, if this is broken off. */
  throwIfBroken(): void {
    if (this.#isBroken) throw this.#reason;
  }
}

/**
 * The messages that are sent as streams, one after the other, and what is held back until the one at hand is
 * finished, in order.
 */
export class HeldBack {
  readonly #core: ConnectionCore;
  readonly #items: Fifo<Held> = new Fifo();
  /** The bytes of messages and frames. */
  size = 0;
  /** How many of these bytes other connections send too. */
  sharedSize = 0;
  /** Whether nothing has begun yet. */
  #isIdle = true;
  /** Breaks off the message that is being sent as a stream. */
  #streaming: Breaker | undefined;
  /** Whether the layer encodes what was held back: what it sends meanwhile goes before that. */
  isEncoding = false;

  constructor(core: ConnectionCore) {
    this.#core = core;
  }

  /** Whether a message is being sent as a stream. */
  get isStreaming(): boolean {
    return this.#streaming !== undefined;
  }

  /** Whether one is, or anything else waits. */
  get isPending(): boolean {
    return this.isStreaming || this.length > 0;
  }

  get length(): number {
    return this.#items.length;
  }

  pushMessage(data: Sendable, compress: boolean | undefined, isRaw: boolean): Promise<void> {
    assertMessage(data);
    const size = typeof data === "string" ? encoder.encode(data).length : data.length;
    const deferred = createDeferred<void>();
    // The caller may change them as soon as it may change those that are sent at once, which are copied too.
    const own = typeof data === "string" ? ownString(data) : cloneBytes(data, 0, size);
    this.#items.push({ data: own, isRaw, compress, size, deferred });
    this.size += size;
    return deferred.promise;
  }

  pushFrames(frames: SharedFrames): void {
    frames.hold();
    this.#items.push(frames);
    this.size += frames.length;
    this.sharedSize += frames.length;
  }

  #shift(): Held | undefined {
    const next = this.#items.shift();
    if (next === undefined) return undefined;
    if ("chunks" in next) {
      this.size -= next.length;
      this.sharedSize -= next.length;
    } else if (next.data !== undefined) {
      this.size -= next.size;
    }
    return next;
  }

  /**
   * Begins a message that is sent in fragments: what else is sent waits until `endStream`. Resolves once all
   * before it is sent, with what breaks off when it can't be finished.
   */
  beginStream(): Promise<Breaker> {
    const deferred = createDeferred<Breaker>();
    if (this.#isIdle) this.#startStream(deferred);
    else this.#items.push({ data: undefined, deferred });
    return deferred.promise;
  }

  #startStream(deferred: Deferred<Breaker>): void {
    this.#isIdle = false;
    this.#streaming = new Breaker();
    deferred.resolve(this.#streaming);
  }

  /** Gives what goes before a stream's first fragment; `undefined` if the layer failed: the stream is broken off. */
  encodeStart(type: MessageType): Sendable | undefined {
    const { layer } = this.#core;
    return layer === undefined ? "" : this.#encode(() => layer.encodeStart(type));
  }

  /** Encodes what was held back until now. If that fails, what comes behind it must not arrive without it. */
  #encode(encode: () => Sendable | undefined): Sendable | undefined {
    const { closing, outbound } = this.#core;
    this.isEncoding = true;
    const encoded = encode();
    this.isEncoding = false;
    if (encoded === undefined) {
      outbound.isWhole = false;
      outbound.cut(closing.reason.lazyClosedError());
    }
    return encoded;
  }

  /** The message sent in fragments can't be finished, as its source failed. */
  failStream(): void {
    this.#streaming = undefined;
    this.#core.outbound.isWhole = false;
  }

  /**
   * Ends the message sent in fragments, and sends what was held back. More is held back until the last of it is
   * sent, since the program's `drain` may run in between, and send.
   */
  endStream(): void {
    const { outbound } = this.#core;
    this.#streaming = undefined;
    for (let next = this.#shift(); next !== undefined; next = this.#shift()) {
      if ("chunks" in next) {
        outbound.writer.addFrames(next);
        next.release();
      } else if (next.data === undefined) {
        this.#startStream(next.deferred);
        return;
      } else {
        this.#send(next);
      }
    }
    outbound.held = undefined;
    outbound.finishIfDue();
  }

  #send({ data, isRaw, compress, size, deferred }: HeldMessage): void {
    const { closing, inbound: { protocol }, layer, outbound } = this.#core;
    const { resolve, reject } = deferred;
    const encoded = isRaw || layer === undefined ? data : this.#encode(() => layer.encode(data));
    if (encoded === undefined) {
      outbound.droppedLength += size;
      reject(closing.reason.closedError());
    } else {
      outbound.wait(protocol.sendMessage(encoded, compress)).then(resolve, reject);
    }
  }

  /** Drops everything, and breaks off the stream; those that wait for it are rejected. */
  drop(getError: () => unknown): void {
    for (let next = this.#shift(); next !== undefined; next = this.#shift()) {
      if ("deferred" in next) next.deferred.reject(getError());
      else next.release();
    }
    this.#streaming?.break(getError());
  }
}
