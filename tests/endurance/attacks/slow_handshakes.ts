/**
 * Opening handshakes that take their time.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { upgradeRequest } from "../../support/requests.ts";
import type { Attack } from "./attack.ts";
import type { Attacker, Target } from "./target.ts";

/** Sends something again and again, until the server ends the connection. */
async function dribble(
  target: Target,
  attacker: Attacker,
  intervalMs: number,
  next: (round: number) => string,
): Promise<void> {
  for (let i = 0; !attacker.hasEnded && !attacker.isClosed; i++) {
    attacker.send(next(i));
    await target.wait(intervalMs);
  }
}

/** A whole head of the largest size that is allowed. */
function largestHead(): string {
  const fields = Object.fromEntries(
    Array.from({ length: 90 }, (_, i) => [`X-Field-${i}`, "a".repeat(150)]),
  );
  const rest = 16_384 - upgradeRequest({ headers: { ...fields, "X-Rest": "" } }).length;
  return upgradeRequest({ headers: { ...fields, "X-Rest": "a".repeat(rest) } });
}

/** The attacks. */
export const slowHandshakes: readonly Attack[] = [
  {
    name: "request heads at one byte a second",
    outcome: "408 at the deadline, and the end",
    isSlow: true,
    async run(target) {
      const request = upgradeRequest();
      await target.crowd(50, async () => {
        const attacker = await target.connect();
        await dribble(target, attacker, 1_000, (round) => request[round]);
        assertEquals((await attacker.readResponse()).status, 408);
      });
    },
  },
  {
    name: "request heads that are never finished",
    outcome: "408 at the deadline, and the end",
    isSlow: true,
    async run(target) {
      const request = upgradeRequest();
      await target.crowd(200, async () => {
        const attacker = await target.send(request.slice(0, -1 - target.pick(request.length - 1)));
        assertEquals((await attacker.readResponse()).status, 408);
      });
    },
  },
  {
    name: "request heads with one field more, again and again",
    outcome: "408 at the deadline, or 431 at the limit, whichever comes first",
    isSlow: true,
    async run(target) {
      const start = "GET / HTTP/1.1\r\n";
      const next = (round: number) => round === 0 ? start : `X-${round}: ${"a".repeat(100)}\r\n`;
      await target.crowd(10, async (index) => {
        const attacker = await target.connect();
        const isFast = index % 2 === 0;
        await dribble(target, attacker, isFast ? 20 : 500, next);
        assertEquals((await attacker.readResponse()).status, isFast ? 431 : 408);
      });
    },
  },
  {
    name: "connections that say nothing",
    outcome: "dropped at the deadline, without an answer",
    isSlow: true,
    async run(target) {
      await target.crowd(300, async () => {
        const attacker = await target.connect();
        assertEquals((await attacker.readToEnd()).length, 0);
      });
    },
  },
  {
    name: "bytes without end behind a refused request",
    outcome: "426, and dropped 5 seconds later; the bytes are read and forgotten",
    isSlow: true,
    async run(target) {
      await target.crowd(5, async () => {
        const attacker = await target.send(upgradeRequest({ headers: { Upgrade: undefined } }));
        assertEquals((await attacker.readResponse()).status, 426);
        const bytes = new Uint8Array(10_000);
        while (!attacker.isClosed) {
          attacker.send(bytes);
          await target.wait(20);
        }
      });
    },
  },
  {
    name: "heads of 16 KiB in segments of one byte",
    outcome: "served as any other",
    async run(target) {
      const head = largestHead();
      assertEquals(head.length, 16_384);
      await target.crowd(2, async () => {
        const attacker = await target.connect();
        for (const character of head) {
          attacker.send(character);
          // Not all at once: TCP would put them together.
          await target.yield();
        }
        assertEquals((await attacker.readHead()).status, 101);
        await target.assertServed(attacker);
        assert(!attacker.hasEnded);
      });
    },
  },
];
