/**
 * Serves WebSockets with a callback and nothing else, and prints the port.
 *
 * @module
 */

import { serve } from "../../../mod.ts";

const server = await serve({ port: 0, message: (conn, data) => conn.send(data) });
console.log(server.port);
