/** What can be given as a listener, as far as it matters: what it returns is looked at. */
type Listener = ((event: Event) => unknown) | { handleEvent(event: Event): unknown };

interface HandlerEntry {
  handler: object;
  readonly listener: EventListener;
}

/**
 * The functions that stand for listeners: one for each, and the same on all targets, so that it is
 * added only once, and can be removed.
 */
const guards = new WeakMap<object, EventListener>();

/**
 * An `EventTarget` with event handler attributes, whose listeners may fail: the runtimes end the
 * process for one that throws, or whose promise rejects.
 */
export abstract class ListenerTarget extends EventTarget {
  #handlers: Map<string, HandlerEntry> | undefined;

  /** Takes what a listener has thrown, or its promise has rejected with. */
  abstract failListener(error: unknown): void;

  override addEventListener(
    type: string,
    listener: EventListener | EventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void {
    super.addEventListener(type, toGuard(listener as Listener | null), options);
  }

  override removeEventListener(
    type: string,
    listener: EventListener | EventListenerObject | null,
    options?: boolean | EventListenerOptions,
  ): void {
    super.removeEventListener(type, toGuard(listener as Listener | null), options);
  }

  /** The value of the event handler attribute. */
  protected handlerOf<Handler>(type: string): Handler | null {
    return (this.#handlers?.get(type)?.handler ?? null) as Handler | null;
  }

  /**
   * Sets the event handler attribute. As the HTML standard has it, a handler is called in the place of
   * the one it replaces, and behind the other listeners where there was none.
   */
  protected setHandler(type: string, value: unknown): void {
    const entry = this.#handlers?.get(type);
    if (!isObject(value)) {
      if (entry === undefined) return;
      this.#handlers!.delete(type);
      this.removeEventListener(type, entry.listener);
    } else if (entry !== undefined) {
      entry.handler = value;
    } else {
      const added: HandlerEntry = {
        handler: value,
        // An object that can't be called is kept, and does nothing.
        listener: (event) =>
          typeof added.handler === "function" ? added.handler.call(this, event) : undefined,
      };
      (this.#handlers ??= new Map()).set(type, added);
      this.addEventListener(type, added.listener);
    }
  }
}

function toGuard(listener: Listener | null): EventListener | null {
  // What is no listener is for EventTarget to refuse.
  if (!isObject(listener)) return listener;
  let guard = guards.get(listener);
  if (guard === undefined) {
    guard = (event) => callListener(listener, event as Event);
    guards.set(listener, guard);
    // For those runtimes that remove a listener, when its signal aborts, through this class.
    guards.set(guard, guard);
  }
  return guard;
}

function callListener(listener: Listener, event: Event): void {
  const target = event.currentTarget as ListenerTarget;
  try {
    const result = typeof listener === "function"
      ? listener.call(target, event)
      : listener.handleEvent(event);
    if (isObject(result) && "then" in result && typeof result.then === "function") {
      result.then(undefined, (error: unknown) => target.failListener(error));
    }
  } catch (error) {
    target.failListener(error);
  }
}

function isObject(value: unknown): value is object {
  return typeof value === "function" || (typeof value === "object" && value !== null);
}
