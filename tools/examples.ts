/**
 * Checks the examples of the README, of the guides in `docs/` and of the doc comments: each fenced
 * `ts` block is a module of its own, is type checked, and is run on Deno. A block may say after `ts`:
 * `on bun`, where it is run instead, or `no-run: ` and why it is only type checked.
 *
 * An example that serves may leave its server open: it has run once its top level has, and what it
 * started has had a moment to fail. Its ports (80xx and 84xx) are replaced by free ones.
 *
 * @module
 */

import { replacePorts } from "./example_ports.ts";
import { extractExamples } from "./extract_examples.ts";
import { findRuntime } from "./runtimes.ts";

const RUNNER = "tools/run_example.ts";
const DEADLINE_MS = 15_000;

interface Written {
  /** The file it stands in, and the line of its first line. */
  file: string;
  line: number;
  /** Where it was written to. */
  path: string;
  runsOn: "deno" | "bun" | undefined;
}

async function findFiles(folder: string, ending: string): Promise<string[]> {
  const files: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = `${folder}/${name}`;
    if (isDirectory) files.push(...await findFiles(path, ending));
    else if (name.endsWith(ending)) files.push(path);
  }
  return files.sort();
}

async function writeExamples(folder: string): Promise<Written[]> {
  const written: Written[] = [];
  const guides = await findFiles("docs", ".md");
  for (const file of ["README.md", ...guides, "mod.ts", ...await findFiles("src", ".ts")]) {
    const text = await Deno.readTextFile(file).catch((error) => {
      if (error instanceof Deno.errors.NotFound) return "";
      throw error;
    });
    for (const { line, code, runsOn } of extractExamples(file, text)) {
      const path = `${folder}/${file.replaceAll(/[^\w]/g, "_")}_${line}.ts`;
      await Deno.writeTextFile(path, await replacePorts(code));
      written.push({ file, line, path, runsOn });
    }
  }
  return written;
}

async function execute(
  executable: string,
  args: string[],
  signal?: AbortSignal,
): Promise<[success: boolean, string]> {
  const command = new Deno.Command(executable, { args, stdin: "null", signal });
  const { success, stdout, stderr } = await command.output();
  return [success, new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr)];
}

/** Names the places in the sources, where a text names those in the files that were written. */
function withPlaces(text: string, examples: Written[]): string {
  for (const { file, line, path } of examples) {
    const name = path.slice(path.lastIndexOf("/") + 1).replaceAll(".", "\\.");
    text = text.replace(
      new RegExp(`(?:file://)?\\S*/${name}(?::(\\d+))?`, "g"),
      (_, row = "1") => `${file}:${line + Number(row) - 1}`,
    );
  }
  return text;
}

async function run(example: Written): Promise<boolean> {
  const { file, line, path, runsOn } = example;
  const executable = runsOn === "bun" ? (await findRuntime("bun")).executable : Deno.execPath();
  const args = runsOn === "bun" ? [] : ["run", "-A", "--no-check"];
  const deadline = AbortSignal.timeout(DEADLINE_MS);
  const [success, output] = await execute(executable, [...args, RUNNER, path], deadline);
  if (success) return true;
  const why = deadline.aborted
    ? `its top level did not end within ${
      DEADLINE_MS / 1000
    } s; can it be written such that it does?`
    : "it failed";
  console.error(`${file}:${line}: ${why}\n${withPlaces(output, [example]).replace(/^/gm, "  ")}`);
  return false;
}

async function checkExamples(folder: string): Promise<boolean> {
  const examples = await writeExamples(folder);
  if (examples.length === 0) return true;
  const [isTyped, diagnostics] = await execute(Deno.execPath(), [
    "check",
    "--quiet",
    ...examples.map((e) => e.path),
  ]);
  if (!isTyped) {
    console.error(withPlaces(diagnostics, examples));
    return false;
  }
  const queue = examples.filter(({ runsOn }) => runsOn !== undefined);
  const running = queue.length;
  let failed = 0;
  const work = async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      if (!await run(next)) failed++;
    }
  };
  await Promise.all([work(), work()]);
  console.log(`${examples.length} examples checked, ${running} of them run, ${failed} failed`);
  return failed === 0;
}

Deno.chdir(new URL("..", import.meta.url));
await Deno.mkdir(".tmp", { recursive: true });
// Inside the repository, since the examples import the package by its name.
const folder = await Deno.makeTempDir({ dir: ".tmp", prefix: "examples-" });
let success = false;
try {
  success = await checkExamples(folder);
} finally {
  await Deno.remove(folder, { recursive: true });
}
Deno.exit(success ? 0 : 1);
