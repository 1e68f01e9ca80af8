/**
 * Replaces the ports of examples (80xx and 84xx) by free ones, so that any number of them can run.
 *
 * @module
 */

import { createServer } from "node:net";

const PORT = /\b8[04]\d\d\b/g;
/** Where a port is listened on. */
const LISTENING = /((?:\bport: |\blisten\())(8[04]\d\d)\b/g;

/** The ports that were given out: somebody may be about to listen on them. */
const given = new Set<number>();

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

async function takeFreePort(): Promise<number> {
  let port;
  do port = await findFreePort(); while (given.has(port));
  given.add(port);
  return port;
}

/**
 * Gives the code with a free port in the place of each that it names. A port that is listened on, and
 * not named again, becomes 0: what is free now may not be when the code runs.
 */
export async function replacePorts(code: string): Promise<string> {
  const isNamedOnce = (port: string) => code.split(port).length === 2;
  const open = code.replace(
    LISTENING,
    (text, before, port) => isNamedOnce(port) ? `${before}0` : text,
  );
  const ports = new Map<string, number>();
  for (const [port] of open.matchAll(PORT)) {
    if (!ports.has(port)) ports.set(port, await takeFreePort());
  }
  return open.replace(PORT, (port) => String(ports.get(port)));
}
