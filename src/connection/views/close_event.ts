interface CloseEventFields {
  code: number;
  reason: string;
  wasClean: boolean;
}

/** Node 22 has no `CloseEvent`: this is the standard's. */
const PlainCloseEvent = class CloseEvent extends Event {
  readonly code: number;
  readonly reason: string;
  readonly wasClean: boolean;

  constructor(type: string, { code, reason, wasClean }: CloseEventFields) {
    super(type);
    this.code = code;
    this.reason = reason;
    this.wasClean = wasClean;
  }

  get [Symbol.toStringTag](): string {
    return "CloseEvent";
  }
};

/** Kept, as programs may replace the global one: an `EventTarget` takes events of its own realm alone. */
const Class = globalThis.CloseEvent ?? PlainCloseEvent;

/** Creates a `close` event, of the runtime's own class where it has one. */
export function createCloseEvent(init: CloseEventFields): Event {
  return new Class("close", init);
}
