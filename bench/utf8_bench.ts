/** The validation of UTF-8, beside that of ws: `deno task bench`. */

import { Utf8Validator } from "../src/codec/mod.ts";
import { ALPHABETS, nameOf, textOf } from "./frames.ts";
import { isValidUTF8 } from "./ws_codec.ts";

for (const size of [32, 1024, 64 * 1024]) {
  for (const [name, alphabet] of Object.entries(ALPHABETS)) {
    const bytes = new TextEncoder().encode(textOf(size, alphabet));
    const group = `UTF-8, ${nameOf(size)}, ${name}`;
    const validator = new Utf8Validator();
    Deno.bench({
      name: "Sluice",
      group,
      baseline: true,
      fn() {
        validator.reset();
        if (!validator.validate(bytes) || !validator.complete) throw new Error("not UTF-8");
      },
    });
    Deno.bench({
      name: "ws",
      group,
      fn() {
        if (!isValidUTF8(bytes)) throw new Error("not UTF-8");
      },
    });
  }
}
