import { skipUnless } from "../support/skip.ts";
import { runCompressedScenarios } from "./scenarios.ts";
import { hasWebsockets, websocketsPeer } from "./websockets_peer.ts";

runCompressedScenarios(
  websocketsPeer,
  skipUnless(hasWebsockets(), "needs Python's websockets: apt-get install python3-websockets"),
);
