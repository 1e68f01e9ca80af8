import { Buffer } from "node:buffer";
import { describe, it } from "node:test";
import { assert, assertEquals, assertLessOrEqual, assertRejects } from "@std/assert";
import { type Frame, FrameEncoderStream, Opcode } from "../../src/codec/mod.ts";
import { concatBytes } from "../support/reference_frames.ts";
import { readAll, settle, streamOf } from "./stream_support.ts";
import { assertSameBytes, encodePlainly, frameOf, KEY_NUMBER, ROLES } from "./support.ts";

const maskingKey = () => KEY_NUMBER;

for (const role of ROLES) {
  describe(`the FrameEncoderStream of a ${role}`, () => {
    it("gives chunks that can be transferred, and keeps nothing of the payloads", async () => {
      for (const length of [10, 1000, 16 * 1024, 16 * 1024 + 1, 100_000]) {
        const payloads = [0, 1].flatMap((fill) => [
          new Uint8Array(length).fill(fill),
          Buffer.alloc(length, fill),
        ]);
        const stream = new FrameEncoderStream(role, { maskingKey });
        const writer = stream.writable.getWriter();
        const reading = (async () => {
          const chunks: Uint8Array[] = [];
          for await (const chunk of stream.readable) {
            chunks.push(structuredClone(chunk, { transfer: [chunk.buffer as ArrayBuffer] }));
            assertEquals(chunk.length, 0);
          }
          return concatBytes(chunks);
        })();
        for (const payload of payloads) await writer.write(frameOf(Opcode.Binary, payload));
        await writer.close();
        const expected = payloads.map((payload) =>
          encodePlainly(role, frameOf(Opcode.Binary, payload))
        );
        payloads.forEach((payload, i) => {
          assertEquals(payload.length, length, "transferred");
          assert(payload.every((byte) => byte === (i >> 1)), "changed");
        });
        assertSameBytes(await reading, concatBytes(expected));
      }
    });

    it("errors on both sides where a frame is not one", async () => {
      const bad: Frame = frameOf(Opcode.Ping, "", { fin: false });
      const stream = new FrameEncoderStream(role);
      const read = assertRejects(() => readAll(stream.readable), TypeError, "fragmented");
      const writer = stream.writable.getWriter();
      await writer.write(frameOf(Opcode.Text, "a"));
      const closed = assertRejects(() => writer.closed, TypeError, "fragmented");
      await assertRejects(() => writer.write(bad), TypeError, "fragmented");
      await assertRejects(() => writer.write(frameOf(Opcode.Text, "a")), TypeError, "fragmented");
      await Promise.all([read, closed]);
    });

    it("stops the source where nobody reads, and lets it go on", async () => {
      let made = 0;
      function* frames() {
        for (; made < 1000; made++) yield frameOf(Opcode.Text, `${made}`);
      }
      const stream = new FrameEncoderStream(role, { maskingKey });
      const reader = streamOf(frames()).pipeThrough(stream).getReader();
      await settle();
      assertLessOrEqual(made, 3);
      for (let i = 0; i < 1000; i++) {
        const { value } = await reader.read();
        assertSameBytes(value!, encodePlainly(role, frameOf(Opcode.Text, `${i}`)));
        assertLessOrEqual(made, i + 4);
      }
      assert((await reader.read()).done);
    });
  });
}
