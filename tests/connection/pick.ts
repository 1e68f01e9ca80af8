/** A repeatable source of integers: `pick(n)` gives 0 to n - 1. */
export type Pick = (count: number) => number;

/** Creates a source whose integers the seed decides. */
export function createPick(seed: number): Pick {
  let state = seed * 7919 + 1;
  return (count) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % count;
  };
}
