/**
 * Listens on a name, and dials it and its address: `exit_test.ts` runs it with the permission
 * for the name alone. Prints how each went.
 *
 * @module
 */

import process from "node:process";
import { loadDialer, loadListen } from "../../src/runtimes/shared/runtime.ts";
import type { ByteChannelHandler } from "../../src/transport/byte_channel.ts";
import { ConnectError } from "../../src/errors.ts";

const port = Number(process.argv[2]);
const handler: ByteChannelHandler = {
  receive: () => {},
  receiveEnd: () => {},
  drain: () => {},
  receiveClosed: () => {},
};

const listen = await loadListen();
const listener = await listen({ hostname: "localhost", port }, undefined, (channel) => {
  channel.handler = { ...handler, receiveEnd: () => channel.end() };
});
console.log("listening");
const { dial } = await loadDialer();
for (const hostname of ["localhost", "127.0.0.1", "::1", "example.com"]) {
  try {
    const channel = await dial({ hostname, port }, handler, new AbortController().signal);
    channel.end();
    console.log("connected");
  } catch (error) {
    console.log(error instanceof ConnectError ? error.code : error);
  }
}
await listener.close();
