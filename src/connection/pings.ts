import { MAX_CONTROL_PAYLOAD_LENGTH } from "../codec/frame.ts";
import type { ConnectionCore } from "./core.ts";
import { parts } from "./load_parts.ts";
import { KeepAlive, type KeepAliveTarget } from "./keep_alive.ts";
import type { PingTracker } from "./ping_tracker.ts";

const EMPTY = new Uint8Array(0);

/** The Pings and Pongs of a connection, both ways (RFC 6455, sections 5.5.2 and 5.5.3). */
export class Pings implements KeepAliveTarget {
  readonly #core: ConnectionCore;
  readonly keepAlive: KeepAlive | undefined;
  #tracker: PingTracker | undefined;
  /** The payload of the latest Ping that could not be answered yet: a flood of them is one. */
  #pending: Uint8Array | undefined;
  #pendingLength = -1;

  constructor(core: ConnectionCore) {
    const { keepAlive, delays } = core.settings;
    this.#core = core;
    if (keepAlive !== undefined) this.keepAlive = new KeepAlive(keepAlive, delays, this);
  }

  get roundTripTimeMs(): number | undefined {
    return this.#tracker?.roundTripTimeMs;
  }

  /** Sends a Ping, and resolves with the time until its Pong. */
  ping(): Promise<number> {
    this.#tracker ??= new parts.rest!.PingTracker(this.#core.settings.clock);
    const { payload, roundTripTime } = this.#tracker.start();
    this.#core.memory.pingsSize = this.#tracker.heldSize;
    this.#core.outbound.sendPing(payload);
    return roundTripTime;
  }

  receivePong(payload: Uint8Array<ArrayBuffer>): void {
    if (this.#tracker === undefined) return;
    this.#tracker.receivePong(payload);
    this.#core.memory.pingsSize = this.#tracker.heldSize;
  }

  receivePing(payload: Uint8Array): void {
    // "If an endpoint receives a Ping frame and has not yet sent Pong frame(s) in response to
    // previous Ping frame(s), the endpoint MAY elect to send a Pong frame for only the most recently
    // processed Ping frame." (section 5.5.3)
    if (this.#core.outbound.writer.isBlocked) {
      this.#pending ??= new Uint8Array(MAX_CONTROL_PAYLOAD_LENGTH);
      this.#pending.set(payload);
      this.#pendingLength = payload.length;
    } else {
      this.#core.outbound.sendPong(payload);
    }
  }

  /** Sends the Pong that waited: the channel takes output again. */
  drain(): void {
    const length = this.#pendingLength;
    if (length < 0) return;
    this.#pendingLength = -1;
    if (this.#core.end.closing.isFlushed) return;
    this.#core.outbound.sendPong(this.#pending!.subarray(0, length));
  }

  takePause(): boolean {
    return this.#core.inbound.reader.takePause();
  }

  sendKeepAlivePing(): void {
    if (this.#core.end.closing.isFlushed) return;
    // A peer may answer only the latest of several Pings: its Pong is that of the program's, too.
    this.#core.outbound.sendPing(this.#tracker?.next() ?? EMPTY);
  }

  dropSilentPeer(): void {
    this.#core.end.abort("The peer is silent: no answer to a Ping");
  }

  stop(): void {
    this.keepAlive?.stop();
  }

  /** Rejects all that wait for a Pong. */
  close(getError: () => unknown): void {
    this.#tracker?.destroy(getError());
  }
}
