/**
 * Programs of the guides, to be run in processes of their own.
 *
 * @module
 */

import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import { replacePorts } from "../../tools/example_ports.ts";
import { extractExamples } from "../../tools/extract_examples.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** A program of a guide, in a file of its own. */
export interface Snippet {
  readonly url: URL;
  /** The port that stands where the guide says 8080. */
  readonly port: number;
  /** The folder that it is in, which has nothing else. */
  readonly folder: string;
  remove(): Promise<void>;
}

/** Writes the only program of a guide that contains a text to a file. `adapt` changes what a test can't have. */
export async function writeSnippet(
  guide: string,
  containing: string,
  adapt: (code: string) => string = (code) => code,
): Promise<Snippet> {
  const text = await readFile(`${root}docs/${guide}`, "utf8");
  const found = extractExamples(guide, text).filter(({ code }) => code.includes(containing));
  if (found.length !== 1) {
    throw new Error(`${guide} has ${found.length} programs with ${containing}`);
  }
  const both = await replacePorts(`8080 ${found[0].code}`);
  const [, port, code] = /^(\d+) ([^]*)$/.exec(both)!;
  await mkdir(`${root}.tmp`, { recursive: true });
  // Inside the repository, since programs import the package by its name.
  const folder = await mkdtemp(`${root}.tmp/guide-`);
  await writeFile(`${folder}/server.ts`, adapt(code));
  return {
    url: pathToFileURL(`${folder}/server.ts`),
    port: Number(port),
    folder,
    remove: () => rm(folder, { recursive: true }),
  };
}
