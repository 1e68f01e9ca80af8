// @once: the tools run on Deno and Node, whatever is tested.

import { describe, it } from "node:test";
import { assertEquals, assertThrows } from "@std/assert";
import { extractExamples } from "../../tools/extract_examples.ts";

const README = `# Title

\`\`\`ts
const a = 1;

console.log(a);
\`\`\`

\`\`\`sh
deno task demo
\`\`\`

- an item

  \`\`\`ts no-run: it stays for ever
  if (true) {
    stay();
  }
  \`\`\`
`;

const SOURCE = `/**
 * A module.
 *
 * @example Usage
 * \`\`\`ts on bun
 * one();
 *
 * two();
 * \`\`\`
 */
const text = \`
\`\`\`ts
not a doc comment
\`\`\`
\`;
/* \`\`\`ts
 * not a doc comment either
 * \`\`\`
 */

class A {
  /**
   * \`\`\`ts
   * three({
   *   four: 4,
   * });
   * \`\`\`
   */
  method() {}
}
`;

describe("extractExamples()", () => {
  it("finds the blocks of a Markdown file, also indented ones", () => {
    assertEquals(extractExamples("README.md", README), [
      { line: 4, code: "const a = 1;\n\nconsole.log(a);\n", runsOn: "deno" },
      { line: 16, code: "if (true) {\n  stay();\n}\n", runsOn: undefined },
    ]);
  });

  it("finds the blocks of doc comments only", () => {
    assertEquals(extractExamples("src/a.ts", SOURCE), [
      { line: 6, code: "one();\n\ntwo();\n", runsOn: "bun" },
      { line: 24, code: "three({\n  four: 4,\n});\n", runsOn: "deno" },
    ]);
  });

  it("refuses a block that would not be run, and does not say why", () => {
    for (
      const info of ["", "js", "typescript", "ts ignore", "ts no-run", "ts no-run: ", "ts on node"]
    ) {
      const text = `text\n\`\`\`${info}\ncode\n\`\`\`\n`;
      assertThrows(() => extractExamples("a.md", text), SyntaxError, "Cannot read a.md:2: a block");
    }
  });

  it("refuses a block without an end", () => {
    assertThrows(() => extractExamples("a.md", "text\n```ts\ncode\n"), SyntaxError, "a.md:2");
  });
});
