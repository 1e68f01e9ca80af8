/** The broker refused a message for good: see {@linkcode KeepingBroker.append}. */
export class RefusedError extends Error {
  override readonly name: string = "RefusedError";
  readonly isRefused: true = true;

  constructor(topic: string, reason: string, cause?: unknown) {
    super(`Cannot retain a message of ${JSON.stringify(topic)}: ${reason}`, { cause });
  }
}
