/** What a fuzzer is made of. */

import { Random, toHex } from "../codec/support.ts";

/** One thing to fuzz. */
export interface Target<Input> {
  /** Makes the input of an execution. The same numbers make the same input. */
  make(random: Random): Input;
  /** Executes, and throws where anything is wrong. Gives the name of the outcome, for statistics. */
  check(input: Input): string | Promise<string>;
}

/** An input that is bytes, which can be made shorter. */
export interface BytesInput {
  bytes: Uint8Array;
}

/** An input that is a text, which can be made shorter. */
export interface TextInput {
  text: string;
}

/** Checks something; the message is made only where it is needed, as that takes longer than a check. */
export function check(holds: boolean, message: () => string): asserts holds {
  if (!holds) throw new Error(message());
}

/** Executes a target with what a seed makes. */
export function execute<Input>(target: Target<Input>, seed: number): string | Promise<string> {
  return target.check(target.make(new Random(seed)));
}

/** How long it is tried to make an input shorter, in milliseconds. */
const SHRINKING_MS = 10_000;

/** Makes an input shorter, as long as it fails, piece by piece. */
export async function shrink<Input>(target: Target<Input>, input: Input): Promise<Input> {
  const began = performance.now();
  let best = input;
  for (const key of ["bytes", "text"] as const) {
    const of = (each: Input) => (each as Record<string, Uint8Array | string | undefined>)[key];
    if (of(best) === undefined) continue;
    for (let size = of(best)!.length; size >= 1; size = Math.floor(size / 2)) {
      for (let at = 0; at < of(best)!.length;) {
        const shorter: Input = { ...best, [key]: without(of(best)!, at, at + size) };
        if (performance.now() - began > SHRINKING_MS) return best;
        if (await fails(target, shorter)) best = shorter;
        else at += size;
      }
    }
  }
  return best;
}

function without(value: Uint8Array | string, start: number, end: number): Uint8Array | string {
  if (typeof value === "string") return value.slice(0, start) + value.slice(end);
  return Uint8Array.from([...value.subarray(0, start), ...value.subarray(end)]);
}

async function fails<Input>(target: Target<Input>, input: Input): Promise<boolean> {
  try {
    await target.check(input);
    return false;
  } catch {
    return true;
  }
}

/** Writes an input as it can stand in `vectors.ts`. */
export function showInput(input: unknown): string {
  const parts = Object.entries(input as object).map(([key, value]) => {
    if (value instanceof Uint8Array) return `${key}: fromHex("${toHex(value)}")`;
    return `${key}: ${typeof value === "number" ? value : JSON.stringify(value)}`;
  });
  return `{ ${parts.join(", ")} }`;
}
