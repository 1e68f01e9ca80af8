/**
 * Much of what is allowed.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { clientFrame, textFrame, utf8 } from "../../support/raw_client.ts";
import { concatBytes, REFERENCE_OPCODES } from "../../support/reference_frames.ts";
import { upgradeRequest } from "../../support/requests.ts";
import { type Attack, byCrowd, byOne } from "./attack.ts";
import type { Attacker, Target } from "./target.ts";

const { continuation, text, binary, ping, pong } = REFERENCE_OPCODES;

/** Sends bytes over and over, as fast as the system takes them. Gives how many it took. */
async function pour(target: Target, attacker: Attacker, bytes: Uint8Array): Promise<number> {
  let sent = 0;
  await target.flood(async () => {
    if (attacker.socket.unsentSize > 0) return await target.wait(5);
    attacker.send(bytes);
    sent += bytes.length;
  });
  return sent - attacker.socket.unsentSize;
}

function repeat(count: number, frame: Uint8Array): Uint8Array {
  return concatBytes(Array(count).fill(frame));
}

/** The attacks. */
export const floods: readonly Attack[] = [
  byOne(
    "pings, without reading the answers",
    "one Pong waits, the latest; the connection goes on",
    async (attacker, target) => {
      attacker.socket.pause();
      const frame = clientFrame({ opcode: ping, payload: new Uint8Array(125) });
      const sent = await pour(target, attacker, repeat(500, frame));
      attacker.socket.resume();
      attacker.sendPing("the last");
      await target.assertServed(attacker);
      // What the system's buffers hold was answered, the rest by one Pong.
      assert(attacker.receivedSize < sent || sent < 20_000_000, "each Ping got a Pong");
    },
  ),
  byOne(
    "pings, reading the answers",
    "answered, and the connection goes on",
    async (attacker, target) => {
      await target.flood(async () => {
        const pings = Array.from({ length: 100 }, (_, i) => utf8(`${i}`));
        attacker.send(concatBytes(pings.map((payload) => clientFrame({ opcode: ping, payload }))));
        // One Pong answers the Pings before, too, where an earlier one is still on its way.
        for (let last = -1; last < 99;) {
          const answered = Number(await attacker.readPong());
          assert(answered > last, `a Pong for ${answered} behind that for ${last}`);
          last = answered;
        }
      });
      await target.assertServed(attacker);
    },
  ),
  byOne(
    "pongs that nobody asked for",
    "ignored, and the connection goes on",
    async (attacker, target) => {
      const frame = clientFrame({ opcode: pong, payload: new Uint8Array(125) });
      await pour(target, attacker, repeat(500, frame));
      await target.assertServed(attacker);
    },
  ),
  {
    name: "messages of empty fragments",
    outcome: "Close with 1008 at 1,024 fragments",
    async run(target) {
      const fragments = repeat(5_000, clientFrame({ opcode: continuation, fin: false }));
      await target.flood(() => refusedFragments(target, fragments, 1008));
    },
  },
  {
    name: "messages of one-byte fragments, a Ping between each two",
    outcome: "echoed",
    async run(target) {
      const pair = concatBytes([
        clientFrame({ opcode: continuation, fin: false, payload: utf8("a") }),
        clientFrame({ opcode: ping }),
      ]);
      const attacker = await target.open();
      await target.flood(async () => {
        attacker.send(clientFrame({ opcode: text, fin: false }), repeat(2_000, pair));
        attacker.send(clientFrame({ opcode: continuation }));
        for (let size = 0; size === 0;) {
          const { opcode, payload } = await attacker.readFrame();
          if (opcode === text) assertEquals(size = payload.length, 2_000);
        }
      });
      await target.assertServed(attacker);
    },
    reachesProgram: true,
  },
  {
    name: "messages of one-byte fragments without end",
    outcome: "Close with 1009 at 1 MiB; with 1013, where memory is short before",
    async run(target) {
      const fragment = clientFrame({ opcode: continuation, fin: false, payload: utf8("a") });
      const fragments = repeat(1024 * 1024 + 1, fragment);
      await target.flood(() => refusedFragments(target, fragments, 1009, 1013));
    },
  },
  byOne("empty messages", "echoed", async (attacker, target) => {
    const frame = clientFrame({ opcode: binary });
    await target.flood(async () => {
      attacker.send(repeat(2_000, frame));
      await attacker.readBytes(2_000 * 2);
    });
    await target.assertServed(attacker);
  }, { reachesProgram: true }),
  byOne(
    "tiny messages, without reading the echoes",
    "read no more while the echoes wait; the connection goes on",
    async (attacker, target) => {
      attacker.socket.pause();
      const sent = await pour(target, attacker, repeat(10_000, textFrame("a")));
      assert(sent > 0);
      attacker.socket.resume();
      // The client's frames are 7 bytes long, the echoes 3.
      const messages = Math.floor(sent / 7);
      for (let i = 0; i < messages; i += 1_000) {
        await attacker.readBytes(3 * Math.min(1_000, messages - i));
      }
    },
    { reachesProgram: true },
  ),
  byCrowd("tiny messages to a slow handler", "one at a time, in order; TCP slows the client", {
    count: 20,
    reachesProgram: true,
  }, async (attacker, target) => {
    attacker.sendText("be slow");
    assertEquals(await attacker.readMessage(), "be slow");
    let count = 0;
    await target.flood(async () => {
      if (attacker.socket.unsentSize > 0) return await target.wait(5);
      const messages = Array.from({ length: 2_000 }, () => textFrame(String(count++)));
      attacker.send(concatBytes(messages));
    });
    for (let i = 0; i < 20; i++) assertEquals(await attacker.readMessage(), String(i));
    assert(attacker.unreadSize < count, "the handler was not waited for");
  }),
  {
    name: "connections that come and go",
    outcome: "accepted, and forgotten",
    async run(target) {
      await target.flood(async () => {
        await target.crowd(20, async () => {
          const attacker = await target.connect();
          attacker.socket.reset();
          await attacker.untilClosed();
        });
      });
    },
  },
  {
    name: "handshakes, each left at once",
    outcome: "101, and forgotten",
    async run(target) {
      await target.flood(async () => {
        await target.crowd(20, async () => {
          const attacker = await target.open();
          attacker.socket.reset();
          await attacker.untilClosed();
        });
      });
    },
  },
  {
    name: "handshakes with as many and as large fields as are allowed",
    outcome: "101",
    async run(target) {
      const many = Array(95).fill("a".repeat(150));
      const request = upgradeRequest({ headers: { "X-Many": many } });
      await target.flood(async () => {
        await target.crowd(20, async () => {
          const attacker = await target.send(request);
          assertEquals((await attacker.readHead()).status, 101);
          attacker.socket.reset();
          await attacker.untilClosed();
        });
      });
    },
  },
  {
    name: "fields without end",
    outcome: "431 at 100 fields, or at 16 KiB; what follows is dropped",
    async run(target) {
      const fields = (value: string) => `X-Field: ${value}\r\n`.repeat(1_000_000 / value.length);
      await target.flood(async (round) => {
        const attacker = await target.send(
          "GET / HTTP/1.1\r\n",
          fields("a".repeat([10, 1_000, 8_000][round % 3])),
        );
        assertEquals((await attacker.readResponse()).status, 431);
        attacker.socket.reset();
      });
    },
  },
];

async function refusedFragments(
  target: Target,
  fragments: Uint8Array,
  ...codes: number[]
): Promise<void> {
  const attacker = await target.open();
  attacker.send(clientFrame({ opcode: text, fin: false }), fragments);
  for (;;) {
    const { opcode, payload } = await attacker.readFrame();
    if (opcode === pong) continue;
    const code = payload[0] * 256 + payload[1];
    assert(codes.includes(code), `closed with ${code}`);
    break;
  }
  await attacker.finish();
}
