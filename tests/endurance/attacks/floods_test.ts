import { largeAttacks } from "./all.ts";
import { hoarders } from "./hoarders.ts";
import { describeArenas } from "../rig/describe_arenas.ts";
import { scaled } from "../rig/scale.ts";

const FLOOD_MS = scaled(250, 1_000);

const attacks = largeAttacks.filter((attack) =>
  attack.deadlineMs === undefined && !hoarders.includes(attack)
);

describeArenas("a server under attack", (test) => {
  for (const attack of attacks) {
    test(attack.name, async (arena) => {
      // The first time, code is compiled, and the runtime takes what memory it wants to have.
      await arena.attack(attack, { floodMs: FLOOD_MS });
      await arena.hold(attack.name, () => arena.attack(attack, { seed: 2, floodMs: FLOOD_MS }));
    });
  }
});
