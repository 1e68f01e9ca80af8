/**
 * Many connections, of which each has the server keep as much as one alone may.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { clientFrame, textFrame } from "../../support/raw_client.ts";
import { REFERENCE_OPCODES } from "../../support/reference_frames.ts";
import { upgradeRequest } from "../../support/requests.ts";
import type { Attack } from "./attack.ts";
import type { Attacker, Target } from "./target.ts";

const { binary, close } = REFERENCE_OPCODES;
const MiB = 1_048_576;
/** For so long the attackers hold what they have. */
const HOLD_MS = 1_000;

/** Checks that connections are open, or were closed with 1013, or dropped. */
async function assertPatience(target: Target, attackers: Attacker[]): Promise<void> {
  await target.wait(HOLD_MS);
  for (const attacker of attackers) {
    if (attacker.isClosed || !attacker.hasEnded) continue;
    const bytes = await attacker.readToEnd();
    // A Close frame with a code is at the end, if nothing is missing there.
    const at = bytes.lastIndexOf(0x80 + close);
    assertEquals([bytes[at + 2] * 256 + bytes[at + 3]], [1013]);
  }
}

/** The attacks. */
export const hoarders: readonly Attack[] = [
  {
    name: "100 messages of 1 MiB, of which one byte is sent",
    outcome: "nothing is reserved, and nothing happens",
    async run(target) {
      const attackers: Attacker[] = [];
      await target.crowd(100, async () => {
        const attacker = await target.open();
        attackers.push(attacker);
        attacker.send(
          clientFrame({ opcode: binary, declaredLength: BigInt(MiB), payload: new Uint8Array(1) }),
        );
      });
      await target.wait(HOLD_MS);
      for (const attacker of attackers) assert(!attacker.hasEnded && !attacker.isClosed);
    },
  },
  {
    name: "100 messages of which the last byte is missing",
    outcome: "past the budget, who holds most waits, or is closed with 1013",
    async run(target) {
      const frame = clientFrame({
        opcode: binary,
        declaredLength: BigInt(MiB),
        payload: new Uint8Array(MiB - 1),
      });
      const attackers: Attacker[] = [];
      await target.crowd(100, async () => {
        const attacker = await target.open();
        attackers.push(attacker);
        attacker.send(frame);
      });
      await assertPatience(target, attackers);
    },
  },
  {
    name: "100 echoes of 1 MiB that are not read",
    outcome: "past the budget, who holds most waits, or is dropped",
    reachesProgram: true,
    async run(target) {
      const frame = clientFrame({ opcode: binary, payload: new Uint8Array(MiB) });
      const attackers: Attacker[] = [];
      await target.crowd(100, async () => {
        const attacker = await target.open();
        attackers.push(attacker);
        attacker.socket.pause();
        // Three, as the system's buffers take one or two.
        attacker.send(frame, frame, frame);
      });
      await target.wait(HOLD_MS);
    },
  },
  {
    name: "100 messages of 1 MiB to a slow handler",
    outcome: "past the budget, who holds most waits, or is closed with 1013",
    reachesProgram: true,
    async run(target) {
      const frame = clientFrame({ opcode: binary, payload: new Uint8Array(MiB) });
      const attackers: Attacker[] = [];
      await target.crowd(100, async () => {
        const attacker = await target.open();
        attackers.push(attacker);
        attacker.send(textFrame("be slow"), frame, frame);
      });
      await target.wait(HOLD_MS);
    },
  },
  {
    name: "1,000 heads of 16 KiB that are not finished",
    outcome: "408 at their deadline, or past the budget 503",
    async run(target) {
      const head = upgradeRequest({ headers: { "X-Many": Array(95).fill("a".repeat(150)) } });
      const attackers: Attacker[] = [];
      await target.crowd(1_000, async () => {
        attackers.push(await target.send(head.slice(0, -1)));
      });
      await target.wait(HOLD_MS);
      for (const attacker of attackers) {
        if (attacker.isClosed || !attacker.hasEnded) continue;
        const { status } = await attacker.readResponse();
        assert([408, 503].includes(status), `${status}`);
      }
    },
  },
];
