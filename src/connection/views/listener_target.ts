import { show } from "../../checks.ts";
import { callHook } from "../../hooks.ts";
import { isObject } from "../../values.ts";

/** What can be given as a listener, as far as it matters: what it returns is looked at. */
type Listener = ((event: Event) => unknown) | { handleEvent(event: Event): unknown };

// The types of runtimes and of browsers have these under different names.
type Given = Parameters<EventTarget["addEventListener"]>[1];
type EventListener = Extract<Given, (event: never) => unknown>;

/** The options of `addEventListener`. */
export type AddOptions = Parameters<EventTarget["addEventListener"]>[2];

interface HandlerEntry {
  handler: object;
  readonly listener: EventListener;
}

/** The phase of an event at a target that has no parent. */
const AT_TARGET = 2;

/** What Node takes from an event after its first listener. */
const RESTORED = ["currentTarget", "eventPhase", "composedPath"] as const;

/** The events that are being dispatched, and were given back what Node takes from them. */
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

  /** Called when a listener was added. */
  protected onListenerAdded(_type: string, _options: AddOptions): void {}

  override addEventListener(
    type: string,
    _listener: Given,
    options?: AddOptions,
  ): void {
    const guard = this.#guard("addEventListener", arguments);
    super.addEventListener(type, guard as Given, options);
    if (guard !== null) this.onListenerAdded(String(type), options);
  }

  override removeEventListener(
    type: string,
    _listener: Given,
    options?: Parameters<EventTarget["removeEventListener"]>[2],
  ): void {
    // Node 22 knows only the option.
    const given = typeof options === "boolean" ? { capture: options } : options;
    const guard = this.#guard("removeEventListener", arguments);
    super.removeEventListener(type, guard as Given, given);
  }

  override dispatchEvent(event: Event): boolean {
    if (restored.has(event)) {
      throw new DOMException("The event is already being dispatched", "InvalidStateError");
    }
    try {
      return super.dispatchEvent(event);
    } finally {
      // A listener may have frozen it.
      if (restored.delete(event)) RESTORED.forEach((name) => Reflect.deleteProperty(event, name));
    }
  }

  /**
   * Dispatches an event of the connection. What throws, though listeners can't, is a listener's doing
   * too: it may have frozen the event, or replaced the classes of the runtime.
   */
  protected deliver(create: () => Event): void {
    try {
      this.dispatchEvent(create());
    } catch (error) {
      this.failListener(error);
    }
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

  /**
   * Gives what stands for the listener among the arguments, which are checked as Web IDL has it: the
   * runtimes differ, and Deno calls `undefined`.
   */
  #guard(method: string, { length, 1: listener }: ArrayLike<unknown>): EventListener | null {
    if (length < 2) throw new TypeError(`Cannot call ${method} without a type and a listener`);
    if (listener === undefined || listener === null) return null;
    if (!isObject(listener)) {
      throw new TypeError(
        `Cannot call ${method} with ${show(listener)}: a listener is a function or an object`,
      );
    }
    let guard = this.#guards.get(listener);
    if (guard === undefined) {
      guard = (event) => this.#call(listener as Listener, event as Event);
      this.#guards.set(listener, guard);
      // For those runtimes that remove a listener, when its signal aborts, through this class.
      this.#guards.set(guard, guard);
    }
    return guard;
  }

  #call(listener: Listener, event: Event): void {
    callHook(() => {
      // It fails where a listener before has redefined them.
      if (event.currentTarget !== this) this.#restore(event);
      return typeof listener === "function"
        ? listener.call(this, event)
        : listener.handleEvent(event);
    }, (error) => this.failListener(error));
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
