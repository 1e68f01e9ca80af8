/**
 * The rules of the import graph: `src/` is layers, and imports point downward only.
 *
 * @module
 */

import { type Token, tokenize } from "./tokens.ts";

/** One import, or one export from another module. */
export interface Import {
  /** What is imported; `undefined` where it is not a literal. */
  specifier: string | undefined;
  /** `static` imports run the module, `type` imports vanish, `dynamic` ones run it later. */
  kind: "static" | "type" | "dynamic";
  /** Its line, from 1. */
  line: number;
}

/** The folders of `src/`, from the top down. Files in `src/` itself are below them all. */
const LAYERS = [
  "testing",
  "cli",
  "brokers",
  "runtimes",
  "client",
  "server",
  "topics",
  "resume",
  "connection",
  "protocol",
  "extensions",
  "handshake",
  "http1",
  "transport",
  "codec",
];
const BOTTOM = LAYERS.length;

/** The programs: what Node has, and the others with it, is theirs to use. */
const PROGRAM = /^src\/cli\//;
/** What loads only on one runtime, or is of use there only. */
const RUNTIME_ADAPTER = /^src\/runtimes\/(deno|bun|node)\//;
/** The only file below the runtimes that needs something of Node's: all three runtimes have it. */
const ZLIB = "src/extensions/zlib.ts";
/** The layers that know compression by its interface only, and the folder that has it. */
const CORE = /^src\/(?:connection|protocol|topics)\//;
const EXTENSIONS = "src/extensions/";
/** The packages that published code may import. */
const PACKAGES = /^@std\/(?:encoding|crypto)(?:\/|$)/;
/** What only brokers may import besides: packages of which each user has one at most, when it starts. */
const BROKER_PACKAGES = /^(?:redis|@nats-io\/transport-node)$/;
/** The bytes that the package `redis` takes. */
const BUFFER = "node:buffer";
/** The layers that know no time, and nothing that happens later. */
const SYNCHRONOUS = /^src\/(?:protocol|codec)\//;
/** The Web Streams face of the codec, which can't do without promises. */
const STREAMS = /^src\/codec\/frame_(?:de|en)coder_stream\.ts$/;

const RUNTIME_NAMES = new Set(["Deno", "Bun", "process"]);
const CLOCK_NAMES = new Set([
  "setTimeout",
  "setInterval",
  "setImmediate",
  "queueMicrotask",
  "Date",
  "performance",
  "Temporal",
]);
/** What programs replace while they are tested: what needs it takes it from the one file that kept it. */
const TIMERS = "src/timers.ts";
const TIMER_NAMES = new Set([
  "clearImmediate",
  "clearInterval",
  "clearTimeout",
  "queueMicrotask",
  "setImmediate",
  "setInterval",
  "setTimeout",
]);
/** What is replaced too, and is a type or a property elsewhere. */
const TIME_OBJECTS = new Set(["Date", "performance", "Temporal"]);
const PROMISE_NAMES = new Set(["Promise", "PromiseLike", "async", "await"]);

/** Tells whether the statement that `tokens[start]` begins imports or exports types only. */
function isTypeOnly(tokens: Token[], start: number, end: number): boolean {
  const [next, afterNext] = [tokens[start + 1], tokens[start + 2]];
  // "import type from" imports a default named type.
  if (next.text === "type" && afterNext.text !== "from" && afterNext.text !== ",") return true;
  if (next.text !== "{") return false;
  // "import { type A, type B } from" runs nothing of the module either.
  const names = tokens.slice(start + 2, end).map(({ text }) => text).join(" ").split(/[,}]/);
  return names.filter((name) => name.trim() !== "").every((name) => /^ ?type \w/.test(name));
}

/** Finds the imports of a module, and its exports from others. */
export function findImports(tokens: Token[]): Import[] {
  const imports: Import[] = [];
  for (const [index, { kind, text, line }] of tokens.entries()) {
    if (kind !== "word" || (text !== "import" && text !== "export")) continue;
    if (tokens[index - 1]?.text === "." || tokens[index + 1]?.text === ".") continue;
    const next = tokens[index + 1];
    if (next === undefined || next.text === ":") continue;
    if (text === "import" && next.kind === "string") {
      imports.push({ specifier: next.text, kind: "static", line });
    } else if (text === "import" && next.text === "(") {
      const argument = tokens[index + 2];
      const isLiteral = argument?.kind === "string" && /^[),]$/.test(tokens[index + 3]?.text);
      imports.push({ specifier: isLiteral ? argument.text : undefined, kind: "dynamic", line });
    } else if (
      text === "import" || next.text === "{" || next.text === "*" || next.text === "type"
    ) {
      // The clause has names, braces, commas and stars, up to "from" and a string.
      let end = index + 1;
      while (tokens[end]?.kind === "word" || /^[{},*]$/.test(tokens[end]?.text ?? "")) {
        if (tokens[end].text === "from" && tokens[end + 1]?.kind === "string") break;
        end++;
      }
      const specifier = tokens[end + 1];
      if (tokens[end]?.text !== "from" || specifier?.kind !== "string") continue;
      const kind = isTypeOnly(tokens, index, end) ? "type" : "static";
      imports.push({ specifier: specifier.text, kind, line });
    }
  }
  return imports;
}

/** Gives the height of a file's layer: `mod.ts` is -1, `src/errors.ts` is the largest. */
function depthOf(file: string): number {
  if (!file.startsWith("src/")) return -1;
  const [, folder, ...rest] = file.split("/");
  if (rest.length === 0) return BOTTOM;
  const depth = LAYERS.indexOf(folder);
  if (depth === -1) throw new Error(`Cannot place ${file}: src/${folder} is no layer`);
  return depth;
}

/** Resolves a relative specifier to a path of the repository. */
export function resolveImport(file: string, specifier: string): string {
  return new URL(specifier, `file:///${file}`).pathname.slice(1);
}

function checkImport(file: string, { specifier, kind }: Import): string | undefined {
  if (specifier === undefined) return "imports what is not a literal";
  if (/^node:timers(?:\/|$)/.test(specifier)) return `imports "${specifier}"`;
  if (specifier.startsWith("node:")) {
    const isAllowed = file.startsWith("src/runtimes/") || PROGRAM.test(file) ||
      (file.startsWith("src/brokers/") && specifier === BUFFER) ||
      (file === ZLIB && specifier === "node:zlib" && kind === "dynamic");
    return isAllowed ? undefined : `imports "${specifier}"`;
  }
  if (BROKER_PACKAGES.test(specifier)) {
    const isAllowed = file.startsWith("src/brokers/") && kind !== "static";
    return isAllowed ? undefined : `imports the package "${specifier}"`;
  }
  if (!specifier.startsWith(".")) {
    return PACKAGES.test(specifier) ? undefined : `imports the package "${specifier}"`;
  }
  const target = resolveImport(file, specifier);
  const isDown = depthOf(target) >= depthOf(file);
  if (!isDown || target === "mod.ts" || target.startsWith("..")) {
    return `imports ${target}, which is above it`;
  }
  if (CORE.test(file) && target.startsWith(EXTENSIONS)) {
    return `imports ${target}, of which it may know the interface only`;
  }
  const runtime = RUNTIME_ADAPTER.exec(target)?.[1];
  if (kind === "static" && runtime !== undefined && RUNTIME_ADAPTER.exec(file)?.[1] !== runtime) {
    return `imports ${target} statically, which is for one runtime only`;
  }
  return undefined;
}

function isForbidden(file: string, name: string): boolean {
  if (name === "process" && PROGRAM.test(file)) return false;
  if (RUNTIME_NAMES.has(name)) return !file.startsWith("src/runtimes/");
  if (!SYNCHRONOUS.test(file)) return false;
  return CLOCK_NAMES.has(name) || (PROMISE_NAMES.has(name) && !STREAMS.test(file));
}

/** Whether what `tokens[start]` begins declares a method: behind its parameters comes the type it returns. */
function isMethod(tokens: Token[], start: number): boolean {
  if (tokens[start + 1]?.text !== "(") return false;
  let depth = 0;
  let end = start + 1;
  do {
    if (tokens[end].text === "(") depth++;
    if (tokens[end].text === ")") depth--;
    end++;
  } while (depth > 0 && end < tokens.length);
  return tokens[end]?.text === ":";
}

/** Gives where a file names a timer or the time, and does not take it from the file that kept it. */
function checkTimers(file: string, tokens: Token[]): string[] {
  // The layers that know no time may not even take it from there.
  if (file === TIMERS || SYNCHRONOUS.test(file)) return [];
  const kept = new Set<string>();
  for (const [index, token] of tokens.entries()) {
    if (token.kind !== "string" || tokens[index - 1]?.text !== "from") continue;
    if (!token.text.startsWith(".") || resolveImport(file, token.text) !== TIMERS) continue;
    for (let i = index; tokens[i].text !== "{"; i--) kept.add(tokens[i].text);
  }
  const problems: string[] = [];
  for (const [index, { kind, text, line }] of tokens.entries()) {
    if (kind !== "word") continue;
    const [before, after] = [tokens[index - 1]?.text, tokens[index + 1]?.text];
    const isGlobal = before === "." && tokens[index - 2]?.text === "globalThis";
    const isProperty = !isGlobal && (before === "." || after === ":");
    const isTimer = TIMER_NAMES.has(text) && !isProperty && !isMethod(tokens, index) &&
      (isGlobal || !kept.has(text));
    const isTime = TIME_OBJECTS.has(text) && !isProperty &&
      (isGlobal || before === "new" || after === "." || after === "(");
    if (isTimer || isTime) {
      problems.push(`${file}:${line}: names the global ${text}, which is replaced in tests`);
    }
  }
  return [...new Set(problems)];
}

/** Gives the lines of a connection's file that name a feature which stands on the seams of connections. */
function checkFeatures(file: string, source: string): string[] {
  if (!file.startsWith("src/connection/")) return [];
  return source.split("\n").flatMap((line, index) => {
    // `resume()` is also the opposite of `pause()`.
    const [name] = /resum(?!e\()|topic|presence|broker/i.exec(line) ?? [];
    return name === undefined ? [] : [`${file}:${index + 1}: names ${name}, which is a feature`];
  });
}

/** Gives the rules that a file breaks, one line each. */
export function checkFile(file: string, source: string): string[] {
  const tokens = tokenize(source);
  const problems: string[] = checkFeatures(file, source);
  for (const found of findImports(tokens)) {
    const problem = checkImport(file, found);
    if (problem !== undefined) problems.push(`${file}:${found.line}: ${problem}`);
  }
  problems.push(...checkTimers(file, tokens));
  for (const [index, { kind, text, line }] of tokens.entries()) {
    if (kind !== "word" || !isForbidden(file, text)) continue;
    // A property that happens to be called so is another thing, but for that of globalThis.
    const isProperty = tokens[index - 1]?.text === "." || tokens[index + 1]?.text === ":";
    if (isProperty && tokens[index - 2]?.text !== "globalThis") continue;
    problems.push(`${file}:${line}: names ${text}`);
  }
  return problems;
}

/** Gives the cycles among the modules' static imports, each as the files along it. */
export function findCycles(sources: Map<string, string>): string[][] {
  const edges = new Map<string, string[]>();
  for (const [file, source] of sources) {
    const targets = findImports(tokenize(source))
      .filter(({ specifier, kind }) => kind === "static" && specifier?.startsWith("."))
      .map(({ specifier }) => resolveImport(file, specifier!));
    edges.set(file, targets);
  }
  const cycles: string[][] = [];
  const done = new Set<string>();
  const visit = (file: string, path: string[]) => {
    const start = path.indexOf(file);
    if (start !== -1) cycles.push([...path.slice(start), file]);
    if (start !== -1 || done.has(file)) return;
    for (const target of edges.get(file) ?? []) visit(target, [...path, file]);
    done.add(file);
  };
  for (const file of edges.keys()) visit(file, []);
  return cycles;
}

/** Gives the files that no entry point leads to. */
export function findUnreachable(sources: Map<string, string>, entryPoints: string[]): string[] {
  const reached = new Set<string>();
  const queue = [...entryPoints];
  for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
    if (reached.has(file)) continue;
    reached.add(file);
    for (const { specifier } of findImports(tokenize(sources.get(file) ?? ""))) {
      if (specifier?.startsWith(".")) queue.push(resolveImport(file, specifier));
    }
  }
  return [...sources.keys()].filter((file) => !reached.has(file));
}

/** Gives the files that run when one is imported: by its static imports, and theirs. */
export function findStatic(sources: Map<string, string>, entry: string): string[] {
  const found = new Set<string>();
  const queue = [entry];
  for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
    if (found.has(file)) continue;
    found.add(file);
    for (const { specifier, kind } of findImports(tokenize(sources.get(file) ?? ""))) {
      if (kind === "static" && specifier?.startsWith(".")) {
        queue.push(resolveImport(file, specifier));
      }
    }
  }
  return [...found].sort();
}
