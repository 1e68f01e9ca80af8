import { runScenarios } from "./scenarios.ts";
import { wsPeer } from "./ws_peer.ts";

runScenarios(wsPeer);
