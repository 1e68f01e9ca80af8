// @measures

import { assert } from "@std/assert";
import { after, before, describe, it } from "node:test";
import { KiB, MiB, mib, progress, scaled, skip, TIMEOUT_MS } from "../rig/scale.ts";
import { Arena } from "../rig/arena.ts";
import type { Attack } from "../attacks/attack.ts";
import { compressedHogs, hogs } from "../attacks/hogs.ts";

const FLOOD_MS = scaled(450, 10_000);
/** How long the event loop may be kept, by the server's own clock, and honest clients may wait. */
const MAX_STALL_MS = 50;
const MAX_ECHO_99_MS = 250;
const MAX_ARRIVAL_MS = 1_000;
/** What the runtime does under bombs: the allocator of Bun holds freed pages for a while. */
const GARBAGE = ("Bun" in globalThis ? 120 : 60) * MiB;
/** Under bombs: the default memory budget for 32 connections, and that. */
const MAX_BOMB_GROWTH = 16 * MiB + 32 * 32 * KiB + GARBAGE;
/** A program that iterates has a message of each connection in hand. */
const IN_HAND = 30 * MiB;
/** Under large messages: see SECURITY.md. */
const MAX_GROWTH = 256 * MiB;
/** What another process does to the machine, or a heap that grows by a leap, is not there each time. */
const MEASURES = 5;

function maxGrowth(attack: Attack, style: string): number {
  if (!compressedHogs.includes(attack)) return MAX_GROWTH;
  return MAX_BOMB_GROWTH + (style === "iterate" ? IN_HAND : 0);
}

/** Floods the server; gives what was not as it must be. */
async function flood(arena: Arena, attack: Attack, style: string): Promise<string[]> {
  // The first time, code is compiled, and the runtime takes what memory it wants to have.
  await arena.attack(attack, { floodMs: FLOOD_MS / 4 });
  await arena.server.usedMemory();
  await arena.takeStall();
  await arena.takeWaits();
  arena.server.resetPeak();
  const resident = arena.server.residentSize;
  await arena.attack(attack, { floodMs: FLOOD_MS });
  const growth = arena.server.peakSize - resident;
  const stallMs = await arena.takeStall();
  const { echoMs, echo99Ms, arrivalMs } = await arena.takeWaits();
  const [stall, echo, echo99, arrival] = [stallMs, echoMs, echo99Ms, arrivalMs].map(Math.round);
  progress(
    `${style}, ${attack.name}: stalls of ${stall} ms, waits of ${echo99} ms and at most ${echo} ms, ` +
      `for new connections ${arrival} ms, ${mib(growth)} grown`,
  );
  const wrong: string[] = [];
  if (stallMs > MAX_STALL_MS) wrong.push(`the event loop was kept for ${stall} ms`);
  if (echo99Ms > MAX_ECHO_99_MS) wrong.push(`of 100 echoes one took ${echo99} ms`);
  if (arrivalMs > MAX_ARRIVAL_MS) wrong.push(`a new connection took ${arrival} ms`);
  if (growth > maxGrowth(attack, style)) wrong.push(`the server grew by ${mib(growth)}`);
  return wrong;
}

const STYLES: Record<string, readonly Attack[]> = {
  callback: [...hogs, ...compressedHogs],
  iterate: [hogs[2], ...compressedHogs.slice(1, 3)],
  messages: [hogs[5], hogs[6], ...compressedHogs.slice(1, 3)],
};

for (const [style, attacks] of Object.entries(STYLES)) {
  describe(`nobody waits long for a server (${style}) that is flooded with`, () => {
    let arena: Arena;
    before(async () => {
      if (!skip) arena = await Arena.start(style, ["--compression"]);
    });
    after(() => arena?.kill());

    for (const attack of attacks) {
      it(attack.name, { skip, timeout: TIMEOUT_MS }, async () => {
        let wrong = await flood(arena, attack, style);
        for (let i = 1; i < MEASURES && wrong.length > 0; i++) {
          wrong = await flood(arena, attack, style);
        }
        assert(wrong.length === 0, wrong.join("; "));
      });
    }

    it("and it ends in order", { skip, timeout: TIMEOUT_MS }, () => arena.stop());
  });
}
