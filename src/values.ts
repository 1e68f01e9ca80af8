/**
 * Tells what values are that the program gives, by what they can do and not by their class: other
 * realms (`node:vm`, jest, vitest) have classes of their own, and packages replace the global ones.
 *
 * @module
 */

/** The getter that tells which of the typed arrays a value is; it looks at the value, not at its class. */
const typedArrayName: (this: unknown) => unknown = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype),
  Symbol.toStringTag,
)!.get!;

const sourceOf = Function.prototype.toString;

/** The getter that throws for all but an `ArrayBuffer`; it looks at the value, too. */
const lengthOfBuffer: (this: unknown) => unknown = Object.getOwnPropertyDescriptor(
  ArrayBuffer.prototype,
  "byteLength",
)!.get!;

/** Whether a value is a `Uint8Array`, of any realm. */
export function isUint8Array(value: unknown): value is Uint8Array {
  // The first line is only quicker, on Bun by much: what inherits from the class need be no such array.
  return (value instanceof Uint8Array && ArrayBuffer.isView(value)) ||
    typedArrayName.call(value) === "Uint8Array";
}

/** Whether a value is an `ArrayBuffer`, of any realm. */
export function isArrayBuffer(value: unknown): value is ArrayBuffer {
  try {
    lengthOfBuffer.call(value);
    return true;
  } catch {
    return false;
  }
}

/** Whether something is a promise, of any class: packages replace the global one. */
export function isPromise<T>(value: T | Promise<T>): value is Promise<T> {
  // Not by `isFunction`, whose reads of all sorts of properties V8 can't make quick: each message comes here.
  return isObject(value) && typeof (value as { then?: unknown }).then === "function";
}

/** Whether a value is an error, of any realm: those of the runtime may be of another than the program's. */
export function isErrorObject(value: unknown): value is Error {
  return isObject(value) && typeof (value as Error).name === "string" &&
    typeof (value as Error).message === "string";
}

/** Whether a value is a `Blob` or a `File`, of any class that can stream it. */
export function isBlob(value: unknown): value is Blob {
  return isObject(value) && /^(?:Blob|File)$/.test(nameOf(value)) &&
    isFunction(value, "stream") && typeof (value as Blob).size === "number";
}

/** Whether a value can be read as a `ReadableStream`. */
export function isReadableStream(value: unknown): value is ReadableStream {
  return isObject(value) && isFunction(value, "getReader") &&
    typeof (value as ReadableStream).locked === "boolean";
}

/** Whether a value is an `AbortSignal`, of any class. */
export function isAbortSignal(value: unknown): value is AbortSignal {
  return isObject(value) && typeof (value as AbortSignal).aborted === "boolean" &&
    isFunction(value, "addEventListener") && isFunction(value, "throwIfAborted");
}

/** Whether a value is a `Date`, of any realm or class. */
export function isDate(value: unknown): value is Date {
  return isObject(value) && isFunction(value, "getTime") && isFunction(value, "toUTCString");
}

/** Whether a value is an object, or a function. */
export function isObject(value: unknown): value is object {
  return typeof value === "function" || (typeof value === "object" && value !== null);
}

/** Whether a value is an object without a class: its prototype is that of all objects, or none. */
export function isPlainObject(value: unknown): value is object {
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  if (prototype === null || prototype === Object.prototype) return true;
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, "constructor") &&
    isObjectConstructor(prototype.constructor);
}

/** Whether a value is the `Object` of any realm: their source is the same, and no program can write it. */
function isObjectConstructor(value: unknown): boolean {
  return typeof value === "function" && sourceOf.call(value) === sourceOf.call(Object);
}

/** Whether a property is a function. */
export function isFunction(value: object, name: PropertyKey): boolean {
  return typeof (value as Record<PropertyKey, unknown>)[name] === "function";
}

function nameOf(value: object): string {
  return String((value as { [Symbol.toStringTag]?: unknown })[Symbol.toStringTag]);
}
