/**
 * A server whose process must end by itself, though it keeps messages: `exit_test.ts` runs it.
 *
 * @module
 */

import { serve } from "../../mod.ts";

const server = await serve({ port: 0, hostname: "127.0.0.1", resume: true }, () => {});
server.publish("x", "kept for two minutes");
server.unref();
console.log("published");
