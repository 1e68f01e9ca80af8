/**
 * Counts the timers that are set: no runtime tells in a way that the others share. To be imported
 * before what sets them.
 *
 * @module
 */

const active = new Set<unknown>();

/** Counts what a function of the runtime sets, until it is over or `clearName` clears it. */
function count(setName: "setTimeout" | "setInterval", clearName: "clearTimeout" | "clearInterval") {
  const set = globalThis[setName] as (run: unknown, ...rest: unknown[]) => unknown;
  const clear = globalThis[clearName] as (timer: unknown) => void;
  const counted = (run: (...args: unknown[]) => void, ...rest: unknown[]) => {
    const timer = set((...args: unknown[]) => {
      if (setName === "setTimeout") active.delete(timer);
      run(...args);
    }, ...rest);
    active.add(timer);
    return timer;
  };
  const cleared = (timer: unknown) => {
    active.delete(timer);
    clear(timer);
  };
  Object.assign(globalThis, { [setName]: counted, [clearName]: cleared });
}

count("setTimeout", "clearTimeout");
count("setInterval", "clearInterval");

/** How many timers are set. */
export function activeTimers(): number {
  return active.size;
}
