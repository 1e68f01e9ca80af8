/**
 * UTF-8, beside that of ws: `deno task bench`.
 *
 * A text that is whole is validated and decoded by the runtime: `decode`. The validator takes text
 * that arrives in pieces, and stands beside the native function by which ws validates text once it is
 * whole: `validate`.
 */

import { Buffer } from "node:buffer";
import { Utf8Validator } from "../src/codec/mod.ts";
import { decodeUtf8 } from "../src/codec/utf8.ts";
import { ALPHABETS, textOf } from "./frames.ts";
import { benchSideBySide, nameGroup } from "./side_by_side.ts";
import { ws } from "./ws_codec.ts";

for (const size of [32, 1024, 64 * 1024]) {
  for (const [script, alphabet] of ALPHABETS) {
    const text = textOf(size, alphabet);
    // As ws has it, and, as Sluice has it, plain.
    const buffer = Buffer.from(text);
    const bytes = new TextEncoder().encode(text);

    const check = (decoded: string | undefined) => {
      if (decoded?.length !== text.length) throw new Error("not the text");
    };
    benchSideBySide(
      nameGroup("UTF-8", size, `decode, ${script}`),
      () => check(decodeUtf8(bytes)),
      () => check(ws.isValidUTF8(buffer) ? buffer.toString() : undefined),
    );

    const checkValid = (isValid: boolean) => {
      if (!isValid) throw new Error("not UTF-8");
    };
    const validator = new Utf8Validator();
    benchSideBySide(
      nameGroup("UTF-8", size, `validate, ${script}`),
      () => {
        validator.reset();
        checkValid(validator.validate(bytes) && validator.complete);
      },
      () => checkValid(ws.isValidUTF8(buffer)),
    );
  }
}
