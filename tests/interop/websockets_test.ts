import { skipUnless } from "../support/skip.ts";
import { runScenarios } from "./scenarios.ts";
import { hasWebsockets, websocketsPeer } from "./websockets_peer.ts";

runScenarios(
  websocketsPeer,
  skipUnless(hasWebsockets(), "needs Python's websockets: apt-get install python3-websockets"),
);
