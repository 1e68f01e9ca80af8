/**
 * Much of what is allowed.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { clientFrame } from "../../support/raw_client.ts";
import { concatBytes, REFERENCE_OPCODES } from "../../support/reference_frames.ts";
import type { Attack } from "../attack.ts";

const pings: Attack = {
  name: "pings, without reading the answers",
  outcome: "one Pong waits, the latest; the connection goes on",
  async run(target) {
    const attacker = await target.open();
    attacker.socket.pause();
    const payload = new Uint8Array(125);
    const batch = concatBytes(
      Array.from({ length: 500 }, () => clientFrame({ opcode: REFERENCE_OPCODES.ping, payload })),
    );
    const rounds = await target.flood(async () => {
      if (attacker.socket.unsentSize === 0) attacker.send(batch);
      else await target.wait(10);
    });
    assertEquals(rounds > 0, true);
    attacker.socket.resume();
    await target.assertServed(attacker);
  },
};

/** The attacks. */
export const floods: readonly Attack[] = [pings];
