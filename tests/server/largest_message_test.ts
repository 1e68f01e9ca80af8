import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { constants, deflateRawSync } from "node:zlib";
import {
  concatBytes,
  encodeReferenceFrame,
  REFERENCE_OPCODES,
} from "../support/reference_frames.ts";
import { upgradeRequest } from "../support/requests.ts";
import { withMemoryServer } from "../support/transports.ts";
import { turn } from "../support/turn.ts";
import { eventually } from "../support/waiter.ts";

const KiB = 1024;
/** So large that the default budget is a multiple of it. */
const MAX_MESSAGE_SIZE = 5 * 1024 * KiB;
/** Doubled again and again it becomes slightly less than that: doubled once more, almost twice as much. */
const FIRST_SIZE = MAX_MESSAGE_SIZE / 128 - 10;
const LAST_SIZE = 1000;
const SIZES = [FIRST_SIZE, 1, MAX_MESSAGE_SIZE - FIRST_SIZE - 1 - LAST_SIZE, LAST_SIZE];
/** What an inflater takes, and what it has not taken yet. */
const INFLATER_SIZE = 128 * KiB;
const PIECE_SIZE = 64 * KiB;
/** So many bytes at the end come one by one. */
const SLOW_BYTES = 4;
/** Longer than a budget has patience. */
const LONG_MS = 10_000;

const { binary, continuation } = REFERENCE_OPCODES;

/** Compresses zeros so that others may follow. */
function deflateZeros(size: number): Uint8Array {
  const options = { finishFlush: constants.Z_SYNC_FLUSH };
  return new Uint8Array(deflateRawSync(new Uint8Array(size), options));
}

/** The frames of a message of zeros. */
function framesOf(isCompressed: boolean, isFragmented: boolean): Uint8Array[] {
  let payloads = SIZES.map((size) => isCompressed ? deflateZeros(size) : new Uint8Array(size));
  if (isCompressed) payloads[3] = payloads[3].subarray(0, -4);
  if (!isFragmented) payloads = [concatBytes(payloads)];
  return payloads.map((payload, i) =>
    encodeReferenceFrame({
      opcode: i === 0 ? binary : continuation,
      rsv: isCompressed && i === 0 ? 4 : 0,
      fin: i === payloads.length - 1,
      maskingKey: new Uint8Array(4),
      payload,
    })
  );
}

describe("the largest message, of a client that is alone, with the default budget", () => {
  for (const isCompressed of [false, true]) {
    for (const isFragmented of [false, true]) {
      const name = `${isCompressed ? "compressed" : "plain"}, ${
        isFragmented ? "" : "not "
      }fragmented`;
      it(`${name}, is taken however long it takes, and holds no more than its size`, () => {
        let length = 0;
        const setup = {
          compression: true,
          keepAlive: false as const,
          limits: { maxMessageSize: MAX_MESSAGE_SIZE },
          message: (_conn: unknown, data: string | Uint8Array) => void (length = data.length),
        };
        return withMemoryServer(setup, async (server) => {
          const extensions = { "Sec-WebSocket-Extensions": "permessage-deflate" };
          const client = await server.request(upgradeRequest({ headers: extensions }));
          assertEquals((await client.readHead()).status, 101);
          let most = 0;
          const look = () => most = Math.max(most, server.server.stats().heldSize);
          const bytes = concatBytes(framesOf(isCompressed, isFragmented));
          const end = bytes.length - SLOW_BYTES;
          for (let start = 0; start < end; start += PIECE_SIZE) {
            client.send(bytes.subarray(start, Math.min(start + PIECE_SIZE, end)));
            await turn();
            look();
          }
          await eventually("most of it", () => look() > MAX_MESSAGE_SIZE * 0.9);
          for (let i = end; i < bytes.length; i++) {
            for (let j = 0; j < 20; j++) await turn();
            look();
            for (let ms = 0; ms < LONG_MS; ms += 500) await server.clock.advance(500);
            assertEquals([client.isClosed, client.unreadSize], [false, 0]);
            client.send(bytes.subarray(i, i + 1));
          }
          await eventually("the message", () => length > 0);
          assertEquals(length, MAX_MESSAGE_SIZE);
          assert(most <= MAX_MESSAGE_SIZE + INFLATER_SIZE, `${most} bytes were held`);
        });
      });
    }
  }
});
