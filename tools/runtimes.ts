/**
 * The runtimes the tests run on: where npm put their executables, and how each runs a test file.
 *
 * @module
 */

const nodeModules = new URL("../node_modules/", import.meta.url);

/** One runtime, ready to run test files. */
export interface Runtime {
  /** The name it is asked for by: `"deno"`, `"bun"`, `"node22"` or `"node26"`. */
  id: string;
  /** The name and version, for people. */
  label: string;
  /** What runs its JavaScript. */
  engine: "V8" | "JavaScriptCore";
  /** The path of its executable. */
  executable: string;
  /** Gives the command that runs a test file and leaves a JUnit report at `report`. */
  testCommand(file: string, report: string): string[];
}

/**
 * The oldest version of each runtime that the tests pass on. Node before 22.18 runs the JavaScript of
 * the npm package, and the sources with `--experimental-strip-types`.
 */
export const OLDEST: Readonly<Record<"deno" | "bun" | "node", string>> = {
  deno: "2.9.3",
  bun: "1.4.4",
  node: "22.12.0",
};

interface Kind {
  id: string;
  name: string;
  /** Where the executable is, below `node_modules`; `*` stands for the platform. */
  place: string;
  test(executable: string, file: string, report: string): string[];
}

function testOnNode(executable: string, file: string, report: string): string[] {
  return [
    executable,
    "--expose-gc",
    // Node 22 warns that type stripping is experimental.
    "--disable-warning=ExperimentalWarning",
    "--test-reporter=spec",
    "--test-reporter-destination=stdout",
    "--test-reporter=junit",
    `--test-reporter-destination=${report}`,
    file,
  ];
}

const KINDS: Kind[] = [
  {
    id: "deno",
    name: "Deno",
    place: "@deno/*/deno",
    // Types are checked once, by `deno task ok`. Not quiet: that hides what tests print, such as why
    // some are skipped.
    test: (executable, file, report) => [
      executable,
      "test",
      "--allow-all",
      "--no-check",
      "--v8-flags=--expose-gc",
      `--junit-path=${report}`,
      file,
    ],
  },
  {
    id: "bun",
    name: "Bun",
    place: "@oven/bun-*/bin/bun",
    test: (executable, file, report) => [
      executable,
      "test",
      // Bun alone gives a test 5 seconds. Here the deadline is the file's, as on the others.
      "--timeout=3600000",
      "--reporter=junit",
      `--reporter-outfile=${report}`,
      // Without this, it would be a word to look for in the paths.
      file.startsWith("/") ? file : `./${file}`,
    ],
  },
  {
    id: "node22",
    name: "Node",
    place: "node22-*/bin/node",
    test: testOnNode,
  },
  {
    id: "node26",
    name: "Node",
    place: "node26-*/bin/node",
    test: testOnNode,
  },
];

/** The names of all runtimes, in the order they run. */
export const RUNTIME_IDS: readonly string[] = KINDS.map((kind) => kind.id);

/** Finds the executable in the package that npm chose for this platform. */
async function findExecutable({ id, place }: Kind): Promise<string> {
  const [before, after] = place.split("*");
  const slash = before.lastIndexOf("/") + 1;
  const folder = new URL(before.slice(0, slash), nodeModules);
  try {
    for await (const { name } of Deno.readDir(folder)) {
      if (!name.startsWith(before.slice(slash))) continue;
      const { pathname } = new URL(name + after, folder);
      if ((await Deno.stat(pathname).catch(() => undefined))?.isFile) return pathname;
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  throw new Error(
    `Cannot find ${id} at node_modules/${place}: ` +
      `npm left it out, or has no package of it for ${Deno.build.os} on ${Deno.build.arch}`,
  );
}

/**
 * Finds a runtime.
 *
 * @param name Its name, for the version that npm installed; or `deno`, `bun` or `node` with `=` and a
 * command behind it, for whatever version that runs.
 */
export async function findRuntime(name: string): Promise<Runtime> {
  const [id, command] = name.split(/=(.*)/);
  const kind = KINDS.find((kind) =>
    (command === undefined ? kind.id : kind.name.toLowerCase()) === id
  );
  if (kind === undefined) {
    throw new TypeError(
      `Cannot find the runtime "${name}": it is one of ${RUNTIME_IDS.join(", ")}, ` +
        "or deno=COMMAND, bun=COMMAND or node=COMMAND",
    );
  }
  const executable = command ?? await findExecutable(kind);
  const { stdout } = await new Deno.Command(executable, { args: ["--version"] }).output();
  const version = /\d+\.\d+\.\d+/.exec(new TextDecoder().decode(stdout))?.[0] ?? "(unknown)";
  return {
    id: kind.id,
    label: `${kind.name} ${version}`,
    engine: kind.name === "Bun" ? "JavaScriptCore" : "V8",
    executable,
    testCommand: (file, report) => kind.test(executable, file, report),
  };
}
