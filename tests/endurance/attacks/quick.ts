import type { Attack } from "./attack.ts";
import { brokenFrames } from "./broken_frames.ts";
import { brokenRequests } from "./broken_requests.ts";
import { losses } from "./losses.ts";

/** The attacks of one connection that are over within milliseconds. */
export const quickAttacks: readonly Attack[] = [...brokenRequests, ...brokenFrames, ...losses];
