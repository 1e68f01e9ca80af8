/**
 * The ways in which code of a program may fail: it throws, or gives what rejects, with anything.
 *
 * @module
 */

/** A way to fail. */
export interface HookFault {
  name: string;
  /** What it fails with. */
  error: unknown;
  /** Whether it fails later, with a promise. */
  isLate: boolean;
  /** Fails. */
  fail: () => never;
}

/** An error that can't be looked at. */
function unreadableError(): Error {
  const error = new Error();
  for (const name of ["message", "stack", "name"]) {
    Object.defineProperty(error, name, {
      get() {
        throw new Error(`The ${name} was read`);
      },
    });
  }
  return error;
}

/** An object that nobody can ask anything. */
function closedProxy(): object {
  const trap = () => {
    throw new Error("The proxy was asked");
  };
  const names = ["get", "has", "getPrototypeOf", "ownKeys", "getOwnPropertyDescriptor"] as const;
  return new Proxy({}, Object.fromEntries(names.map((name) => [name, trap])));
}

const ERRORS: [name: string, create: () => unknown][] = [
  ["an error", () => new Error("The program's own")],
  ["null", () => null],
  ["undefined", () => undefined],
  ["a symbol", () => Symbol("mine")],
  ["an unreadable error", unreadableError],
  ["a closed proxy", closedProxy],
];

const WAYS: [name: string, isLate: boolean, fail: (error: unknown) => unknown][] = [
  ["throws", false, (error) => {
    throw error;
  }],
  ["rejects with", true, (error) => Promise.reject(error)],
  ["gives a thenable that rejects with", true, (error) => ({
    then: (_: unknown, reject: (error: unknown) => void) => reject(error),
  })],
  ["gives a thenable that throws", true, (error) => ({
    then: () => {
      throw error;
    },
  })],
  ["gives what throws, where then is read,", false, (error) => ({
    get then() {
      throw error;
    },
  })],
];

/** Each way, with each error. */
export const HOOK_FAULTS: readonly HookFault[] = WAYS.flatMap(([way, isLate, fail]) =>
  ERRORS.map(([what, create]) => {
    const error = create();
    return { name: `${way} ${what}`, error, isLate, fail: () => fail(error) as never };
  })
);

/** Makes a hook that fails the first time, and gives `result` after that. */
export function failsOnce(fault: HookFault, result?: unknown): () => never {
  let calls = 0;
  return () => (calls++ === 0 ? fault.fail() : result) as never;
}

/** Runs `body`; gives what was written by `console.error` meanwhile. */
export async function captureConsole(body: () => Promise<void>): Promise<unknown[]> {
  const { error: print } = console;
  const printed: unknown[] = [];
  console.error = (what: unknown) => void printed.push(what);
  try {
    await body();
  } finally {
    console.error = print;
  }
  return printed;
}
