import type { Delay, Waiting } from "../transport/delays.ts";
import type { ConnectionCore } from "./core.ts";
import type { KeepAlive as KeepAliveOptions } from "./options.ts";

const EMPTY = new Uint8Array(0);

/** How often in a row a stall gives the peer its time again: a process may always be busy. */
const MAX_FORGIVEN = 3;

/** Finds out that a silent peer is gone: sends Pings, and waits for any byte after each. */
export class KeepAlive implements Waiting {
  readonly #options: KeepAliveOptions;
  readonly #core: ConnectionCore;
  #delay: Delay | undefined;
  /** Whether a Ping was sent, and this waits for the peer; otherwise for the next Ping. */
  #isCalling = false;
  /** Whether only the last part of the time is left; see `#lastPartMs`. */
  #isLastPart = false;
  /** How many bytes the peer had sent when the last Ping was: more of them answer it. */
  #receivedBefore = 0;
  #forgiven = 0;

  constructor(options: KeepAliveOptions, core: ConnectionCore) {
    this.#options = options;
    this.#core = core;
    this.#startInterval(options.intervalMs);
  }

  stop(): void {
    this.#delay?.cancel();
  }

  expire(): void {
    if (this.#isCalling) this.#check();
    else this.#ping();
  }

  #startInterval(delayMs: number): void {
    this.#isCalling = false;
    if (delayMs !== Infinity) this.#wait(delayMs);
  }

  #wait(delayMs: number): void {
    this.#delay = this.#core.settings.delays.start(this, delayMs);
  }

  #ping(): void {
    const { closing, inbound, outbound, usedPings } = this.#core;
    // A peer may answer only the latest of several Pings: its Pong is that of the program's, too.
    if (!closing.isFinished) outbound.sendPing(usedPings?.nextPayload() ?? EMPTY);
    this.#receivedBefore = inbound.bytesReceived;
    this.#forgiven = 0;
    this.#startTimeout();
  }

  #startTimeout(): void {
    const { timeoutMs, intervalMs } = this.#options;
    if (timeoutMs === Infinity) {
      this.#startInterval(intervalMs);
      return;
    }
    this.#core.inbound.reader.takePause();
    this.#isCalling = true;
    this.#isLastPart = false;
    this.#wait(timeoutMs - this.#lastPartMs);
  }

  // After a stall, timers fire before pending reads; the last part of the time, a wait of its own, lets those
  // be read.
  get #lastPartMs(): number {
    return Math.floor(Math.min(this.#options.timeoutMs / 2, 1000));
  }

  #check(): void {
    const { timeoutMs, intervalMs } = this.#options;
    const leftMs = this.#isLastPart ? 0 : this.#lastPartMs;
    if (this.#core.inbound.bytesReceived > this.#receivedBefore) {
      this.#startInterval(Math.max(intervalMs - timeoutMs + leftMs, 0));
    } else if (this.#core.inbound.reader.takePause()) {
      this.#startTimeout();
    } else if (this.#isLate() && this.#forgiven < MAX_FORGIVEN) {
      this.#forgiven++;
      this.#startTimeout();
    } else if (!this.#isLastPart) {
      this.#isLastPart = true;
      this.#wait(leftMs);
    } else {
      this.#core.closing.abort("The peer is silent: no answer to a Ping");
    }
  }

  // A timer that is late shows that this process stalled: the peer's answer may lie unread.
  #isLate(): boolean {
    return this.#core.settings.delays.now() - this.#delay!.dueAt > this.#lastPartMs / 2;
  }
}
