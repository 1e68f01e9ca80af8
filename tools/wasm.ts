/**
 * Assembles the modules of WebAssembly: `deno task wasm`. With `--check`, it writes nothing, and fails if a
 * file is not what the assembler makes of its text.
 *
 * @module
 */

import { basename } from "node:path";

/** Run by npx, as only this needs it: fixed to a version, so that the same text gives the same bytes. */
const ASSEMBLER = "wabt@1.0.39";

/** The text of each module, what it is assembled to, and the name that it is exported by. */
const MODULES = [
  ["src/codec/mask_simd.wat", "src/codec/mask_wasm.ts", "MASK_WASM"],
  ["src/runtimes/deno/utf8.wat", "src/runtimes/deno/utf8_wasm.ts", "UTF8_WASM"],
] as const;

const OCTETS_PER_LINE = 40;

async function assemble(source: string): Promise<Uint8Array> {
  const output = await Deno.makeTempFile({ suffix: ".wasm" });
  try {
    const args = ["-y", "-p", ASSEMBLER, "wat2wasm", source, "--output", output];
    const { success, stderr } = await new Deno.Command("npx", { args, stdin: "null" }).output();
    if (!success) throw new Error(`Cannot assemble ${source}: ${new TextDecoder().decode(stderr)}`);
    return await Deno.readFile(output);
  } finally {
    await Deno.remove(output);
  }
}

function toModule(octets: Uint8Array, source: string, name: string): string {
  const lines: string[] = [];
  for (let i = 0; i < octets.length; i += OCTETS_PER_LINE) {
    lines.push(`  "${octets.subarray(i, i + OCTETS_PER_LINE).toHex()}"`);
  }
  const file = basename(source);
  return `// Made from ${file} by \`deno task wasm\`: change that instead.\n\n` +
    `/** The WebAssembly module of ${file}, in hexadecimal. */\n` +
    `export const ${name}: string =\n${lines.join(" +\n")};\n`;
}

Deno.chdir(new URL("..", import.meta.url));
for (const [source, target, name] of MODULES) {
  const wanted = toModule(await assemble(source), source, name);
  if (!Deno.args.includes("--check")) {
    await Deno.writeTextFile(target, wanted);
  } else if (await Deno.readTextFile(target) !== wanted) {
    console.error(`${target} is not made from ${source}: run deno task wasm`);
    Deno.exit(1);
  }
}
