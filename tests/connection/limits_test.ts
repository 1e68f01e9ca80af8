import { describe, it } from "node:test";
import { assertEquals, assertMatch } from "@std/assert";
import type { Connection, Message } from "../../src/server/mod.ts";
import { clientFrame, utf8 } from "../support/raw_client.ts";
import { concatBytes } from "../support/reference_frames.ts";
import { type Setup, TRANSPORTS } from "../support/transports.ts";

const size = (message: Message) => String(message.length);

/** Programs that answer each message with its length, however they receive it. */
const PROGRAMS: Record<string, Setup<unknown>> = {
  callbacks: { message: (conn, data) => conn.send(size(data)) },
  iteration: {
    async handler(conn: Connection) {
      for await (const message of conn) await conn.send(size(message));
    },
  },
  "streamed messages": {
    async handler(conn: Connection) {
      for await (const message of conn.messages()) await conn.send(size(await message.bytes()));
    },
  },
};

/** A message of a client in fragments of these sizes. */
function fragments(...sizes: number[]): Uint8Array {
  return concatBytes(sizes.map((size, i) =>
    clientFrame({
      opcode: i === 0 ? 2 : 0,
      fin: i === sizes.length - 1,
      payload: new Uint8Array(size),
    })
  ));
}

for (const { name, withServer } of TRANSPORTS) {
  for (const [program, setup] of Object.entries(PROGRAMS)) {
    describe(`limits of what is received, with ${program} over ${name}`, () => {
      const check = (
        limits: Setup<unknown>["limits"],
        bytes: Uint8Array,
        expected: string | number,
        reason?: RegExp,
      ) =>
        withServer({ ...setup, limits }, async (server) => {
          const client = await server.open();
          client.send(bytes);
          if (typeof expected === "string") {
            assertEquals(await client.readMessage(), expected);
            return;
          }
          const [code, text] = await client.readClose();
          assertEquals(code, expected);
          if (reason !== undefined) assertMatch(text, reason);
          await client.finish();
        });

      it("maxMessageSize: one below, at, and one above, in one frame and in fragments", async () => {
        for (const maxMessageSize of [0, 1, 125, 126, 200]) {
          const limits = { maxMessageSize };
          const above = new RegExp(`${maxMessageSize + 1} bytes: at most ${maxMessageSize} `);
          if (maxMessageSize > 0) {
            await check(limits, fragments(maxMessageSize - 1), String(maxMessageSize - 1));
          }
          await check(limits, fragments(maxMessageSize), String(maxMessageSize));
          await check(limits, fragments(maxMessageSize + 1), 1009, above);
          await check(limits, fragments(0, maxMessageSize, 0), String(maxMessageSize));
          await check(limits, fragments(0, maxMessageSize, 1), 1009, above);
        }
      });

      it("maxMessageSize: known from the header, before any payload", async () => {
        const header = clientFrame({ opcode: 2, declaredLength: 2n ** 40n }).subarray(0, 10);
        await check({ maxMessageSize: 1000 }, header, 1009, /1099511627776 bytes/);
        await check(
          {},
          clientFrame({ opcode: 1, declaredLength: 1_048_577n }).subarray(0, 10),
          1009,
        );
      });

      it("maxMessageSize: Infinity is no limit", () =>
        check({ maxMessageSize: Infinity }, fragments(2_000_000), "2000000"));

      it("maxFragments: one below, at, and one above, past one for each byte", async () => {
        for (const maxFragments of [1, 2, 5]) {
          const limits = { maxFragments };
          const sizes = Array(maxFragments).fill(0);
          if (maxFragments > 1) await check(limits, fragments(...sizes.slice(1)), "0");
          await check(limits, fragments(...sizes), "0");
          await check(
            limits,
            fragments(...sizes, 0),
            1008,
            new RegExp(`more than ${maxFragments} `),
          );
          const ones = Array(3000).fill(1);
          await check(limits, fragments(...ones, ...sizes), "3000");
          await check(limits, fragments(...ones, ...sizes, 0), 1008);
        }
      });

      it("maxFragments: 1024 by default, and Infinity is no limit", async () => {
        await check({}, fragments(...Array(1024).fill(0)), "0");
        await check({}, fragments(...Array(1025).fill(0)), 1008);
        await check({ maxFragments: Infinity }, fragments(...Array(3000).fill(0)), "0");
      });

      it("count for each message anew", () =>
        withServer(
          { ...setup, limits: { maxMessageSize: 10, maxFragments: 2 } },
          async (server) => {
            const client = await server.open();
            for (let i = 0; i < 5; i++) {
              client.send(fragments(5, 5));
              assertEquals(await client.readMessage(), "10");
            }
            client.sendText("éééééé");
            const [code, text] = await client.readClose();
            assertEquals([code, utf8("éééééé").length], [1009, 12]);
            assertMatch(text, /12 bytes/);
          },
        ));
    });
  }
}
