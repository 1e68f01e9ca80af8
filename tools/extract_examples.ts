/**
 * Finds the fenced TypeScript blocks of a Markdown file, or of the doc comments of a source file. Behind
 * `ts` a block may say `no-run: why`, or `on bun` where it is for that runtime.
 *
 * @module
 */

/** One fenced block. */
export interface Example {
  /** The line of its first line of code, from 1. */
  line: number;
  /** The code. */
  code: string;
  /** The runtime that it is for; `undefined` where it is not run. */
  runsOn: "deno" | "bun" | undefined;
}

const OPENING = /^( *)```(.*)$/;
/** What is no example in TypeScript. */
const OTHERS: ReadonlySet<string> = new Set(["haproxy", "nginx", "sh", "text"]);

/** Gives the Markdown of each line: all of it in a Markdown file, that in doc comments elsewhere. */
function markdownOf(file: string, text: string): string[] {
  const lines = text.split("\n");
  if (file.endsWith(".md")) return lines;
  let isInside = false;
  return lines.map((line) => {
    if (!isInside) isInside = /^\s*\/\*\*/.test(line);
    if (!isInside) return "";
    if (line.includes("*/")) isInside = false;
    return line.replace(/^\s*(\/\*\*|\*\/|\*) ?/, "").replace(/\*\/$/, "");
  });
}

/** Finds the fenced `ts` blocks of a file. */
export function extractExamples(file: string, text: string): Example[] {
  const examples: Example[] = [];
  const lines = markdownOf(file, text);
  for (let start = 0; start < lines.length; start++) {
    const opening = OPENING.exec(lines[start]);
    if (opening === null) continue;
    const [, indent, info] = opening;
    const refuse = (reason: string) =>
      new SyntaxError(`Cannot read ${file}:${start + 1}: ${reason}`);
    const end = lines.indexOf(`${indent}\`\`\``, start + 1);
    if (end === -1) throw refuse("the block has no end");
    if (OTHERS.has(info)) {
      start = end;
      continue;
    }
    const [, how] = /^ts(?:$| (.*))/.exec(info) ?? [null, info];
    const runsOn = how === undefined ? "deno" : how === "on bun" ? "bun" : undefined;
    if (runsOn === undefined && !/^no-run: \w.{9}/.test(how ?? "")) {
      throw refuse(
        `a block is "ts", "ts on bun", or "ts no-run: " and why, or else one of ${
          [...OTHERS].join(", ")
        }; got ${JSON.stringify(info)}`,
      );
    }
    examples.push({
      line: start + 2,
      code: lines.slice(start + 1, end)
        .map((line) => line.startsWith(indent) ? line.slice(indent.length) : line)
        .join("\n") + "\n",
      runsOn,
    });
    start = end;
  }
  return examples;
}
