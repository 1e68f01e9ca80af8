import { MiB } from "../stress/scale.ts";
import { largeAttacks } from "./attacks/all.ts";
import { hoarders } from "./attacks/hoarders.ts";
import { describeArenas } from "./describe_arenas.ts";

const attacks = largeAttacks.filter(({ deadlineMs = 0 }) => deadlineMs === 0);

/**
 * By how much the server may grow where some hundred MiB are sent to it within a second or two. Most of
 * it is garbage that the runtime has not collected yet: that differs much between runs, and it is the
 * most on Bun. All of it comes back.
 */
const MAX_HOARD = 256 * MiB;

describeArenas("a server under attack", (test) => {
  for (const attack of attacks) {
    const maxGrowth = hoarders.includes(attack) ? MAX_HOARD : undefined;
    test(attack.name, async (arena) => {
      // The first time, code is compiled, and the runtime takes what memory it wants to have.
      await arena.attack(attack, { floodMs: 300 });
      await arena.hold(attack.name, () => arena.attack(attack, { seed: 2 }), maxGrowth);
    });
  }
});
