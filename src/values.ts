/**
 * Recognizes the values that a program passes by their behaviour instead of their class: other realms
 * (`node:vm`, jest, vitest) have classes of their own, and packages replace the global ones.
 *
 * @module
 */

import { isObject } from "./basic_values.ts";

export { isObject, isPlainObject, isUint8Array } from "./basic_values.ts";

/** A getter that throws unless its receiver is an `ArrayBuffer`, of any realm. */
const bufferLength: (this: unknown) => unknown = Object.getOwnPropertyDescriptor(
  ArrayBuffer.prototype,
  "byteLength",
)!.get!;

/** Whether a value is an `ArrayBuffer`, of any realm. */
export function isArrayBuffer(value: unknown): value is ArrayBuffer {
  try {
    bufferLength.call(value);
    return true;
  } catch {
    return false;
  }
}

/** Whether a value is an error, of any realm: the runtime's may be another than the program's. */
export function isErrorObject(value: unknown): value is Error {
  return isObject(value) && typeof (value as Error).name === "string" &&
    typeof (value as Error).message === "string";
}

/** Whether a value is a `Blob` or a `File`, of any class that can stream it. */
export function isBlob(value: unknown): value is Blob {
  return isObject(value) && /^(?:Blob|File)$/.test(nameOf(value)) &&
    hasMethod(value, "stream") && typeof (value as Blob).size === "number";
}

/** Whether a value can be read as a `ReadableStream`. */
export function isReadableStream(value: unknown): value is ReadableStream {
  return isObject(value) && hasMethod(value, "getReader") &&
    typeof (value as ReadableStream).locked === "boolean";
}

/** Whether a value is an `AbortSignal`, of any class. */
export function isAbortSignal(value: unknown): value is AbortSignal {
  return isObject(value) && typeof (value as AbortSignal).aborted === "boolean" &&
    hasMethod(value, "addEventListener") && hasMethod(value, "throwIfAborted");
}

/** Whether a value is a `Date`, of any realm or class. */
export function isDate(value: unknown): value is Date {
  return isObject(value) && hasMethod(value, "getTime") && hasMethod(value, "toUTCString");
}

export function hasMethod(value: object, name: PropertyKey): boolean {
  return typeof (value as Record<PropertyKey, unknown>)[name] === "function";
}

function nameOf(value: object): string {
  return String((value as { [Symbol.toStringTag]?: unknown })[Symbol.toStringTag]);
}
