/** Somebody who holds bytes on the way from a peer to the program, or back. */
export interface BudgetMember {
  /** Counts again what it holds, and gives it, in bytes. */
  recountHeld(): number;
  /** The bytes that it keeps from being freed: the same, and all that it holds together with others. */
  readonly retainedSize: number;
  /** Goes on reading, where it had to wait for memory. */
  continueReceiving(): void;
  /** Gives back what it holds, and ends. */
  shed(): void;
}

/** The memory that connections have in common. */
export interface Budget {
  /** Whether so much of it is in use that the members have to take turns. */
  readonly isShort: boolean;
  /** All the bytes that there are. */
  readonly limit: number;
  /** The bytes that each member may hold where memory is short. */
  readonly share: number;
  /** Notes by how much a member's bytes have changed. */
  count(change: number): void;
  /**
   * Tells whether a member that holds so many bytes, and would read more, has to wait: it is told
   * when it may go on. To be asked only where memory is short.
   */
  mustWait(member: BudgetMember, held: number): boolean;
  /** Forgets a member, which holds nothing any more. */
  leave(member: BudgetMember): void;
}
