import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { concatBytes } from "../support/reference_frames.ts";
import { closeFrame, textFrame, utf8 } from "../support/raw_client.ts";
import { upgradeRequest } from "../support/requests.ts";
import { type Setup, TRANSPORTS } from "../support/transports.ts";
import { settle } from "../support/turn.ts";
import { eventually } from "../support/waiter.ts";

const REQUEST = utf8(upgradeRequest());
const FRAMES = concatBytes([textFrame("a"), textFrame("b".repeat(200)), textFrame("")]);
const BYTES = concatBytes([REQUEST, FRAMES, closeFrame(1000)]);
const MESSAGES = ["a", "b".repeat(200), ""];

/** Where to cut: in the request, at its end, and in the frames behind it. */
const CUTS = [1, REQUEST.length - 3, REQUEST.length - 1, REQUEST.length, REQUEST.length + 1]
  .concat([REQUEST.length + 7, REQUEST.length + 9, REQUEST.length + 100, BYTES.length - 1]);

for (const { name, withServer } of TRANSPORTS) {
  describe(`bytes behind the upgrade request over ${name}`, () => {
    for (const isAsync of [false, true]) {
      const hook = isAsync ? "an async hook" : "no hook";
      const upgrade = isAsync ? () => settle().then(() => ({})) : undefined;

      /** Sends the pieces, and checks that every message arrives once, and in order. */
      const check = (pieces: Uint8Array[]) => {
        const received: unknown[] = [];
        const message = (_: unknown, data: unknown) => void received.push(data);
        return withServer({ upgrade, message }, async (server) => {
          const client = await server.connect();
          for (const piece of pieces) client.send(piece);
          assertEquals((await client.readHead()).status, 101);
          assertEquals(await client.readClose(), [1000, ""]);
          await client.finish();
          assertEquals(received, MESSAGES);
        });
      };

      it(`are received with ${hook}, all in one piece`, () => check([BYTES]));

      it(`are received with ${hook}, cut in two`, async () => {
        for (const cut of CUTS) await check([BYTES.subarray(0, cut), BYTES.subarray(cut)]);
      });

      it(`are received with ${hook}, byte by byte`, () =>
        check(Array.from(BYTES, (_, i) => BYTES.subarray(i, i + 1))));
    }

    for (const how of ["iteration", "streams", "streamed messages", "an async callback"]) {
      it(`are received in order with ${how}, though they are more than the queue holds`, () => {
        const received: unknown[] = [];
        const expected = Array.from({ length: 30 }, (_, i) => String(i));
        const setups: Record<string, Setup<unknown>> = {
          iteration: {
            async handler(conn) {
              for await (const message of conn) received.push(message);
            },
          },
          streams: {
            async handler(conn) {
              for await (const message of conn.readable) received.push(message);
            },
          },
          "streamed messages": {
            async handler(conn) {
              for await (const message of conn.messages()) received.push(await message.text());
            },
          },
          "an async callback": {
            async message(_, data) {
              await settle(1);
              received.push(data);
            },
          },
        };
        const setup = { ...setups[how], limits: { receiveQueueMessages: 2 } };
        return withServer(setup, async (server) => {
          const frames = expected.map(textFrame);
          const client = await server.request(REQUEST, ...frames.slice(0, 15));
          for (const frame of frames.slice(15)) client.send(frame);
          assertEquals((await client.readHead()).status, 101);
          await eventually("all messages", () => received.length === expected.length);
          assertEquals(received, expected);
        });
      });
    }
  });
}
