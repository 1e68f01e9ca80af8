/**
 * What the hooks `upgrade` and `fetch` may return.
 *
 * @module
 */

import { hasMethod, isObject, isPlainObject } from "../../values.ts";
import type { UpgradeAcceptance } from "../options.ts";

const ACCEPTANCE_KEYS: readonly PropertyKey[] = ["protocol", "headers", "data"];
const HOW_TO_ACCEPT = "return {}, or { protocol, headers, data }, to accept, a Response to refuse";

/**
 * Whether a value is a response, of any class: with a status, header fields, and a body, if it has one.
 * Frameworks replace the global class, and packages bring their own.
 */
export function isResponse(value: unknown): value is Response {
  if (!isObject(value)) return false;
  const { status, headers } = value as Partial<Response>;
  return typeof status === "number" && isObject(headers) && hasMethod(headers, "get") &&
    Symbol.iterator in headers && "body" in value;
}

/** Checks what the `fetch` hook returned. The error does not show a text, which may be long, and secret. */
export function checkResponse(value: unknown): asserts value is Response {
  if (isResponse(value)) return;
  const [what, like] = typeof value === "string"
    ? ["a string", ", such as new Response(text)"]
    : isObject(value)
    ? ["an object", ", such as Response.json(object)"]
    : [String(value), ""];
  throw new TypeError(
    `Cannot answer the request: the fetch hook returned ${what}: return a Response${like}`,
  );
}

/**
 * Gives a copy, which inherits nothing, of how the `upgrade` hook accepts. What is not clearly meant as an acceptance
 * is a `TypeError`.
 */
export function checkAcceptance<Data>(result: unknown): UpgradeAcceptance<Data> {
  if (!isPlainObject(result)) {
    const what = isObject(result) ? "an object of a class" : String(result);
    throw new TypeError(
      `Cannot accept the upgrade: the upgrade hook returned ${what}: ${HOW_TO_ACCEPT}`,
    );
  }
  for (const key of Reflect.ownKeys(result)) {
    if (ACCEPTANCE_KEYS.includes(key)) continue;
    throw new TypeError(
      `Cannot accept the upgrade: the upgrade hook returned an object with the unknown key ${
        String(key)
      }: ${HOW_TO_ACCEPT}`,
    );
  }
  const acceptance: UpgradeAcceptance<Data> = Object.assign(Object.create(null), result);
  const { protocol, headers } = acceptance;
  if (protocol !== undefined && typeof protocol !== "string") {
    throw new TypeError("Cannot accept the upgrade: the protocol that it returned is no string");
  }
  if (headers !== undefined && (!isObject(headers) || typeof headers === "function")) {
    throw new TypeError("Cannot accept the upgrade: the headers that it returned are no fields");
  }
  return acceptance;
}
