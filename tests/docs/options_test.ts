// @once: it only reads files.

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { readdirSync, readFileSync } from "node:fs";
import { OPTION_GROUPS } from "../support/option_groups.ts";

const root = new URL("../../", import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), "utf8");

const PAGES = ["README.md", ...readdirSync(new URL("docs/", root)).map((name) => `docs/${name}`)]
  .filter((path) => path.endsWith(".md"));

const UNITS: Record<string, number> = {
  KiB: 1024,
  MiB: 1024 * 1024,
  seconds: 1000,
  minutes: 60_000,
};

/** An option as the sources describe it. */
interface Option {
  readonly owner: string;
  readonly name: string;
  /** Its default, if that is a number. */
  readonly value: number | undefined;
}

function findSources(folder: string): string[] {
  return readdirSync(new URL(folder, root), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    return entry.isDirectory() ? findSources(path) : path.endsWith(".ts") ? [path] : [];
  });
}

/** Reads every property of every interface, with the `@default` of its doc comment. */
function readOptions(): Option[] {
  const options: Option[] = [];
  for (const path of findSources("src")) {
    for (
      const [, owner, body] of read(path).matchAll(/^export interface (\w+)[^]*?\{\n([^]*?)^\}/gm)
    ) {
      const member = /((?: {2}\/\*\*[^]*?\*\/\n)?) {2}(?:readonly )?(\w+)\??[:(]/g;
      for (const [, doc, name] of body.matchAll(member)) {
        const [, number] = /@default \{(\d+|Infinity)\}/.exec(doc) ?? [];
        options.push({ owner, name, value: number === undefined ? undefined : Number(number) });
      }
    }
  }
  return options;
}

const OPTIONS = readOptions();

/** Finds the options that a name in a page may mean, such as `limits.maxFragments` or `maxFragments`. */
function find(name: string): Option[] {
  const [outer, inner] = name.split(".");
  if (inner === undefined) return OPTIONS.filter((option) => option.name === outer);
  // Of a base interface, too: the limits of a message are among those of a connection.
  const owners = [OPTION_GROUPS[outer], ...(outer === "limits" ? ["MessageLimits"] : [])];
  return OPTIONS.filter((option) => owners.includes(option.owner) && option.name === inner);
}

/** The pages without their code, in one line each. */
const PROSE = PAGES.map((page) =>
  [page, read(page).replaceAll(/^```[^]*?^```$/gm, "").replaceAll(/\s+/g, " ")] as const
);

describe("the options that README and docs/ name", () => {
  it("are found in the sources at all", () => {
    assert(find("limits.maxFragments").some(({ value }) => value === 1024));
    assertEquals(find("limits.nothing"), []);
  });

  it("exist", () => {
    let named = 0;
    for (const [page, text] of PROSE) {
      const pattern = new RegExp(`\`((?:${Object.keys(OPTION_GROUPS).join("|")})\\.\\w+)\``, "g");
      for (const [, name] of text.matchAll(pattern)) {
        named++;
        assert(find(name).length > 0, `${page} names ${name}`);
      }
    }
    assert(named > 50, `only ${named} were found`);
  });

  it("have the defaults that stand beside them", () => {
    let compared = 0;
    const check = (page: string, name: string, number: string, unit = "") => {
      const options = find(name).filter(({ value }) => value !== undefined);
      // Others have options, too: `maxPayload` of ws, say.
      if (options.length === 0) return;
      compared++;
      const said = Number(number.replaceAll(",", "")) * (UNITS[unit] ?? 1);
      const values = options.map(({ value }) => value);
      assert(values.includes(said), `${page} says ${number} ${unit} of ${name}: ${values}`);
    };
    const size = "(\\d[\\d,]*)(?: (KiB|MiB|seconds|minutes))?";
    for (const [page, text] of PROSE) {
      for (
        const [, name, number, unit] of text.matchAll(new RegExp(`\`([\\w.]+)\` \\(${size}`, "g"))
      ) {
        check(page, name, number, unit);
      }
      for (
        const [, number, unit, name] of text.matchAll(
          new RegExp(`${size} \\(\`([\\w.]+)\`\\)`, "g"),
        )
      ) {
        check(page, name, number, unit);
      }
      // The rows of tables whose second column is the default.
      for (
        const [, name, number, unit] of text.matchAll(
          new RegExp(`\\| \`([\\w.]+)\` +\\| ${size} +\\|`, "g"),
        )
      ) {
        check(page, name, number, unit);
      }
    }
    assert(compared > 40, `only ${compared} were compared`);
  });
});
