/** Masking in place, beside that of ws: `deno task bench`. */

import { assertEquals } from "@std/assert";
import { mask } from "../src/codec/mod.ts";
import { benchSideBySide, nameGroup } from "./side_by_side.ts";
import { ws, wsWithAddon } from "./ws_codec.ts";

const KEY = 0x37fa213d;
const KEY_OCTETS = Uint8Array.of(0x37, 0xfa, 0x21, 0x3d);

for (const size of [16, 128, 1024, 16 * 1024, 64 * 1024, 1024 * 1024]) {
  for (const [kind, offset] of [["aligned", 0], ["not aligned", 1]] as const) {
    const bytes = new Uint8Array(size + offset).subarray(offset);
    mask(bytes, KEY);
    assertEquals(bytes.subarray(0, 4), KEY_OCTETS);
    ws.unmask(bytes, KEY_OCTETS);
    assertEquals(bytes, new Uint8Array(size));
    benchSideBySide(
      nameGroup("mask", size, kind),
      () => mask(bytes, KEY),
      () => ws.unmask(bytes, KEY_OCTETS),
      () => wsWithAddon.unmask(bytes, KEY_OCTETS),
    );
  }
}
