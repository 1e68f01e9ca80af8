import { redisKinds } from "./real_broker.ts";
import { tryBroker } from "./scenarios.ts";

for (const kind of redisKinds()) tryBroker(kind);
