import { callHook } from "../hooks.ts";
import { isObject } from "../values.ts";

/** What can be given as a listener, as far as it matters: what it returns is looked at. */
type Listener = ((event: Event) => unknown) | { handleEvent(event: Event): unknown };

interface HandlerEntry {
  handler: object;
  readonly listener: EventListener;
}

/** The phase of an event at a target that has no parent. */
const AT_TARGET = 2;

/** The events that are being dispatched, and lack what Node takes from them after the first listener. */
const restored: WeakSet<Event> = new WeakSet();

/**
 * An `EventTarget` with event handler attributes, whose listeners may fail: the runtimes end the
 * process for one that throws, or whose promise rejects.
 */
export abstract class ListenerTarget extends EventTarget {
  #handlers: Map<string, HandlerEntry> | undefined;
  /** What stands for each listener: the same each time, so that it is added once, and can be removed. */
  readonly #guards: WeakMap<object, EventListener> = new WeakMap();

  /** Takes what a listener has thrown, or its promise has rejected with. */
  abstract failListener(error: unknown): void;

  override addEventListener(
    type: string,
    listener: EventListener | EventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void {
    super.addEventListener(type, this.#guard(listener as Listener | null), options);
  }

  override removeEventListener(
    type: string,
    listener: EventListener | EventListenerObject | null,
    options?: boolean | EventListenerOptions,
  ): void {
    // Node 22 knows only the option.
    const given = typeof options === "boolean" ? { capture: options } : options;
    super.removeEventListener(type, this.#guard(listener as Listener | null), given);
  }

  override dispatchEvent(event: Event): boolean {
    if (restored.has(event)) {
      throw new DOMException("The event is already being dispatched", "InvalidStateError");
    }
    const result = super.dispatchEvent(event);
    if (restored.delete(event)) {
      for (const name of ["currentTarget", "eventPhase", "composedPath"] as const) {
        delete (event as Partial<Event>)[name];
      }
    }
    return result;
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

  #guard(listener: Listener | null): EventListener | null {
    // What is no listener is for EventTarget to refuse.
    if (!isObject(listener)) return listener;
    let guard = this.#guards.get(listener);
    if (guard === undefined) {
      guard = (event) => this.#call(listener, event as Event);
      this.#guards.set(listener, guard);
      // For those runtimes that remove a listener, when its signal aborts, through this class.
      this.#guards.set(guard, guard);
    }
    return guard;
  }

  #call(listener: Listener, event: Event): void {
    if (event.currentTarget !== this) this.#restore(event);
    callHook(
      () =>
        typeof listener === "function" ? listener.call(this, event) : listener.handleEvent(event),
      (error) => this.failListener(error),
    );
  }

  /** For Node an event is over after its first listener: gives it back what it is for the others. */
  #restore(event: Event): void {
    if (!Object.isExtensible(event)) return;
    restored.add(event);
    Object.defineProperties(event, {
      currentTarget: { value: this, configurable: true },
      eventPhase: { value: AT_TARGET, configurable: true },
      composedPath: { value: () => [this], configurable: true },
    });
  }
}
