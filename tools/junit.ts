/**
 * Reads the JUnit reports of `deno test`, `bun test` and `node --test`, which agree on little but
 * the names of the elements, into one list of tests.
 *
 * @module
 */

/** The result of one test. */
export interface TestResult {
  /** The names of the suites around it and its own, joined by `" > "`. */
  name: string;
  /** How it ended. */
  outcome: "passed" | "failed" | "skipped";
  /** What the failure said, or why it was skipped; `""` where the report does not tell. */
  detail: string;
}

// Comments first, since Node puts error texts into them. Attribute values may hold ">".
const TOKEN = /<!--[^]*?-->|<\?[^]*?\?>|<(\/?)([\w-]+)((?:\s+[\w:-]+="[^"]*")*)\s*(\/?)>|[^<]+/g;
const ATTRIBUTE = /([\w:-]+)="([^"]*)"/g;
const ENTITIES: Record<string, string> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };

function unescape(text: string): string {
  return text.replace(/&(?:#(\d+)|#x([\da-f]+)|(\w+));/gi, (whole, decimal, hex, name) => {
    if (decimal !== undefined) return String.fromCodePoint(Number(decimal));
    if (hex !== undefined) return String.fromCodePoint(parseInt(hex, 16));
    return ENTITIES[name] ?? whole;
  });
}

function parseAttributes(source: string): Record<string, string> {
  const attributes: Record<string, string> = {};
  for (const [, name, value] of source.matchAll(ATTRIBUTE)) attributes[name] = unescape(value);
  return attributes;
}

/** Parses a report. Suites are no results of their own, except where they failed without a test. */
export function parseJUnit(xml: string): TestResult[] {
  const results: TestResult[] = [];
  const suites: string[] = [];
  let current: TestResult | undefined;
  for (const [token, closing, element, source = "", selfClosing] of xml.matchAll(TOKEN)) {
    if (element === undefined) {
      if (current?.outcome === "failed" && !token.startsWith("<")) current.detail += token;
      continue;
    }
    const attributes = parseAttributes(source);
    if (closing !== "") {
      if (element === "testsuite") suites.pop();
      if (element === "testcase") current = undefined;
    } else if (element === "testsuite" && selfClosing === "") {
      // Deno's suites are files, and so is Bun's outer one. Only Bun and Node name the host.
      const isFile = !("hostname" in attributes) || attributes.name === attributes.file;
      suites.push(isFile ? "" : attributes.name);
    } else if (element === "testcase") {
      const name = [...suites, attributes.name].filter((part) => part !== "").join(" > ");
      const result: TestResult = { name, outcome: "passed", detail: "" };
      results.push(result);
      if (selfClosing === "") current = result;
    } else if (current !== undefined && (element === "failure" || element === "error")) {
      current.outcome = "failed";
      if (selfClosing !== "") current.detail = attributes.message ?? "";
    } else if (current !== undefined && element === "skipped") {
      current.outcome = "skipped";
      const message = attributes.message ?? "";
      if (message !== "true") current.detail = message;
    }
  }
  for (const result of results) result.detail = unescape(result.detail).trim();
  return dropSuites(results);
}

/** Deno reports a suite as a test beside its tests: dropped, unless only the suite itself failed. */
function dropSuites(results: TestResult[]): TestResult[] {
  const failedWithin = new Map<string, boolean>();
  for (const { name, outcome } of results) {
    for (let end = name.indexOf(" > "); end !== -1; end = name.indexOf(" > ", end + 1)) {
      const suite = name.slice(0, end);
      failedWithin.set(suite, failedWithin.get(suite) === true || outcome === "failed");
    }
  }
  return results.filter(({ name, outcome }) => {
    const failed = failedWithin.get(name);
    return failed === undefined || (outcome === "failed" && !failed);
  });
}
