/**
 * Frames that must not be, and lengths that are declared only.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { clientFrame, closeFrame, utf8 } from "../../support/raw_client.ts";
import {
  concatBytes,
  encodeReferenceFrame,
  type LengthForm,
  REFERENCE_OPCODES,
} from "../../support/reference_frames.ts";
import { upgradeRequest } from "../../support/requests.ts";
import type { Attack } from "./attack.ts";

const { continuation, text, binary, close, ping } = REFERENCE_OPCODES;

function failed(name: string, closeCode: number, ...frames: Uint8Array[]): Attack {
  return {
    name,
    outcome: `Close with ${closeCode}, and the end`,
    async run(target) {
      const attacker = await target.open();
      attacker.send(...frames);
      assertEquals((await attacker.readClose())[0], closeCode);
      await attacker.finish();
    },
  };
}

function declared(length: bigint, closeCode: number, lengthForm?: LengthForm): Attack {
  const form = lengthForm === undefined ? "" : ` in ${lengthForm} bits`;
  const frame = clientFrame({ opcode: binary, declaredLength: length, lengthForm });
  return failed(`a declared length of ${length}${form}`, closeCode, frame, new Uint8Array(100));
}

const MiB = 2n ** 20n;

/** The attacks. */
export const brokenFrames: readonly Attack[] = [
  declared(MiB + 1n, 1009),
  ...[31n, 32n, 53n].flatMap((bits) =>
    [-1n, 0n, 1n].map((offset) => declared(2n ** bits + offset, 1009))
  ),
  declared(2n ** 63n - 1n, 1009),
  declared(2n ** 63n, 1002),
  declared(2n ** 64n - 1n, 1002),
  declared(5n, 1002, 64),
  declared(5n, 1002, 16),
  failed(
    "a compressed message that was not agreed upon",
    1002,
    clientFrame({ opcode: text, rsv: 4 }),
  ),
  failed("the other reserved bits", 1002, clientFrame({ opcode: text, rsv: 3 })),
  failed(
    "a frame that is not masked",
    1002,
    encodeReferenceFrame({ opcode: text, payload: utf8("hello") }),
  ),
  failed("a reserved opcode", 1002, clientFrame({ opcode: 0xb })),
  failed("a Ping of 126 bytes", 1002, clientFrame({ opcode: ping, payload: new Uint8Array(126) })),
  failed("a Ping in fragments", 1002, clientFrame({ opcode: ping, fin: false })),
  failed("a continuation of nothing", 1002, clientFrame({ opcode: continuation })),
  failed(
    "a message within a message",
    1002,
    clientFrame({ opcode: text, fin: false }),
    clientFrame({ opcode: text }),
  ),
  failed("a Close of one byte", 1002, clientFrame({ opcode: close, payload: new Uint8Array(1) })),
  failed("a Close with 1006", 1002, closeFrame(1006)),
  failed(
    "text that is no UTF-8",
    1007,
    clientFrame({ opcode: text, payload: Uint8Array.of(0xff) }),
  ),
  failed(
    "text that is no UTF-8, in a frame that never ends",
    1007,
    clientFrame({ opcode: text, payload: Uint8Array.of(0xf5), declaredLength: 1_000_000n }),
  ),
  failed(
    "1,025 empty fragments",
    1008,
    clientFrame({ opcode: text, fin: false }),
    ...Array(1_024).fill(clientFrame({ opcode: continuation, fin: false })),
  ),
  failed(
    "fragments of one byte, and 1,025 empty ones between them",
    1008,
    clientFrame({ opcode: text, fin: false, payload: utf8("a") }),
    ...Array(1_025).fill([
      clientFrame({ opcode: continuation, fin: false }),
      clientFrame({ opcode: continuation, fin: false, payload: utf8("a") }),
    ]).flat(),
  ),
  failed(
    "a message of fragments that is one byte too large",
    1009,
    clientFrame({ opcode: binary, fin: false, payload: new Uint8Array(1_000) }),
    clientFrame({ opcode: continuation, declaredLength: MiB - 999n }),
  ),
  {
    name: "frames behind a Close",
    outcome: "the Close is answered, what follows is dropped",
    async run(target) {
      const attacker = await target.send(
        upgradeRequest(),
        closeFrame(1000),
        clientFrame({ opcode: text, payload: utf8("ignored") }),
        clientFrame({ opcode: text, rsv: 7 }),
        concatBytes(Array(100).fill(clientFrame({ opcode: ping }))),
      );
      assertEquals((await attacker.readHead()).status, 101);
      assertEquals((await attacker.readClose())[0], 1000);
      await attacker.finish();
    },
  },
];
