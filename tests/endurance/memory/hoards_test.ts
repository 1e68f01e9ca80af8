// @waits

import { MiB } from "../rig/scale.ts";
import { hoarders } from "../attacks/hoarders.ts";
import { describeAttacks } from "../rig/describe_arenas.ts";

/**
 * By how much the server may grow where some hundred MiB are sent to it within a second or two. Most of
 * it is garbage that the runtime has not collected yet: that differs much between runs, and it is the
 * most on Bun. All of it comes back.
 */
const MAX_HOARD = 256 * MiB;

describeAttacks("a server that is to hold much", hoarders, {
  warmUp: { scale: 0.3 },
  maxGrowth: MAX_HOARD,
});
