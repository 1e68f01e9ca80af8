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

  \`\`\`typescript no-run
  if (true) {
    stay();
  }
  \`\`\`
`;

const SOURCE = `/**
 * A module.
 *
 * @example Usage
 * \`\`\`ts ignore
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
      { line: 4, code: "const a = 1;\n\nconsole.log(a);\n", attributes: [] },
      { line: 16, code: "if (true) {\n  stay();\n}\n", attributes: ["no-run"] },
    ]);
  });

  it("finds the blocks of doc comments only", () => {
    assertEquals(extractExamples("src/a.ts", SOURCE), [
      { line: 6, code: "one();\n\ntwo();\n", attributes: ["ignore"] },
      { line: 24, code: "three({\n  four: 4,\n});\n", attributes: [] },
    ]);
  });

  it("refuses a block without an end", () => {
    assertThrows(() => extractExamples("a.md", "text\n```ts\ncode\n"), SyntaxError, "a.md:2");
  });
});
