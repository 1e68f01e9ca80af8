// @engines: it asks nothing of a runtime but its engine.

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { CloseCode, isCloseCode, isControl, isOpcode, Opcode } from "../../src/codec/mod.ts";
import { isReferenceCloseCode, REFERENCE_OPCODES } from "../support/reference_frames.ts";

describe("isCloseCode", () => {
  it("agrees with the registry on each of the 65,536 codes", () => {
    for (let code = 0; code < 65536; code++) {
      assertEquals(isCloseCode(code), isReferenceCloseCode(code), `${code}`);
    }
  });

  it("refuses what is not a code at all", () => {
    for (const code of [1000.5, 3000.5, 4999.5, NaN, Infinity, -Infinity, -1000, 66536, 2 ** 40]) {
      assertEquals(isCloseCode(code), false, `${code}`);
    }
  });
});

describe("CloseCode", () => {
  it("names the codes that only describe what happened, and codes for the wire", () => {
    const forTheWire = Object.values(CloseCode).filter((code) => isReferenceCloseCode(code));
    assertEquals(forTheWire.length, Object.values(CloseCode).length - 3);
    assertEquals(CloseCode.NoStatusReceived, 1005);
    assertEquals(CloseCode.AbnormalClosure, 1006);
    assertEquals(CloseCode.TlsHandshake, 1015);
  });

  it("has the numbers of RFC 6455, section 7.4.1", () => {
    assertEquals(
      [
        CloseCode.NormalClosure,
        CloseCode.GoingAway,
        CloseCode.ProtocolError,
        CloseCode.UnsupportedData,
        CloseCode.InvalidFramePayloadData,
        CloseCode.PolicyViolation,
        CloseCode.MessageTooBig,
        CloseCode.MandatoryExtension,
        CloseCode.InternalError,
      ],
      [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011],
    );
  });
});

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
