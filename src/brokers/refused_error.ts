/** What a broker refused for good: another attempt is of no use. */
export class RefusedError extends Error {
  override readonly name: string = "RefusedError";
  /** True: see {@linkcode KeepingBroker.append}. */
  readonly isRefused: true = true;
}
