import { isAbortSignal, isPlainObject } from "./values.ts";

/**
 * Every name that an object of options may have. The types hold it to be complete. An option that holds options
 * itself may have their names instead of `true`, so that who writes one of them outside is told where it belongs.
 */
export type Names<T> = { readonly [Name in keyof T & string]-?: true | readonly string[] };

/** Some of the properties of `T`. One that is `undefined` counts as left out. */
export type Optional<T> = { [K in keyof T]?: T[K] | undefined };

/**
 * Checks the options of a call: that they are an object, and none of them is unknown.
 *
 * @param name The call's name.
 * @throws {TypeError} Where they are something else, or one is unknown.
 */
export function checkOptions<T extends object>(
  name: string,
  options: T,
  known: Names<NoInfer<T>>,
): void {
  checkNames(name, options, known, `the options of ${name}`);
}

/**
 * Checks an option that holds options itself.
 *
 * @param name The option's name.
 * @param what What it is, for the message.
 * @param instead What it may be instead, for the message, such as `"true or false"`.
 * @throws {TypeError} Where it is no object, or a name in it is unknown.
 */
export function checkNames(
  name: string,
  options: object,
  known: Readonly<Record<string, unknown>>,
  what: string = name,
  instead?: string,
): void {
  if (!isPlainObject(options) && !isInstance(options)) {
    const names = Object.keys(known).join(", ");
    const others = instead === undefined ? "" : `, or ${instead}`;
    throw new TypeError(
      `Cannot use ${show(options)} as ${what}: it is an object { ${names} }${others}`,
    );
  }
  for (const key of Object.keys(options)) {
    if (Object.hasOwn(known, key)) continue;
    const names = Object.keys(known);
    const near = placeOf(key, known) ?? nearest(key, names);
    const hint = near === undefined ? "" : `did you mean ${near}? `;
    throw new TypeError(
      `Cannot use the option ${name}.${key}: ${hint}${name} has ${names.join(", ")}`,
    );
  }
}

/**
 * Checks a function that may be left out.
 *
 * @throws {TypeError} Where it is something else.
 */
export function checkFunction(name: string, value: unknown): void {
  if (value === undefined || typeof value === "function") return;
  throw new TypeError(`Cannot use ${show(value)} as ${name}: it is a function`);
}

/**
 * Checks a signal that may be left out.
 *
 * @throws {TypeError} Where it is something else.
 */
export function checkSignal(signal: unknown): void {
  if (signal === undefined || isAbortSignal(signal)) return;
  throw new TypeError(`Cannot use ${show(signal)} as signal: it is an AbortSignal`);
}

/**
 * Checks an option that is a boolean, or left out.
 *
 * @throws {TypeError} Where it is something else.
 */
export function checkBoolean(name: string, value: unknown): void {
  if (value === undefined || typeof value === "boolean") return;
  throw new TypeError(`Cannot use ${show(value)} as ${name}: it is true or false`);
}

/**
 * Checks an option that is a string, or left out.
 *
 * @throws {TypeError} Where it is something else.
 */
export function checkString(name: string, value: unknown): void {
  if (value === undefined || typeof value === "string") return;
  throw new TypeError(`Cannot use ${show(value)} as ${name}: it is a string`);
}

/**
 * Checks an option that is a list, or left out.
 *
 * @throws {TypeError} Where it is something else.
 */
export function checkList(name: string, value: unknown): void {
  if (value === undefined || Array.isArray(value)) return;
  throw new TypeError(`Cannot use ${show(value)} as ${name}: it is an array`);
}

/**
 * Checks an option that is the path of a socket, or left out.
 *
 * @throws {TypeError} Where it is something else.
 */
export function checkPath(path: unknown): void {
  if (path === undefined || (typeof path === "string" && path !== "" && !path.includes("\0"))) {
    return;
  }
  throw new TypeError(`Cannot use ${show(path)} as path: it is a file name`);
}

/**
 * Checks an option that is one of some strings.
 *
 * @throws {TypeError} Where it is something else.
 */
export function checkOneOf(name: string, value: unknown, choices: readonly string[]): void {
  if (choices.includes(value as string)) return;
  const names = choices.map((choice) => `"${choice}"`);
  const last = names.pop();
  throw new TypeError(`Cannot use ${show(value)} as ${name}: it is ${names.join(", ")} or ${last}`);
}

/**
 * Checks an option that is handed on as it is: an object, or left out.
 *
 * @throws {TypeError} Where it is something else.
 */
export function checkObject(name: string, value: unknown): void {
  if (value === undefined || (typeof value === "object" && value !== null)) return;
  throw new TypeError(`Cannot use ${show(value)} as ${name}: it is an object`);
}

/**
 * Checks that something has the methods of an interface.
 *
 * @param hint Where to get one, for the message.
 * @throws {TypeError} Where one is missing.
 */
export function checkMethods(
  name: string,
  value: unknown,
  methods: readonly string[],
  hint = "",
): void {
  const object = value as Record<string, unknown> | null | undefined;
  if (methods.every((method) => typeof object?.[method] === "function")) return;
  throw new TypeError(
    `Cannot use ${show(value)} as ${name}: it must have the methods ${methods.join(", ")}${hint}`,
  );
}

/**
 * Checks a number: an integer in a range. Anything else would compare as no limit at all, or as one that
 * nothing keeps.
 *
 * @param max The largest; where it is `Infinity`, that is one of them.
 * @param what What it is, for the message.
 * @throws {RangeError} Where the number is not in the range.
 * @throws {TypeError} Where it is no number.
 */
export function checkInteger(
  name: string,
  value: unknown,
  min: number,
  max: number,
  what = `an integer from ${min} ${max === Infinity ? "on, or Infinity" : `to ${max}`}`,
): void {
  const isInRange = typeof value === "number" && value >= min && value <= max;
  if (isInRange && (Number.isSafeInteger(value) || value === Infinity)) return;
  const ErrorClass = typeof value === "number" ? RangeError : TypeError;
  throw new ErrorClass(`Cannot use ${show(value)} as ${name}: it is ${what}`);
}

/**
 * Whether a value is an object of a class that a program wrote. What the runtime has is none for options: a
 * list, a map, or a signal that is given instead of `{ signal }`.
 */
function isInstance(value: unknown): value is object {
  return typeof value === "object" && Object.prototype.toString.call(value) === "[object Object]";
}

/** How much of a string, and how many names of an object, a message shows. */
const MAX_SHOWN = 100;
const MAX_NAMES = 8;

/** What may be secret, where it is given in a wrong place: messages are logged. */
const SECRETS: [what: string, pattern: RegExp][] = [
  ["a URL with a user", /^[a-z+]+:\/\/[^/?#]*@/i],
  ["a certificate or key", /-----BEGIN/],
];

/** Shows a value in a message, in some words: a text that a program wrote for it may be of any size. */
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

/** Gives the option that has another one inside, as `limits.maxMessageSize`, if one has. */
function placeOf(inner: string, known: Readonly<Record<string, unknown>>): string | undefined {
  const outer = Object.keys(known).find((name) => {
    const names = known[name];
    return Array.isArray(names) && names.includes(inner);
  });
  return outer === undefined ? undefined : `${outer}.${inner}`;
}

/** Gives the name that a wrong one may stand for, if there is such a one. */
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

/** How many letters have to be added, left out or replaced to make one word of another. */
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
