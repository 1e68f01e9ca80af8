// @waits

import { MiB } from "../rig/scale.ts";
import { hoarders } from "../attacks/hoarders.ts";
import { describeArenas } from "../rig/describe_arenas.ts";

/**
 * By how much the server may grow where some hundred MiB are sent to it within a second or two. Most of
 * it is garbage that the runtime has not collected yet: that differs much between runs, and it is the
 * most on Bun. All of it comes back.
 */
const MAX_HOARD = 256 * MiB;

describeArenas("a server that is to hold much", (test) => {
  for (const attack of hoarders) {
    test(attack.name, async (arena) => {
      await arena.attack(attack, { scale: 0.3 });
      await arena.hold(attack.name, () => arena.attack(attack, { seed: 2 }), MAX_HOARD);
    });
  }
});
