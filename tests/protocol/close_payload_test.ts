import { describe, it } from "node:test";
import { assertEquals, assertThrows } from "@std/assert";
import { ProtocolError } from "../../src/protocol/mod.ts";
import {
  checkCloseStatus,
  decodeClosePayload,
  encodeClosePayload,
  truncateReason,
} from "../../src/protocol/close_payload.ts";
import { isReferenceCloseCode } from "../support/reference_frames.ts";
import { assertSameBytes, fromHex, toHex, utf8 } from "../codec/support.ts";
import { closePayload } from "./support.ts";

function decode(payload: Uint8Array) {
  return decodeClosePayload(payload, 0, payload.length);
}

function assertRefused(payload: Uint8Array, closeCode: number): void {
  const error = assertThrows(() => decode(payload), ProtocolError);
  assertEquals(error.closeCode, closeCode, toHex(payload));
}

describe("decodeClosePayload", () => {
  it("takes each of the 65,536 codes, or refuses it with 1002", () => {
    for (let code = 0; code < 65536; code++) {
      if (!isReferenceCloseCode(code)) assertRefused(closePayload(code), 1002);
      else assertEquals(decode(closePayload(code)), { closeCode: code, reason: "" });
    }
  });

  it("takes each length but one byte", () => {
    assertEquals(decode(new Uint8Array(0)), { closeCode: 1005, reason: "" });
    for (let octet = 0; octet < 256; octet++) assertRefused(Uint8Array.of(octet), 1002);
    for (let length = 2; length <= 125; length++) {
      const reason = "r".repeat(length - 2);
      assertEquals(decode(closePayload(1000, reason)), { closeCode: 1000, reason });
    }
  });

  it("refuses a reason that is not UTF-8 with 1007, wherever it is not", () => {
    for (const hex of ["80", "ff", "c0 af", "ed a0 80", "f4 90 80 80", "61 e2 82", "f0 9f 98"]) {
      for (const text of ["", "a", "é", "x".repeat(100)]) {
        assertRefused(closePayload(1000, Uint8Array.from([...utf8(text), ...fromHex(hex)])), 1007);
      }
    }
  });

  it("refuses a bad code with 1002 also where the reason is bad", () => {
    assertRefused(closePayload(1005, fromHex("ff")), 1002);
  });

  it("keeps a byte order mark in the reason", () => {
    assertEquals(decode(closePayload(1000, "\ufeffbye")).reason, "\ufeffbye");
  });

  it("reads no more than its part of the array", () => {
    const bytes = Uint8Array.from([0xff, 0x03, 0xe8, 0x61, 0xff]);
    assertEquals(decodeClosePayload(bytes, 1, 4), { closeCode: 1000, reason: "a" });
    assertEquals(decodeClosePayload(bytes, 1, 3), { closeCode: 1000, reason: "" });
    assertEquals(decodeClosePayload(bytes, 5, 5), { closeCode: 1005, reason: "" });
  });
});

describe("encodeClosePayload", () => {
  it("encodes each code, with a reason and without; 1005 as nothing", () => {
    for (const code of Array(65536).keys()) {
      if (!isReferenceCloseCode(code)) continue;
      assertSameBytes(encodeClosePayload({ closeCode: code, reason: "" }), closePayload(code));
    }
    for (const reason of ["bye", "é", "😀", "x".repeat(123), "\ufeff"]) {
      const expected = closePayload(4999, reason);
      assertSameBytes(encodeClosePayload({ closeCode: 4999, reason }), expected);
    }
    assertEquals(encodeClosePayload({ closeCode: 1005, reason: "" }).length, 0);
  });
});

describe("checkCloseStatus", () => {
  it("refuses each code that may not be on the wire", () => {
    for (let code = 0; code < 65536; code++) {
      const check = () => checkCloseStatus({ closeCode: code, reason: "" });
      if (isReferenceCloseCode(code)) check();
      else assertThrows(check, RangeError, `${code}`);
    }
    for (const code of [NaN, Infinity, -1, 1000.5, 65536 + 1000]) {
      assertThrows(() => checkCloseStatus({ closeCode: code, reason: "" }), RangeError);
    }
  });

  it("takes a reason of up to 123 bytes", () => {
    for (const [character, bytesEach] of [["x", 1], ["é", 2], ["€", 3], ["😀", 4]] as const) {
      const most = Math.floor(123 / bytesEach);
      checkCloseStatus({ closeCode: 1000, reason: character.repeat(most) });
      const tooLong = { closeCode: 1000, reason: character.repeat(most + 1) };
      assertThrows(() => checkCloseStatus(tooLong), TypeError, `${(most + 1) * bytesEach} bytes`);
    }
  });

  it("refuses a reason that is no string", () => {
    for (const reason of [undefined, null, 5, new Uint8Array(0)]) {
      const status = { closeCode: 1000, reason: reason as unknown as string };
      assertThrows(() => checkCloseStatus(status), TypeError, "not a string");
    }
  });
});

describe("truncateReason", () => {
  it("takes a last character of one byte where there is room for it alone", () => {
    const text = "😀😀😀😀_____😀___😀_😀😀__😀_😀__x__😀😀__😀😀_😀😀x_"
      .replaceAll("_", "\ufffd");
    assertEquals(utf8(truncateReason(text)).length, 123);
    assertEquals(truncateReason(text), text.slice(0, -1));
  });

  it("cuts at the end of a code point", () => {
    for (const [character, bytesEach] of [["x", 1], ["é", 2], ["€", 3], ["😀", 4]] as const) {
      for (let before = 0; before < 5; before++) {
        const most = Math.floor((123 - before) / bytesEach);
        const expected = "a".repeat(before) + character.repeat(most);
        for (const more of [0, 1, 100]) {
          assertEquals(truncateReason(expected + character.repeat(more)), expected);
        }
      }
    }
  });

  it("gives what checkCloseStatus takes, lone surrogates too", () => {
    for (let length = 100; length < 140; length++) {
      for (const lone of ["\ud800", "\udc00"]) {
        const reason = truncateReason("x".repeat(length) + lone.repeat(30));
        checkCloseStatus({ closeCode: 1002, reason });
      }
    }
  });
});
