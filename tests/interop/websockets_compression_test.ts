import { skipUnless } from "../support/skip.ts";
import { runCompressionScenarios } from "./compression_scenarios.ts";
import { hasWebsockets, websocketsPeer } from "./websockets_peer.ts";

runCompressionScenarios(
  websocketsPeer,
  skipUnless(hasWebsockets(), "needs Python's websockets: apt-get install python3-websockets"),
);
