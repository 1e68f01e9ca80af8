import type { Attack } from "./attack.ts";
import { floods } from "./floods.ts";
import { hoarders } from "./hoarders.ts";
import { hogs } from "./hogs.ts";
import { quickAttacks } from "./quick.ts";
import { slowHandshakes } from "./slow_handshakes.ts";
import { stuckPeers } from "./stuck_peers.ts";

/** All attacks, of all kinds. */
export const allAttacks: readonly Attack[] = [
  ...quickAttacks,
  ...slowHandshakes,
  ...stuckPeers,
  ...floods,
  ...hoarders,
  ...hogs,
];
