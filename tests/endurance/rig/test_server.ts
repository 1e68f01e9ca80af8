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
  it(name, { skip, timeout: TIMEOUT_MS }, async () => {
    const server = await ServerProcess.start(script, args);
    try {
      await body(server);
      await server.stop();
    } finally {
      server.kill();
    }
  });
}

/** Defines such a test of `examples/echo.ts`, in each of its styles. */
export function testEchoServer(
  body: (server: ServerProcess, style: string) => Promise<void>,
): void {
  for (const style of ["callback", "iterate", "streams", "messages"]) {
    const args = ["--port", "0", "--style", style];
    testServer(style, "echo_server.ts", args, (server) => body(server, style));
  }
}
