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
  /** Gives the command that runs a test file and leaves a JUnit report at `report`. */
  testCommand(file: string, report: string): string[];
}

interface Kind {
  id: string;
  name: string;
  /** Where the executable may be, below `node_modules`; the first `*` stands for the platform. */
  places: string[];
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
    places: ["@deno/*/deno"],
    // Types are checked once, by `deno task ok`.
    test: (executable, file, report) => [
      executable,
      "test",
      "--allow-all",
      "--no-check",
      "--quiet",
      "--v8-flags=--expose-gc",
      `--junit-path=${report}`,
      file,
    ],
  },
  {
    id: "bun",
    name: "Bun",
    // Its install script, where npm runs it, moves the executable from the one to the other.
    places: ["@oven/*/bin/bun", "bun/bin/bun.exe"],
    test: (executable, file, report) => [
      executable,
      "test",
      // Bun alone gives a test 5 seconds. Here the deadline is the file's, as on the others.
      "--timeout=3600000",
      "--reporter=junit",
      `--reporter-outfile=${report}`,
      `./${file}`,
    ],
  },
  {
    id: "node22",
    name: "Node",
    places: ["node22-*/bin/node"],
    test: testOnNode,
  },
  {
    id: "node26",
    name: "Node",
    places: ["node26-*/bin/node"],
    test: testOnNode,
  },
];

/** The names of all runtimes, in the order they run. */
export const RUNTIME_IDS: readonly string[] = KINDS.map((kind) => kind.id);

/** Resolves a place to the paths that there are. */
async function expand(place: string): Promise<string[]> {
  const star = place.indexOf("*");
  if (star === -1) return [place];
  const slash = place.lastIndexOf("/", star);
  const folder = place.slice(0, slash + 1);
  const prefix = place.slice(slash + 1, star);
  const paths: string[] = [];
  try {
    for await (const { name } of Deno.readDir(new URL(folder, nodeModules))) {
      if (name.startsWith(prefix)) paths.push(folder + name + place.slice(star + 1));
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return paths;
}

async function findExecutable(kind: Kind): Promise<string> {
  for (const place of kind.places) {
    for (const path of await expand(place)) {
      const { pathname } = new URL(path, nodeModules);
      if ((await Deno.stat(pathname).catch(() => undefined))?.isFile) return pathname;
    }
  }
  throw new Error(
    `Cannot find ${kind.id} at node_modules/${kind.places.join(" or node_modules/")}: ` +
      `npm left it out, or has no package of it for ${Deno.build.os} on ${Deno.build.arch}`,
  );
}

/** Finds a runtime by its name. */
export async function findRuntime(id: string): Promise<Runtime> {
  const kind = KINDS.find((kind) => kind.id === id);
  if (kind === undefined) {
    throw new TypeError(`Cannot find the runtime "${id}": it is one of ${RUNTIME_IDS.join(", ")}`);
  }
  const executable = await findExecutable(kind);
  const { stdout } = await new Deno.Command(executable, { args: ["--version"] }).output();
  const version = /\d+\.\d+\.\d+/.exec(new TextDecoder().decode(stdout))?.[0] ?? "(unknown)";
  return {
    id,
    label: `${kind.name} ${version}`,
    testCommand: (file, report) => kind.test(executable, file, report),
  };
}
