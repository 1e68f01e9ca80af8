import { after, before, describe } from "node:test";
import { testChannels } from "./channel_contract.ts";
import { withDialled } from "./dialled.ts";
import { PeerProcess } from "./peer.ts";

for (const transport of ["tcp", "tls"] as const) {
  describe(`a dialled channel over ${transport}`, () => {
    let peers: PeerProcess;
    before(() => {
      peers = new PeerProcess();
    });
    after(() => peers.close());

    testChannels(transport, (run) => withDialled(transport, peers, run));
  });
}
