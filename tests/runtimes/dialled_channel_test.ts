import { describe } from "node:test";
import { testChannels } from "./channel_contract.ts";
import { withDialled } from "./dialled.ts";
import { usePeers } from "./peer.ts";

for (const transport of ["tcp", "tls"] as const) {
  describe(`a dialled channel over ${transport}`, () => {
    const peers = usePeers();

    testChannels(transport, (run) => withDialled(transport, peers, run));
  });
}
