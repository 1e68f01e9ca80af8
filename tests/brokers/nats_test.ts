import { natsKinds } from "./real_broker.ts";
import { tryBroker } from "./scenarios.ts";

for (const kind of natsKinds()) tryBroker(kind);
