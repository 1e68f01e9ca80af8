import { runCompressedScenarios } from "./scenarios.ts";
import { wsPeer } from "./ws_peer.ts";

runCompressedScenarios(wsPeer);
