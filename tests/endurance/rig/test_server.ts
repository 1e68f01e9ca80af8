import { it } from "node:test";
import { skip, TIMEOUT_MS } from "./scale.ts";
import { ServerProcess } from "./server_process.ts";

/** Defines a test of a server, which is started for it, and must end in order behind it. */
export function testServer(
  name: string,
  script: string | URL,
  args: string[],
  body: (server: ServerProcess) => Promise<void>,
): void {
  it(name, { skip, timeout: TIMEOUT_MS }, () => withServer(script, args, body));
}

/** Defines one test of several servers, which run side by side: it is for what mostly waits. */
export function testServers(
  servers: readonly { name: string; script: string | URL; args: string[] }[],
  body: (server: ServerProcess, name: string) => Promise<void>,
): void {
  const names = servers.map(({ name }) => name).join(", ");
  it(names, { skip, timeout: TIMEOUT_MS }, async () => {
    await Promise.all(servers.map(async ({ name, script, args }) => {
      try {
        await withServer(script, args, (server) => body(server, name));
      } catch (cause) {
        throw new Error(`${name}: ${cause}`, { cause });
      }
    }));
  });
}

async function withServer(
  script: string | URL,
  args: string[],
  body: (server: ServerProcess) => Promise<void>,
): Promise<void> {
  const server = await ServerProcess.start(script, args);
  try {
    await body(server);
    await server.stop();
  } finally {
    server.kill();
  }
}

/** `examples/echo.ts`, in each of its styles. */
export const ECHO_SERVERS: { name: string; script: string; args: string[] }[] = [
  "callback",
  "iterate",
  "streams",
  "messages",
].map((name) => ({ name, script: "echo_server.ts", args: ["--port", "0", "--style", name] }));
