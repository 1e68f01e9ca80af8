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

/**
 * Where ports are looked for: below those that systems give to whoever asks for any, so that nobody gets
 * one of them between now and when the code runs.
 */
const FIRST_PORT = 10_000;
const LAST_PORT = 32_000;

/** Whether nobody listens on a port. */
function isFree(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const server = createServer();
  server.on("error", () => resolve(false));
  server.listen(port, () => server.close(() => resolve(true)));
  return promise;
}

async function takeFreePort(): Promise<number> {
  let port;
  do {
    port = FIRST_PORT + Math.floor(Math.random() * (LAST_PORT - FIRST_PORT));
  } while (given.has(port) || !await isFree(port));
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
