import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { access, readdir, readFile } from "node:fs/promises";

const root = new URL("../../", import.meta.url);
const docs = new URL("docs/", root);

async function listGuides(): Promise<string[]> {
  return (await readdir(docs)).filter((name) => name.endsWith(".md") && name !== "README.md");
}

function linksOf(text: string): string[] {
  const prose = text.replaceAll(/^```[^]*?^```$/gm, "");
  return Array.from(prose.matchAll(/\]\(([^)#\s]+)[^)]*\)/g), ([, link]) => link)
    .filter((link) => !/^[a-z]+:/.test(link));
}

describe("the guides", () => {
  it("are all listed, here and in the README", async () => {
    const index = linksOf(await readFile(new URL("README.md", docs), "utf8"));
    assertEquals(index.sort(), (await listGuides()).sort());
    const readme = linksOf(await readFile(new URL("README.md", root), "utf8"));
    assert(readme.includes("docs/README.md"));
    const linked = readme.filter((link) => /^docs\/.*\.md$/.test(link)).map((link) =>
      link.slice("docs/".length)
    );
    for (const name of await listGuides()) assert(linked.includes(name), `README links to ${name}`);
  });

  it("link to what is there", async () => {
    for (const name of ["README.md", ...await listGuides()]) {
      const url = new URL(name, docs);
      for (const link of linksOf(await readFile(url, "utf8"))) {
        await access(new URL(link, url)).catch(() => assert(false, `${name} links to ${link}`));
      }
    }
  });
});
