import { cloneBytes } from "../codec/byte_collector.ts";
import { Fifo } from "../fifo.ts";
import { ownString } from "../own_string.ts";
import { createDeferred, type Deferred } from "../promises.ts";
import { assertMessage } from "../protocol/protocol.ts";
import type { Breaker } from "./send_stream.ts";
import type { Sendable } from "./connection.ts";
import type { SharedFrames } from "./fan_out.ts";

export interface HeldMessage {
  readonly data: Sendable;
  /** Whether it is sent as it is: others are encoded by the message layer when their turn comes. */
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
export type Held = HeldMessage | HeldStream | SharedFrames;

const encoder = new TextEncoder();

/** What is held back until the message that is being sent as a stream is finished, in order. */
export class HeldBack {
  readonly #items: Fifo<Held> = new Fifo();
  /** The bytes of messages and frames. */
  size = 0;
  /** How many of these bytes other connections send too. */
  sharedSize = 0;

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

  pushStream(deferred: Deferred<Breaker>): void {
    this.#items.push({ data: undefined, deferred });
  }

  pushFrames(frames: SharedFrames): void {
    frames.hold();
    this.#items.push(frames);
    this.size += frames.length;
    this.sharedSize += frames.length;
  }

  shift(): Held | undefined {
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

  /** Drops everything; those that wait for it are rejected. */
  drop(getError: () => unknown): void {
    for (let next = this.shift(); next !== undefined; next = this.shift()) {
      if ("deferred" in next) next.deferred.reject(getError());
      else next.release();
    }
  }
}
