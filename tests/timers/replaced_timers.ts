/** What fake timers replace. */
const NAMES = [
  "setTimeout",
  "clearTimeout",
  "setInterval",
  "clearInterval",
  "setImmediate",
  "clearImmediate",
  "queueMicrotask",
  "Date",
  "performance",
] as const;

/**
 * Replaces everything that waits or tells the time by what never calls back, as fake timers do that nobody
 * moves, while something runs: the globals, and the functions that are properties.
 */
export async function withReplacedTimers(run: () => Promise<void>): Promise<void> {
  const globals = globalThis as unknown as Record<string, unknown>;
  const before = NAMES.map((name) => [name, globals[name]] as const);
  const { now } = Date;
  const { now: readClock } = performance;
  const properties = { performance, Date };
  const timer = { ref: () => timer, unref: () => timer, hasRef: () => false };
  const never = () => timer;
  class FrozenDate extends Date {
    constructor() {
      super(0);
    }
    static override now(): number {
      return 0;
    }
  }
  for (const name of NAMES) globals[name] = never;
  globals.Date = FrozenDate;
  globals.performance = { now: () => 0 };
  properties.Date.now = () => 0;
  properties.performance.now = () => 0;
  try {
    await run();
  } finally {
    properties.Date.now = now;
    properties.performance.now = readClock;
    for (const [name, value] of before) globals[name] = value;
  }
}
