import { runCompressionScenarios } from "./compression_scenarios.ts";
import { nativePeer } from "./native_peer.ts";
import { runCompressedScenarios } from "./scenarios.ts";

runCompressedScenarios(nativePeer);
if (nativePeer.abilities.has("compression")) runCompressionScenarios(nativePeer);
