import { redisKinds } from "./real_broker.ts";
import { tryResuming } from "./resume_scenarios.ts";

// @waits
for (const kind of redisKinds(true)) tryResuming(kind);
