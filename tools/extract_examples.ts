/**
 * Finds the fenced TypeScript blocks of a Markdown file, or of the doc comments of a source file.
 *
 * @module
 */

/** One fenced block. */
export interface Example {
  /** The line of its first line of code, from 1. */
  line: number;
  /** The code. */
  code: string;
  /** What follows the language, such as `["no-run"]`. */
  attributes: string[];
}

const OPENING = /^( *)```(ts|typescript)\b(.*)$/;

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
    const [, indent, , rest] = opening;
    const end = lines.indexOf(`${indent}\`\`\``, start + 1);
    if (end === -1) throw new SyntaxError(`Cannot read ${file}:${start + 1}: the block has no end`);
    examples.push({
      line: start + 2,
      code: lines.slice(start + 1, end)
        .map((line) => line.startsWith(indent) ? line.slice(indent.length) : line)
        .join("\n") + "\n",
      attributes: rest.split(/[\s,]+/).filter((word) => word !== ""),
    });
    start = end;
  }
  return examples;
}
