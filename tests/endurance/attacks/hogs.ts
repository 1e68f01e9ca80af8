/**
 * Floods of what is allowed, as fast as the system takes it: each of them is work for a server that is
 * kept by it for seconds, unless it shares its time out.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { constants, deflateRawSync } from "node:zlib";
import { clientFrame, textFrame, utf8 } from "../../support/raw_client.ts";
import { concatBytes, REFERENCE_OPCODES } from "../../support/reference_frames.ts";
import { upgradeRequest } from "../../support/requests.ts";
import type { Attack } from "./attack.ts";
import type { Attacker, Target } from "./target.ts";

const { continuation, text, binary, ping, pong } = REFERENCE_OPCODES;
const MiB = 1024 * 1024;
const CROWD = 30;

const repeat = (count: number, bytes: Uint8Array) => concatBytes(Array(count).fill(bytes));

/** The payload of a compressed message. */
function deflate(bytes: Uint8Array): Uint8Array {
  return deflateRawSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH }).slice(0, -4);
}

const compressed = (opcode: number, payload: Uint8Array) =>
  clientFrame({ opcode, rsv: 4, payload });

/** Opens a WebSocket, with compression where it is needed. What comes back is dropped. */
async function openDeaf(target: Target, isCompressed: boolean): Promise<Attacker> {
  const headers = isCompressed ? { "Sec-WebSocket-Extensions": "permessage-deflate" } : {};
  const attacker = await target.send(upgradeRequest({ headers }));
  assertEquals((await attacker.readHead()).status, 101);
  attacker.socket.handler = { receive() {}, receiveEnd() {}, receiveClosed() {} };
  return attacker;
}

/** Pours the same bytes into many connections for as long as a flood lasts. */
function hog(
  name: string,
  makeFrames: () => Uint8Array,
  { connections = CROWD, isCompressed = false } = {},
): Attack {
  return {
    name,
    outcome: "echoed, and nobody waits for it",
    async run(target) {
      const frames = makeFrames();
      const attackers: Attacker[] = [];
      await target.crowd(connections, async () => {
        attackers.push(await openDeaf(target, isCompressed));
      });
      await target.flood(() => {
        for (const attacker of attackers) {
          if (attacker.socket.unsentSize === 0) attacker.send(frames);
        }
      });
    },
  };
}

/** Crowds that connect, say nothing, and are gone after a moment, beside a flood. */
const crowds: Attack = {
  name: "messages of one character, and 600 connections at once, again and again",
  outcome: "echoed, and nobody waits for it",
  async run(target) {
    const frames = repeat(10_000, textFrame("a"));
    const attackers: Attacker[] = [];
    await target.crowd(CROWD, async () => {
      attackers.push(await openDeaf(target, false));
    });
    let isOver = false;
    const crowds = (async () => {
      while (!isOver) {
        await target.crowd(600, async () => {
          const silent = await target.connect();
          await target.wait(100);
          silent.socket.reset();
        });
      }
    })();
    await target.flood(() => {
      for (const attacker of attackers) {
        if (attacker.socket.unsentSize === 0) attacker.send(frames);
      }
    });
    isOver = true;
    await crowds;
  },
};

/** Floods that need no compression. */
export const hogs: readonly Attack[] = [
  crowds,
  hog("empty messages", () => repeat(10_000, clientFrame({ opcode: binary }))),
  hog("messages of one character", () => repeat(10_000, textFrame("a"))),
  hog("Pings", () => repeat(10_000, clientFrame({ opcode: ping, payload: utf8("a") }))),
  hog("Pongs", () => repeat(10_000, clientFrame({ opcode: pong }))),
  hog("messages of 1,000 empty fragments", () => {
    const fragments = repeat(998, clientFrame({ opcode: continuation, fin: false }));
    const first = clientFrame({ opcode: text, fin: false });
    return repeat(10, concatBytes([first, fragments, clientFrame({ opcode: continuation })]));
  }),
  hog("messages of 64 KiB", () => {
    return repeat(4, clientFrame({ opcode: binary, payload: new Uint8Array(65_536) }));
  }),
  hog("texts of a million bytes", () => textFrame("aé€😀".repeat(100_000))),
];

/** Floods that need it. */
export const compressedHogs: readonly Attack[] = [
  ...[1, 2, CROWD].map((connections) =>
    hog(
      `messages of 1 KB that inflate to 1 MiB, from ${connections}`,
      () => repeat(64, compressed(binary, deflate(new Uint8Array(MiB)))),
      { connections, isCompressed: true },
    )
  ),
  hog("texts of 1 KB that inflate to 1 MiB", () => {
    return repeat(64, compressed(text, deflate(new Uint8Array(MiB))));
  }, { isCompressed: true }),
  hog("small compressed messages", () => {
    return repeat(10_000, compressed(text, deflate(utf8("hello hello"))));
  }, { isCompressed: true }),
  hog("stored blocks that inflate to nothing", () => {
    return compressed(binary, repeat(200_000, Uint8Array.of(0, 0, 0, 255, 255)).slice(0, -4));
  }, { isCompressed: true }),
  // Four empty blocks of 10 bits each, with the fixed code; then one that is stored.
  hog("coded blocks that inflate to nothing", () => {
    const blocks = repeat(200_000, Uint8Array.of(0x02, 0x08, 0x20, 0x80, 0x00));
    return compressed(binary, concatBytes([blocks, Uint8Array.of(0)]));
  }, { isCompressed: true }),
];
