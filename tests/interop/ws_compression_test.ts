import { runCompressionScenarios } from "./compression_scenarios.ts";
import { wsPeer } from "./ws_peer.ts";

runCompressionScenarios(wsPeer);
