import { CloseCode } from "../codec/close_code.ts";
import type { Budget, BudgetMember } from "./budget.ts";
import type { ConnectionCore } from "./core.ts";

/** The memory that a connection holds, as a member of its server's budget. */
export class HeldMemory implements BudgetMember {
  readonly #core: ConnectionCore;
  readonly #budget: Budget | undefined;
  /** Here, since each read asks for it, when the request is in no cache. */
  requestSize: number;
  /** The memory of Pings without their Pongs. */
  pingsSize = 0;
  /** What the budget was told last: what is sent may be a part of it. */
  counted = 0;

  constructor(core: ConnectionCore) {
    this.#core = core;
    this.#budget = core.owner.budget;
    this.requestSize = core.info.request.heldSize;
  }

  /** The bytes held on the way to the program and to the peer. */
  get size(): number {
    const { inbound, outbound, layer } = this.#core;
    return inbound.heldSize + outbound.heldSize + this.requestSize + this.pingsSize +
      (layer === undefined ? 0 : layer.heldSize);
  }

  /** The same, without the part of a read that waits for its turn: nobody is closed for that. */
  #budgetedSize(): number {
    return this.size - this.#core.inbound.reader.waitingLength;
  }

  /** Whether memory is short, and other connections may take theirs first. */
  get mustWait(): boolean {
    const budget = this.#budget;
    return budget !== undefined && budget.isShort && budget.mustWait(this, this.#budgetedSize());
  }

  recountHeld(): number {
    if (this.#budget === undefined || this.#core.closing.isClosed) return 0;
    const held = this.#budgetedSize();
    if (held !== this.counted) {
      const change = held - this.counted;
      this.counted = held;
      this.#budget.count(change);
    }
    return held;
  }

  get retainedSize(): number {
    const { sharedLength, source } = this.#core.outbound;
    return this.#budgetedSize() + sharedLength + (source?.heldSize ?? 0);
  }

  continueReceiving(): void {
    this.#core.inbound.readOn();
  }

  shed(): void {
    const { closing, outbound } = this.#core;
    const reason = "The server is short of memory";
    // Behind what the peer does not read no Close frame would reach it.
    if (!outbound.writer.ready || closing.state !== "open") closing.abort(reason);
    else closing.cut({ closeCode: CloseCode.TryAgainLater, reason });
    this.recountHeld();
  }

  leave(): void {
    this.#budget?.count(-this.counted);
    this.#budget?.leave(this);
  }
}
