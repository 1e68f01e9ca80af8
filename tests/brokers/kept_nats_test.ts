import { tryKeeping } from "./kept_scenarios.ts";
import { natsKinds } from "./real_broker.ts";

for (const kind of natsKinds(true)) tryKeeping(kind);
