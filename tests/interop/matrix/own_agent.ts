/**
 * The agent on our own server, where what is tried is something in between.
 *
 * @module
 */

import type { Connection } from "../../../mod.ts";
import { streamOf } from "../../support/stream_of.ts";
import type { Agent, AgentMessage } from "./agents/agent.ts";

/** Has the agent speak by a connection of ours until it has ended. */
export async function speak(agent: Agent, conn: Connection): Promise<void> {
  const agentConnection = agent.open({
    send: (message) => void conn.send(message),
    close: (closeCode, reason) => void conn.close({ closeCode, reason }),
    sendFragments: (parts) =>
      void conn.sendStream(
        typeof parts[0] === "string" ? "text" : "binary",
        streamOf<AgentMessage>(parts),
      ),
    // A Ping of ours carries what it likes.
    ping: (payload) => void conn.ping().then(() => agentConnection.receivePong(payload)),
  });
  for await (const message of conn) agentConnection.receive(message);
  const { closeCode, reason } = await conn.closed;
  agentConnection.receiveClose(closeCode, reason);
}
