interface CloseEventFields {
  code: number;
  reason: string;
  wasClean: boolean;
}

/** The standard's `CloseEvent`, for Node 22, which has none. */
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

/** Captured when this loads, since an `EventTarget` only takes events of its own realm, and tests replace globals. */
const Class = globalThis.CloseEvent ?? PlainCloseEvent;

/** Creates a `close` event, of the runtime's own class if it has one. */
export function createCloseEvent(init: CloseEventFields): Event {
  return new Class("close", init);
}
