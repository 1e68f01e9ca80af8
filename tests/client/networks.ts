/**
 * The ways on which clients reach a server.
 *
 * @module
 */

import { serve } from "../../mod.ts";
import { connect, reconnecting } from "../../src/runtimes/shared/client.ts";
import type { Connect } from "../../src/client/connect.ts";
import type { Reconnecting } from "../../src/client/reconnecting.ts";
import type { Serve } from "../../src/server/serve.ts";
import { MemoryNetwork } from "../../src/testing/mod.ts";

/** What serves and connects on one of them. */
export interface Ways {
  serve: Serve;
  connect: Connect;
  reconnecting: Reconnecting;
}

/** Each by its name. */
export const NETWORKS: [string, () => Ways][] = [
  ["memory", () => new MemoryNetwork()],
  ["sockets", () => ({ serve, connect, reconnecting })],
];
