import { MAX_CONTROL_PAYLOAD_LENGTH } from "../codec/frame.ts";
import { Fifo } from "../fifo.ts";
import { createDeferred, type Deferred } from "../promises.ts";
import type { ConnectionCore } from "./core.ts";

interface SentPing {
  readonly id: number;
  readonly sentAt: number;
  readonly deferred: Deferred<number>;
}

/** What a Ping without its Pong takes: measured, 370 to 640 bytes. */
const PING_COST = 550;

/** The Pings that wait: those of the program for their Pongs, and the peer's latest for its own. */
export class Pings {
  readonly #core: ConnectionCore;
  readonly #sent: Fifo<SentPing> = new Fifo();
  #lastId = 0;
  roundTripTimeMs: number | undefined;
  /** The payload of the latest Ping that could not be answered yet: a flood of them is one. */
  #unanswered: Uint8Array | undefined;
  #unansweredLength = -1;

  constructor(core: ConnectionCore) {
    this.#core = core;
  }

  /** Sends a Ping, and resolves with the time until its Pong (RFC 6455, section 5.5.2). */
  ping(): Promise<number> {
    const payload = this.nextPayload();
    const deferred = createDeferred<number>();
    this.#sent.push({ id: this.#lastId, sentAt: this.#core.settings.clock.now(), deferred });
    this.#countMemory();
    this.#core.outbound.sendPing(payload);
    return deferred.promise;
  }

  /** The payload of a Ping whose Pong answers those before it, too. */
  nextPayload(): Uint8Array {
    return new TextEncoder().encode(String(++this.#lastId));
  }

  /**
   * Resolves what waits for the Pong: the Ping with its payload, and those before it, since a peer may answer
   * the latest of several Pings only (section 5.5.3). A Pong without a Ping is ignored.
   */
  receivePong(payload: Uint8Array): void {
    const text = String.fromCharCode(...payload);
    const id = Number(text);
    if (String(id) !== text || id > this.#lastId) return;
    const sent = this.#sent;
    const now = this.#core.settings.clock.now();
    for (let ping = sent.peek(); ping !== undefined && ping.id <= id; ping = sent.peek()) {
      sent.shift();
      this.roundTripTimeMs = now - ping.sentAt;
      ping.deferred.resolve(this.roundTripTimeMs);
    }
    this.#countMemory();
  }

  #countMemory(): void {
    this.#core.memory.pingsSize = this.#sent.length * PING_COST;
  }

  /**
   * Has a Ping answered once the channel takes output, and none before it: "If an endpoint receives a Ping frame
   * and has not yet sent Pong frame(s) in response to previous Ping frame(s), the endpoint MAY elect to send a
   * Pong frame for only the most recently processed Ping frame." (section 5.5.3)
   */
  answerLater(payload: Uint8Array): void {
    this.#unanswered ??= new Uint8Array(MAX_CONTROL_PAYLOAD_LENGTH);
    this.#unanswered.set(payload);
    this.#unansweredLength = payload.length;
  }

  /** The channel takes output again. */
  drain(): void {
    const length = this.#unansweredLength;
    if (length < 0) return;
    this.#unansweredLength = -1;
    if (this.#core.closing.isFinished) return;
    this.#core.outbound.sendPong(this.#unanswered!.subarray(0, length));
  }

  close(getError: () => unknown): void {
    const sent = this.#sent;
    for (let ping = sent.shift(); ping !== undefined; ping = sent.shift()) {
      ping.deferred.reject(getError());
    }
  }
}
