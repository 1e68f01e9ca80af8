import { show } from "../../checks.ts";
import { callHook } from "../../hooks.ts";
import { isObject } from "../../values.ts";

/** Unlike in the standard's types, the result matters: it may be a promise. */
type Listener = ((event: Event) => unknown) | { handleEvent(event: Event): unknown };

// The types of runtimes and browsers name these differently.
type Given = Parameters<EventTarget["addEventListener"]>[1];
type EventListener = Extract<Given, (event: never) => unknown>;

export type AddOptions = Parameters<EventTarget["addEventListener"]>[2];

interface HandlerEntry {
  handler: object;
  readonly listener: EventListener;
}

/** The value of `eventPhase` during dispatch at a target without a parent. */
const AT_TARGET = 2;

/** The properties that Node resets after the first listener of an event. */
const RESTORED = ["currentTarget", "eventPhase", "composedPath"] as const;

/** The events in dispatch whose properties were restored. */
const restored: WeakSet<Event> = new WeakSet();

/** An `EventTarget` with event handlers that reports errors of listeners, which otherwise end the process. */
export abstract class ListenerTarget extends EventTarget {
  #handlers: Map<string, HandlerEntry> | undefined;
  /** The wrapper of each listener: always the same one, so that it is added only once and can be removed. */
  readonly #guards: WeakMap<object, EventListener> = new WeakMap();

  /** Takes an error that a listener threw, or its promise rejected with. */
  abstract failListener(error: unknown): void;

  protected onListenerAdded(_type: string, _options: AddOptions): void {}

  override addEventListener(type: string, _listener: Given, options?: AddOptions): void {
    const guard = this.#guard("addEventListener", arguments);
    super.addEventListener(type, guard as Given, options);
    if (guard !== null) this.onListenerAdded(String(type), options);
  }

  override removeEventListener(
    type: string,
    _listener: Given,
    options?: Parameters<EventTarget["removeEventListener"]>[2],
  ): void {
    // Node 22 supports the option `capture` only, not the boolean.
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
      // Not by `delete`, which throws if a listener has frozen the event.
      if (restored.delete(event)) RESTORED.forEach((name) => Reflect.deleteProperty(event, name));
    }
  }

  /** Dispatches an event. An error here is a listener's fault, too: it may have frozen it, or replaced classes. */
  protected deliver(create: () => Event): void {
    try {
      this.dispatchEvent(create());
    } catch (error) {
      this.failListener(error);
    }
  }

  protected handlerOf(type: string): object | null {
    return this.#handlers?.get(type)?.handler ?? null;
  }

  /** Sets an event handler attribute: as in HTML, it takes the position of the one that it replaces, or the last. */
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
        // An object that is no function is stored, and does nothing.
        listener: (event) =>
          typeof added.handler === "function" ? added.handler.call(this, event) : undefined,
      };
      (this.#handlers ??= new Map()).set(type, added);
      this.addEventListener(type, added.listener);
    }
  }

  /** Gives the wrapper of the listener among the arguments, checked as Web IDL asks for: the runtimes differ. */
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
      // Some runtimes call this class's `removeEventListener` with the wrapper when a signal aborts.
      this.#guards.set(guard, guard);
    }
    return guard;
  }

  #call(listener: Listener, event: Event): void {
    callHook(() => {
      // Fails if a previous listener has redefined the properties.
      if (event.currentTarget !== this) this.#restore(event);
      return typeof listener === "function"
        ? listener.call(this, event)
        : listener.handleEvent(event);
    }, (error) => this.failListener(error));
  }

  /** Restores the properties of an event for further listeners. */
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
