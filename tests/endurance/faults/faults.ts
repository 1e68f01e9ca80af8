/**
 * What becomes of clients in the middle of something, and how their connections end then.
 *
 * @module
 */

import type { CloseInfo, ServerStats } from "../../../src/server/mod.ts";
import type { RawClient } from "../../support/raw_client.ts";
import { eventually } from "../../support/waiter.ts";

/** What may become of a client. */
export const FAULTS: Record<"RST" | "FIN" | "silence", (client: RawClient) => void> = {
  RST: ({ socket }: RawClient) => socket.reset(),
  FIN: ({ socket }: RawClient) => socket.end(),
  silence: () => {},
};
export type Fault = keyof typeof FAULTS;
export const FAULT_NAMES: readonly Fault[] = Object.keys(FAULTS) as Fault[];

/** How a connection ends that the client left. */
export const LOST: CloseInfo = {
  closeCode: 1006,
  reason: "",
  wasClean: false,
  initiator: "remote",
};

/** How one ends whose client is silent. */
export const SILENT: CloseInfo = {
  closeCode: 1006,
  reason: "The peer is silent: no answer to a Ping",
  wasClean: false,
  initiator: "local",
};

/** Waits until a server has neither connections nor handshakes. */
export async function untilOver(server: { stats(): ServerStats }): Promise<void> {
  await eventually("all to be over", () => {
    const { connections, handshakes } = server.stats();
    return connections === 0 && handshakes === 0;
  });
}

/** Ends the clients' side too, once they see that it is over. */
export async function endAll(clients: Iterable<RawClient>): Promise<void> {
  for (const client of clients) {
    await eventually("the end", () => client.isClosed || client.hasEnded);
    if (!client.hasSentEnd) client.socket.end();
  }
}
