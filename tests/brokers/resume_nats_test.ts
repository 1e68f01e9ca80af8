import { natsKinds } from "./real_broker.ts";
import { tryResuming } from "./resume_scenarios.ts";

// @waits
for (const kind of natsKinds(true)) tryResuming(kind);
