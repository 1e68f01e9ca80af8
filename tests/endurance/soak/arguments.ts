/**
 * What `deno task soak` is asked for.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { RUNTIME_IDS } from "../../../tools/runtimes.ts";
import { FAULTS } from "./faults.ts";

/** How to use it. */
export const USAGE: string = `usage: deno task soak [options]

  --minutes N     how long each runtime is soaked: 0.2 or more (default: 10); a last calm comes on top
  --runtime NAME  ${RUNTIME_IDS.join(", ")}; may be given more than once (default: all, one by one)
  --seed S        decides what clients send, and which attacks are made when (default: 1)
  --max-wait MS   the longest that an honest client may wait for anything (default: 1000)
  --fault NAME    what the server is to do wrong, to see the soak fail: ${FAULTS.join(", ")}
  --out FOLDER    where soak.svg goes (default: .tmp/soak)
  --help          show this text
`;

/** The arguments are not as they should be. */
export class UsageError extends Error {}

/** What was asked for. */
export interface SoakArguments {
  help: boolean;
  minutes: number;
  runtimes: string[];
  seed: number;
  maxWaitMs: number;
  faults: string[];
  out: string;
}

/**
 * Parses the arguments.
 *
 * @throws {UsageError} Where something is wrong with them.
 */
export function parseArguments(args: string[]): SoakArguments {
  const values = parse(args);
  const minutes = Number(values.minutes);
  if (!(minutes >= 0.2 && minutes < Infinity)) {
    throw new UsageError(`--minutes takes 0.2 or more, not ${values.minutes}`);
  }
  const seed = Number(values.seed);
  if (!Number.isSafeInteger(seed)) {
    throw new UsageError(`--seed takes an integer, not ${values.seed}`);
  }
  const maxWaitMs = Number(values["max-wait"]);
  if (!(maxWaitMs > 0)) {
    throw new UsageError(`--max-wait takes more than 0, not ${values["max-wait"]}`);
  }
  checkNames("--runtime", values.runtime, RUNTIME_IDS);
  checkNames("--fault", values.fault, FAULTS);
  const { help, runtime: runtimes, fault: faults, out } = values;
  return { help, minutes, runtimes, seed, maxWaitMs, faults, out };
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        help: { type: "boolean", default: false },
        minutes: { type: "string", default: "10" },
        runtime: { type: "string", multiple: true, default: [...RUNTIME_IDS] },
        seed: { type: "string", default: "1" },
        "max-wait": { type: "string", default: "1000" },
        fault: { type: "string", multiple: true, default: [] },
        out: { type: "string", default: ".tmp/soak" },
      },
    }).values;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function checkNames(option: string, names: string[], known: readonly string[]): void {
  for (const name of names) {
    if (known.includes(name)) continue;
    throw new UsageError(`${option} takes ${known.join(", ")}, not ${name}`);
  }
}
