/** A connection or handshake, which holds bytes between a peer and the program. */
export interface BudgetMember {
  /** Counts the bytes that it holds again, and returns them. */
  recountHeld(): number;
  /** The same, and all bytes that it holds together with others. */
  readonly retainedSize: number;
  /** Reads on, as it has waited for memory. */
  continueReceiving(): void;
  /** Gives back its memory, and ends. */
  shed(): void;
}

/** The memory that connections have in common. */
export interface Budget {
  /** Whether so much of it is in use that members may have to wait. */
  readonly isShort: boolean;
  /** All the bytes that there are. */
  readonly limit: number;
  /** The bytes that each member may hold if memory is short. */
  readonly share: number;
  /** Counts a change of the bytes that a member holds. */
  count(change: number): void;
  /** Whether a member that holds so many bytes has to wait until it is told. To be asked only if memory is short. */
  mustWait(member: BudgetMember, held: number): boolean;
  /** A member holds nothing any more. */
  leave(member: BudgetMember): void;
}
