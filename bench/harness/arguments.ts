/**
 * The flags of the command line.
 *
 * @module
 */

import { parseArgs } from "node:util";

/** What the help says of a benchmark. */
export interface UsageInit {
  /** The task that measures. */
  task: string;
  /** The files it is reported in, without their ending. */
  file: string;
  /** How long the whole takes, and with `--quick`. */
  minutes: { whole: string; quick: string };
}

/** How to use it. */
export function usageOf({ task, file, minutes }: UsageInit): string {
  return `usage: deno task ${task} [options]

  --quick        in ${minutes.quick}: fewer servers and workloads, one short round
  --only WORDS   only what has one of the words, with commas between them: a runtime, a server, a style,
                 a workload, a kind of payload; given again, both have to apply:
                 --only node --only 64x1x32 --only callback,ws,raw
  --list         show the words, and measure nothing
  --rounds N     how often each is measured: 1 to 99 (default: 3; with --quick, 1)
  --seconds S    how long each is measured: 0.1 to 60 (default: 1.5; with --quick, 0.5)
  --out FOLDER   where ${file}.md, ${file}.json and ${file}.svg go (default: bench/results, or
                 .tmp/bench for part of the whole: with --quick or --only)
  --generator COMMAND
                 another load generator: it gets the task as JSON behind its own arguments, and prints
                 the report as JSON (bench/servers/load/result.ts)
  --help         show this text
`;
}

/** What the command line asks for. */
export interface Arguments {
  quick: boolean;
  only: string[];
  list: boolean;
  rounds: number;
  seconds: number;
  out: string;
  /** The command of another load generator, and its arguments. */
  generator: string[] | undefined;
  help: boolean;
}

/** Where results are published: those that the repository keeps. */
export const PUBLISHED = "bench/results";
/** Where all others go. */
export const UNPUBLISHED = ".tmp/bench";

/** What is wrong with the command line. */
export class UsageError extends Error {}

/**
 * Parses the command line.
 *
 * @throws {UsageError} Where it makes no sense.
 */
export function parseArguments(args: string[]): Arguments {
  const flags = parseFlags(args);
  const { quick, only, list, help } = flags;
  const isPart = quick || only.length > 0;
  return {
    quick,
    only,
    list,
    help,
    rounds: parseNumber("rounds", flags.rounds ?? (quick ? "1" : "3"), 1, 99, /^\d+$/),
    seconds: parseNumber(
      "seconds",
      flags.seconds ?? (quick ? "0.5" : "1.5"),
      0.1,
      60,
      /^\d*\.?\d+$/,
    ),
    out: flags.out ?? (isPart ? UNPUBLISHED : PUBLISHED),
    generator: parseCommand(flags.generator),
  };
}

function parseFlags(args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        quick: { type: "boolean", default: false },
        only: { type: "string", multiple: true, default: [] },
        list: { type: "boolean", default: false },
        rounds: { type: "string" },
        seconds: { type: "string" },
        out: { type: "string" },
        generator: { type: "string" },
        help: { type: "boolean", default: false },
      },
    }).values;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

/** Splits a command at its spaces. */
function parseCommand(command: string | undefined): string[] | undefined {
  if (command === undefined) return undefined;
  const words = command.split(" ").filter((word) => word !== "");
  if (words.length > 0) return words;
  throw new UsageError(`--generator is a command, not ${JSON.stringify(command)}`);
}

function parseNumber(name: string, value: string, min: number, max: number, form: RegExp): number {
  const number = form.test(value) ? Number(value) : NaN;
  if (number >= min && number <= max) return number;
  const kind = form.test("0.5") ? "a number" : "an integer";
  throw new UsageError(`--${name} is ${kind} from ${min} to ${max}, not ${JSON.stringify(value)}`);
}
