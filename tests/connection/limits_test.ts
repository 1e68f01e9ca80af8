import { it } from "node:test";
import { assertEquals, assertMatch } from "@std/assert";
import type { Connection, Message } from "../../src/server/mod.ts";
import { clientFrame } from "../support/raw_client.ts";
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

const header = (opcode: number, declaredLength: bigint) =>
  clientFrame({ opcode, declaredLength }).subarray(0, 10);
const empty = (count: number) => fragments(...Array<number>(count).fill(0));
const ones = Array<number>(3000).fill(1);

/** What is sent under these limits; the answer, or the code of the Close frame and what it says. */
const CASES: [
  limits: NonNullable<Setup<unknown>["limits"]>,
  bytes: Uint8Array,
  expected: string | number,
  reason?: RegExp,
][] = [
  [{ maxMessageSize: 0 }, fragments(0), "0"],
  [{ maxMessageSize: 0 }, fragments(1), 1009, /1 bytes: at most 0 /],
  [{ maxMessageSize: 200 }, fragments(0, 200, 0), "200"],
  [{ maxMessageSize: 200 }, fragments(0, 200, 1), 1009, /201 bytes: at most 200 /],
  [{ maxMessageSize: 1000 }, header(2, 2n ** 40n), 1009, /1099511627776 bytes/],
  [{}, header(1, 1_048_577n), 1009],
  [{ maxMessageSize: Infinity }, fragments(2_000_000), "2000000"],
  [{ maxFragments: 1 }, empty(1), "0"],
  [{ maxFragments: 1 }, empty(2), 1008, /more than 1 /],
  [{ maxFragments: 5 }, fragments(...ones, 0, 0, 0, 0, 0), "3000"],
  [{ maxFragments: 5 }, fragments(...ones, 0, 0, 0, 0, 0, 0), 1008],
  [{}, empty(1024), "0"],
  [{}, empty(1025), 1008],
  [{ maxFragments: Infinity }, empty(3000), "0"],
];

for (const { name, withServer } of TRANSPORTS) {
  for (const [program, setup] of Object.entries(PROGRAMS)) {
    it(`limits hold for what is received, with ${program} over ${name}`, async () => {
      for (const [limits, bytes, expected, reason] of CASES) {
        await withServer({ ...setup, limits }, async (server) => {
          const client = await server.open();
          // They count for each message anew.
          if (typeof expected === "string") client.send(bytes, bytes);
          else client.send(bytes);
          if (typeof expected === "string") {
            for (let i = 0; i < 2; i++) assertEquals(await client.readMessage(), expected);
            return;
          }
          const [code, text] = await client.readClose();
          assertEquals(code, expected);
          if (reason !== undefined) assertMatch(text, reason);
          await client.finish();
        });
      }
    });
  }
}
