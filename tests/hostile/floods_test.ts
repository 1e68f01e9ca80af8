import { largeAttacks } from "./attacks/all.ts";
import { describeArenas } from "./describe_arenas.ts";

const attacks = largeAttacks.filter(({ deadlineMs = 0 }) => deadlineMs === 0);

describeArenas("a server under attack", (test) => {
  for (const attack of attacks) {
    test(attack.name, async (arena) => {
      // The first time, code is compiled, and the runtime takes what memory it wants to have.
      await arena.attack(attack, { floodMs: 500 });
      await arena.hold(
        attack.name,
        () => arena.attack(attack, { seed: 2 }),
      );
    });
  }
});
