/**
 * Checks that a release is what its tag says: `deno run --allow-read tools/release.ts v1.2.3`.
 *
 * @module
 */

import { readFile } from "node:fs/promises";
import process from "node:process";

/** What a release consists of. */
export interface Release {
  /** The version in `deno.json`, which JSR takes. */
  deno: string;
  /** The version in `package.json`, which the npm package takes. */
  npm: string;
  /** The text of `CHANGELOG.md`. */
  changelog: string;
}

/** Gives what is wrong with a release, one line each. */
export function checkRelease(tag: string, { deno, npm, changelog }: Release): string[] {
  const version = /^v(\d+\.\d+\.\d+(?:-[\w.]+)?)$/.exec(tag)?.[1];
  if (version === undefined) return [`The tag ${tag} is no version: it is such as v1.2.3`];
  const problems: string[] = [];
  if (deno !== version) problems.push(`deno.json has the version ${deno}, the tag ${tag}`);
  if (npm !== version) problems.push(`package.json has the version ${npm}, the tag ${tag}`);
  const headings = changelog.split("\n").filter((line) => line.startsWith("## "));
  if (!headings.some((heading) => heading.split(" ")[1] === version)) {
    problems.push(`CHANGELOG.md has no heading "## ${version}"`);
  }
  return problems;
}

async function readText(path: string): Promise<string> {
  return await readFile(new URL(`../${path}`, import.meta.url), "utf8");
}

if (import.meta.main) {
  const problems = checkRelease(process.argv[2] ?? "", {
    deno: JSON.parse(await readText("deno.json")).version,
    npm: JSON.parse(await readText("package.json")).version,
    changelog: await readText("CHANGELOG.md"),
  });
  for (const problem of problems) console.error(problem);
  process.exitCode = problems.length === 0 ? 0 : 1;
}
