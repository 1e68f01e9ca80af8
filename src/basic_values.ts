/**
 * Recognizes the values that every server meets, as `values.ts` does the others.
 *
 * @module
 */

/** The getter of a typed array's name. It reads an internal slot, so it works across realms. */
const typedArrayName: (this: unknown) => unknown = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype),
  Symbol.toStringTag,
)!.get!;

/** Whether a value is a `Uint8Array`, of any realm. */
export function isUint8Array(value: unknown): value is Uint8Array {
  // The first line is a fast path, above all on Bun. `isView` is needed: an object can inherit from the class.
  return (value instanceof Uint8Array && ArrayBuffer.isView(value)) ||
    typedArrayName.call(value) === "Uint8Array";
}

/** Whether a value is an object, or a function. */
export function isObject(value: unknown): value is object {
  return typeof value === "function" || (typeof value === "object" && value !== null);
}

/** Whether a value is an object without a class: its prototype is `Object.prototype`, of any realm, or null. */
export function isPlainObject(value: unknown): value is object {
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  if (prototype === null || prototype === Object.prototype) return true;
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, "constructor") &&
    isObjectConstructor(prototype.constructor);
}

/** Whether a value is the `Object` of any realm: all have the same source, "[native code]", unlike other functions. */
function isObjectConstructor(value: unknown): boolean {
  const sourceOf = Function.prototype.toString;
  return typeof value === "function" && sourceOf.call(value) === sourceOf.call(Object);
}
