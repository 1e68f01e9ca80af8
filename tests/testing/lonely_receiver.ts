/**
 * Waits for a message that does not come, with nothing but the timeout to wait for.
 *
 * @module
 */

import { connectedPair, FakeClock, receiveMessage } from "../../src/testing/mod.ts";

const { client } = await connectedPair({ clock: new FakeClock() });
try {
  await receiveMessage(client, { signal: AbortSignal.timeout(50) });
} catch (error) {
  console.log((error as Error).name);
}
