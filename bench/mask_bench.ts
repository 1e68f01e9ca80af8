/** Masking in place, beside that of ws: `deno task bench`. */

import { mask } from "../src/codec/mod.ts";
import { nameOf } from "./frames.ts";
import { unmask } from "./ws_codec.ts";

const KEY = 0x37fa213d;
const KEY_OCTETS = Uint8Array.of(0x37, 0xfa, 0x21, 0x3d);

for (const size of [16, 128, 1024, 16 * 1024, 1024 * 1024]) {
  for (const [name, offset] of [["aligned", 0], ["not aligned", 1]] as const) {
    const bytes = new Uint8Array(size + offset).subarray(offset);
    const group = `mask, ${nameOf(size)}, ${name}`;
    Deno.bench({ name: "Sluice", group, baseline: true, fn: () => mask(bytes, KEY) });
    Deno.bench({ name: "ws", group, fn: () => unmask(bytes, KEY_OCTETS) });
  }
}
