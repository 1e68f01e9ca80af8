import { createHash, randomBytes } from "node:crypto";
import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { computeAccept } from "../../src/handshake/mod.ts";

function expected(key: string): string {
  const hash = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`);
  return hash.digest("base64");
}

describe("computeAccept", () => {
  it("computes the example of RFC 6455, section 1.3, and another known one", async () => {
    assertEquals(await computeAccept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assertEquals(await computeAccept("x3JJHMbDL1EzLkh9GBhXDw=="), "HSmrc0sMlYUkAGmm5OPpG2HaGWk=");
  });

  it("agrees with another implementation of SHA-1 and base64", async () => {
    for (let i = 0; i < 50; i++) {
      const key = randomBytes(16).toString("base64");
      assertEquals(await computeAccept(key), expected(key));
    }
  });

  it("computes many at the same time, whatever their length", async () => {
    const lengths = Array.from({ length: 60 }, (_, i) => i);
    const keys = [
      ...lengths.map((length) => "k".repeat(length)),
      ...lengths.map(() => randomBytes(16).toString("base64")),
      "\u00e9".repeat(12),
      "\u00e9".repeat(24),
    ];
    assertEquals(await Promise.all(keys.map(computeAccept)), keys.map(expected));
  });
});
