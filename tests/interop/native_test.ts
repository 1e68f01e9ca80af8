import { nativePeer } from "./native_peer.ts";
import { runScenarios } from "./scenarios.ts";

runScenarios(nativePeer);
