/**
 * Has the event loop give turns by `setImmediate`, on the runtimes where it looks for what has arrived
 * between two of them: Node and Bun. Deno does that only once in a while.
 *
 * @module
 */

import { giveTurnsBy } from "../../connection/turns.ts";
import { setImmediate } from "../../timers.ts";

if (!("Deno" in globalThis)) giveTurnsBy(setImmediate);
