import type { Attack } from "../attack.ts";
import { floods } from "./floods.ts";
import { slowHandshakes } from "./slow_handshakes.ts";

/** All attacks, of all kinds. */
export const allAttacks: readonly Attack[] = [...slowHandshakes, ...floods];
