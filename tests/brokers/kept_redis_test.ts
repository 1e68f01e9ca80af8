import { tryKeeping } from "./kept_scenarios.ts";
import { redisKinds } from "./real_broker.ts";

for (const kind of redisKinds(true)) tryKeeping(kind);
