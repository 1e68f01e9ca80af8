/**
 * Assembles `src/codec/mask_simd.wat` to `src/codec/mask_wasm.ts`: `deno task wasm`. With `--check`, it
 * writes nothing, and fails if the file is not what the assembler makes of the text.
 *
 * @module
 */

/** Run by npx, as only this needs it: fixed to a version, so that the same text gives the same bytes. */
const ASSEMBLER = "wabt@1.0.39";

const SOURCE = "src/codec/mask_simd.wat";
const TARGET = "src/codec/mask_wasm.ts";

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

function toModule(octets: Uint8Array): string {
  const lines: string[] = [];
  for (let i = 0; i < octets.length; i += OCTETS_PER_LINE) {
    lines.push(`  "${octets.subarray(i, i + OCTETS_PER_LINE).toHex()}"`);
  }
  return `// Made from mask_simd.wat by \`deno task wasm\`: change that instead.\n\n` +
    `/** The WebAssembly module of mask_simd.wat, in hexadecimal. */\n` +
    `export const MASK_WASM: string =\n${lines.join(" +\n")};\n`;
}

Deno.chdir(new URL("..", import.meta.url));
const wanted = toModule(await assemble(SOURCE));
if (!Deno.args.includes("--check")) {
  await Deno.writeTextFile(TARGET, wanted);
} else if (await Deno.readTextFile(TARGET) !== wanted) {
  console.error(`${TARGET} is not made from ${SOURCE}: run deno task wasm`);
  Deno.exit(1);
}
