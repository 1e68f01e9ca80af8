import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { isControl, isOpcode, Opcode } from "../../src/codec/mod.ts";
import { REFERENCE_OPCODES } from "../support/reference_frames.ts";

describe("the opcodes", () => {
  it("are those of RFC 6455, section 5.2", () => {
    assertEquals(
      Object.entries(Opcode).map(([name, opcode]) => [name.toLowerCase(), opcode]),
      Object.entries(REFERENCE_OPCODES),
    );
    for (let opcode = 0; opcode < 16; opcode++) {
      const isDefined = (Object.values(REFERENCE_OPCODES) as number[]).includes(opcode);
      assertEquals(isOpcode(opcode), isDefined, `${opcode}`);
      assertEquals(isControl(opcode), opcode >= 8, `${opcode}`);
    }
  });
});
