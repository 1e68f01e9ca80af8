import { setChecks } from "./loaded_checks.ts";
import { MAX_DURATION_MS } from "./timers.ts";
import { isAbortSignal, isArrayBuffer, isPlainObject } from "./values.ts";

/**
 * The names of all options of `T`; the type makes the list complete. An option that is an object of options
 * may list their names instead of `true`, so that the error for one given outside it says where it belongs.
 */
export type Names<T> = { readonly [Name in keyof T & string]-?: true | readonly string[] };

/** Some of the properties of `T`. One that is `undefined` counts as left out. */
export type Optional<T> = { [K in keyof T]?: T[K] | undefined };

/** Creates the error for an option of the wrong type: says what is allowed, and shows the value. */
export function invalidType(name: string, expected: string, value: unknown): TypeError {
  return new TypeError(describeInvalid(name, expected, value));
}

function describeInvalid(name: string, expected: string, value: unknown): string {
  return `${name} must be ${expected}, got ${show(value)}`;
}

/** Checks the options of the call `name`. @throws {TypeError} If they are no object, or one is unknown. */
export function checkOptions<T extends object>(
  name: string,
  options: T,
  known: Names<NoInfer<T>>,
): void {
  checkNames(name, options, known, `the options of ${name}`);
}

/**
 * Checks an option that is an object of options.
 *
 * @param what How the error names the object. Default: `name`.
 * @param alternative What else is allowed, such as `"a boolean"`, for the error.
 * @throws {TypeError} If it is no object, or a name in it is unknown.
 */
export function checkNames(
  name: string,
  options: object,
  known: Readonly<Record<string, unknown>>,
  what: string = name,
  alternative?: string,
): void {
  const names = Object.keys(known);
  if (!isPlainObject(options) && !isClassInstance(options)) {
    const object = `an object { ${names.join(", ")} }`;
    const expected = alternative === undefined ? object : `${alternative} or ${object}`;
    throw invalidType(what, expected, options);
  }
  for (const key of Object.keys(options)) {
    if (Object.hasOwn(known, key)) continue;
    const near = pathOf(key, known) ?? nearest(key, names);
    const hint = near === undefined ? "" : `did you mean ${near}? `;
    throw new TypeError(`Unknown option ${name}.${key}: ${hint}${name} has ${names.join(", ")}`);
  }
}

/** Throws a `TypeError` unless an option is left out, or what the check is for. */
type OptionCheck = (name: string, value: unknown) => void;

function createCheck(expected: string, isValid: (value: unknown) => boolean): OptionCheck {
  return (name, value) => {
    if (value !== undefined && !isValid(value)) throw invalidType(name, expected, value);
  };
}

function createTypeCheck(type: string): OptionCheck {
  return createCheck(`a ${type}`, (value) => String(typeof value) === type);
}

export const checkFunction: OptionCheck = createTypeCheck("function");
export const checkBoolean: OptionCheck = createTypeCheck("boolean");
export const checkString: OptionCheck = createTypeCheck("string");
export const checkList: OptionCheck = createCheck("an array", Array.isArray);
/** Takes an object of any class. */
export const checkObject: OptionCheck = createCheck(
  "an object",
  (value) => typeof value === "object" && value !== null,
);

export function checkSignal(signal: unknown): void {
  if (signal === undefined || isAbortSignal(signal)) return;
  throw invalidType("signal", "an AbortSignal", signal);
}

/** Throws a `TypeError` unless the option `path` can be the path of a socket, or is left out. */
export function checkPath(path: unknown): void {
  if (path === undefined || (typeof path === "string" && path !== "" && !path.includes("\0"))) {
    return;
  }
  throw invalidType("path", "a non-empty file name without NUL", path);
}

export function checkOneOf(name: string, value: unknown, choices: readonly string[]): void {
  if (choices.includes(value as string)) return;
  const names = choices.map((choice) => `"${choice}"`);
  const last = names.pop();
  throw invalidType(name, `${names.join(", ")} or ${last}`, value);
}

/** Throws a `TypeError` unless a value has all the methods. `hint` says how to get such an object. */
export function checkMethods(
  name: string,
  value: unknown,
  methods: readonly string[],
  hint = "",
): void {
  const object = value as Record<string, unknown> | null | undefined;
  if (methods.every((method) => typeof object?.[method] === "function")) return;
  throw invalidType(name, `an object with the methods ${methods.join(", ")}${hint}`, value);
}

/**
 * Checks that a value is an integer in a range: a limit of another type, or NaN, would never be exceeded. Without a
 * `max`, `Infinity` is allowed itself. Throws a `RangeError`, or a `TypeError` if the value is no number.
 */
export function checkInteger(
  name: string,
  value: unknown,
  min: number,
  max: number = Infinity,
): void {
  if (isInteger(value, min, max)) return;
  const expected = max === Infinity
    ? `an integer of at least ${min}, or Infinity`
    : `an integer from ${min} to ${grouped(max)}`;
  throw invalidNumber(name, expected, value);
}

function isInteger(value: unknown, min: number, max: number): boolean {
  return typeof value === "number" && value >= min && value <= max &&
    (Number.isSafeInteger(value) || value === Infinity);
}

function invalidNumber(name: string, expected: string, value: unknown): Error {
  const ErrorClass = typeof value === "number" ? RangeError : TypeError;
  return new ErrorClass(describeInvalid(name, expected, value));
}

/** Checks a duration in milliseconds: an integer from 1 on, or `Infinity`. Throws as {@linkcode checkInteger}. */
export function checkDuration(name: string, value: unknown): void {
  if (value !== Infinity) checkMilliseconds(name, value, 1, ", or Infinity");
}

/** Checks a finite duration in milliseconds: an integer from `min` on. Throws as {@linkcode checkInteger}. */
export function checkFiniteDuration(name: string, value: unknown, min: number): void {
  checkMilliseconds(name, value, min, "");
}

function checkMilliseconds(name: string, value: unknown, min: number, alternative: string): void {
  if (isInteger(value, min, MAX_DURATION_MS)) return;
  const range = `from ${min} to ${grouped(MAX_DURATION_MS)}`;
  throw invalidNumber(name, `an integer number of milliseconds ${range}${alternative}`, value);
}

/** Groups the digits of an integer: 65535 becomes `"65,535"`. It is slow: for errors only. */
function grouped(value: number): string {
  return value.toLocaleString("en");
}

/**
 * Whether a value is an object of a class of the program's. The classes of the runtime are no options: a list,
 * a map, or a signal passed in place of `{ signal }`.
 */
function isClassInstance(value: unknown): value is object {
  return typeof value === "object" && Object.prototype.toString.call(value) === "[object Object]";
}

/** Creates the error for a value that a program wants to send, and that is no message. */
export function invalidMessage(data: unknown): TypeError {
  const [type, hint] = describeMessage(data);
  return new TypeError(`Cannot send ${type}: messages are strings or Uint8Arrays${hint}`);
}

function describeMessage(data: unknown): [type: string, hint: string] {
  if (data === null || data === undefined) return [String(data), ""];
  if (isArrayBuffer(data)) return ["an ArrayBuffer", ", such as new Uint8Array(buffer)"];
  if (ArrayBuffer.isView(data)) {
    return [
      "a view of another type",
      ", such as new Uint8Array(view.buffer, view.byteOffset, view.byteLength)",
    ];
  }
  if (Array.isArray(data)) return ["an array", ", such as JSON.stringify(array)"];
  if (typeof data === "object") return ["an object", ", such as JSON.stringify(object)"];
  return [`a ${typeof data}`, ""];
}

/** How many characters of a string an error shows. */
const MAX_SHOWN = 100;
/** How many names of an object an error shows. */
const MAX_NAMES = 8;

/** Strings that may hold secrets and are not shown: errors are logged. */
const SECRETS: [what: string, pattern: RegExp][] = [
  ["a URL with a user", /^[a-z+]+:\/\/[^/?#]*@/i],
  ["a certificate or key", /-----BEGIN/],
];

/** Describes a value for an error, in bounded length: strings and objects of programs may be of any size. */
export function show(value: unknown): string {
  if (typeof value === "string") {
    for (const [what, pattern] of SECRETS) if (pattern.test(value)) return what;
    const more = value.length > MAX_SHOWN ? ` and ${value.length - MAX_SHOWN} more characters` : "";
    return JSON.stringify(value.slice(0, MAX_SHOWN)) + more;
  }
  if (typeof value === "function") return "a function";
  if (typeof value !== "object" || value === null) return String(value);
  try {
    return showObject(value);
  } catch {
    return "an object";
  }
}

function showObject(value: object): string {
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (!isPlainObject(value)) {
    const { constructor } = value as { constructor?: { name?: unknown } };
    const name = constructor?.name;
    return typeof name === "string" && /^\w{1,50}$/.test(name)
      ? `an object of ${name}`
      : "an object";
  }
  const names = Object.keys(value);
  if (names.length === 0) return "an empty object";
  const more = names.length > MAX_NAMES ? ", ..." : "";
  return `an object { ${
    names.slice(0, MAX_NAMES).map((name) => name.slice(0, MAX_SHOWN)).join(", ")
  }${more} }`;
}

/** Finds the full path of an option that belongs into another one, such as `limits.maxMessageSize`. */
function pathOf(inner: string, known: Readonly<Record<string, unknown>>): string | undefined {
  const outer = Object.keys(known).find((name) => {
    const names = known[name];
    return Array.isArray(names) && names.includes(inner);
  });
  return outer === undefined ? undefined : `${outer}.${inner}`;
}

/** Finds the known name that a misspelled one is closest to, if one is close. */
function nearest(wrong: string, names: readonly string[]): string | undefined {
  const word = wrong.toLowerCase();
  let found: string | undefined;
  let least = word.length > 5 ? 3 : 2;
  for (const name of names) {
    const distance = editDistance(word, name.toLowerCase());
    if (distance < least) [found, least] = [name, distance];
  }
  const isPart = (name: string) => word.length > 3 && name.toLowerCase().includes(word);
  return found ?? names.find(isPart);
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const above = row;
    row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = above[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(replaced, above[j]! + 1, row[j - 1]! + 1));
    }
  }
  return row[b.length]!;
}

setChecks({
  checkBoolean,
  checkFunction,
  checkInteger,
  checkObject,
  checkOptions,
  invalidMessage,
  show,
});
