// @once: it only reads files.

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { access, readdir, readFile } from "node:fs/promises";

const root = new URL("../../", import.meta.url);
const docs = new URL("docs/", root);

const ROOT_PAGES = ["README.md", "SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md"];

/** Every page in `docs/`, by its path from the root. */
async function listPages(): Promise<string[]> {
  return (await readdir(docs)).filter((name) => name.endsWith(".md")).map((name) => `docs/${name}`);
}

async function listGuides(): Promise<string[]> {
  return (await readdir(docs)).filter((name) => name.endsWith(".md") && name !== "README.md");
}

/** The links of a page to others of the repository; with their anchors where these are wanted. */
function linksOf(text: string, withAnchors = false): string[] {
  const prose = text.replaceAll(/^```[^]*?^```$/gm, "");
  const links = Array.from(prose.matchAll(/\]\(([^)\s]+)\)/g), ([, link]) => link)
    .filter((link) => !/^[a-z]+:/.test(link));
  if (withAnchors) return links;
  return links.map((link) => link.split("#")[0]).filter((link) => link !== "");
}

/** The anchors that GitHub gives the headings of a page. */
function anchorsOf(text: string): string[] {
  const prose = text.replaceAll(/^```[^]*?^```$/gm, "");
  return Array.from(
    prose.matchAll(/^#+ (.+)$/gm),
    ([, heading]) =>
      heading.toLowerCase().replaceAll(/[^\p{L}\p{N}_ -]/gu, "").replaceAll(" ", "-"),
  );
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

  it("name files of the source and the tests that exist, as do the README and its neighbours", async () => {
    // The changelog names files as they were, too.
    const pages = [...ROOT_PAGES.filter((name) => name !== "CHANGELOG.md"), ...await listPages()];
    for (const name of pages) {
      const text = await readFile(new URL(name, root), "utf8");
      for (const [, path] of text.matchAll(/`((?:src|tests|bench|examples|tools)\/[\w./-]+)`/g)) {
        await access(new URL(path, root)).catch(() => assert(false, `${name} names ${path}`));
      }
    }
  });

  it("link to what is there, as do the README and its neighbours", async () => {
    for (const name of [...ROOT_PAGES, ...await listPages()]) {
      const url = new URL(name, root);
      for (const link of linksOf(await readFile(url, "utf8"), true)) {
        const [path, anchor] = link.split("#");
        const target = path === "" ? url : new URL(path, url);
        await access(target).catch(() => assert(false, `${name} links to ${link}`));
        if (anchor === undefined || !target.pathname.endsWith(".md")) continue;
        const anchors = anchorsOf(await readFile(target, "utf8"));
        assert(anchors.includes(anchor), `${name} links to ${link}: there are ${anchors}`);
      }
    }
  });
});

describe("the README", () => {
  it("lists each entry point, and what it is for", async () => {
    const { exports } = JSON.parse(await readFile(new URL("deno.json", root), "utf8"));
    const readme = await readFile(new URL("README.md", root), "utf8");
    const [, table] = readme.split("\n### The parts\n");
    const rows = Array.from(
      table.split("\n## ")[0].matchAll(/^\| `(@sluice\/websocket[^`]*)` +\| (\S.*?) +\|$/gm),
      ([, name]) => name,
    );
    const names = Object.keys(exports).map((name) => `@sluice/websocket${name.slice(1)}`);
    assertEquals(rows.sort(), names.sort());
  });
});
