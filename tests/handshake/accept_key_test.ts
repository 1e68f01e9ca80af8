import { createHash, randomBytes } from "node:crypto";
import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { computeAccept } from "../../src/handshake/mod.ts";

describe("computeAccept", () => {
  it("computes the example of RFC 6455, section 1.3, and another known one", async () => {
    assertEquals(await computeAccept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assertEquals(await computeAccept("x3JJHMbDL1EzLkh9GBhXDw=="), "HSmrc0sMlYUkAGmm5OPpG2HaGWk=");
  });

  it("agrees with another implementation of SHA-1 and base64", async () => {
    for (let i = 0; i < 50; i++) {
      const key = randomBytes(16).toString("base64");
      const hash = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`);
      assertEquals(await computeAccept(key), hash.digest("base64"));
    }
  });
});
