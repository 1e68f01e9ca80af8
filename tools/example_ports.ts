/**
 * Replaces the ports of examples (80xx and 84xx) by free ones, so that any number of them can run.
 *
 * @module
 */

import { createServer } from "node:net";

const PORT = /\b8[04]\d\d\b/g;

function findFreePort(): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const server = createServer();
  server.on("error", reject);
  server.listen(0, "127.0.0.1", () => {
    const address = server.address();
    server.close(() => resolve(typeof address === "object" ? address!.port : 0));
  });
  return promise;
}

/** Gives the code with a free port in the place of each that it names. */
export async function replacePorts(code: string): Promise<string> {
  const ports = new Map<string, number>();
  for (const [port] of code.matchAll(PORT)) {
    if (!ports.has(port)) ports.set(port, await findFreePort());
  }
  return code.replace(PORT, (port) => String(ports.get(port)));
}
