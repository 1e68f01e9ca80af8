/** `crossws` on Deno, upon `Deno.upgradeWebSocket`. */

import { announce } from "./arguments.ts";
import { loadAdapter } from "./crossws.ts";

interface DenoAdapter {
  handleUpgrade(request: Request, info: Deno.ServeHandlerInfo): Promise<Response>;
}

const adapter = await loadAdapter<DenoAdapter>("deno");
Deno.serve(
  { hostname: "127.0.0.1", port: 0, onListen: ({ port }) => announce(port) },
  (request, info) => adapter.handleUpgrade(request, info),
);
