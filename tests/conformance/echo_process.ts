/**
 * Runs `examples/echo.ts` as a child process, on the runtime that runs the test.
 *
 * @module
 */

import { spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** The ways in which the example echoes. */
export const ECHO_STYLES = ["callback", "iterate", "streams", "messages"] as const;
export type EchoStyle = typeof ECHO_STYLES[number];

/** The ways in which it compresses. */
export type EchoCompression = "takeover" | "no-takeover";

/** An echo server that was started. */
export interface EchoProcess {
  url: URL;
  /** Ends it by SIGTERM, and tells how it ended and what it wrote to its standard error. */
  stop(): Promise<{ exitCode: number | null; stderr: string }>;
}

const EXAMPLE = fileURLToPath(new URL("../../examples/echo.ts", import.meta.url));

/** The arguments with which each runtime runs a program. */
function runtimeArguments(): string[] {
  if ("Deno" in globalThis) return ["run", "--allow-all", "--no-check", "--quiet"];
  if ("Bun" in globalThis) return ["run"];
  // Node 22 warns that type stripping is experimental.
  return ["--disable-warning=ExperimentalWarning"];
}

/** Starts the example on a free port, with room for 16 MiB messages of any number of fragments. */
export async function startEcho(
  style: EchoStyle,
  compression: EchoCompression | "off" = "off",
): Promise<EchoProcess> {
  const options = ["--port", "0", "--style", style, "--compression", compression];
  const limits = ["--max-message-size", "16777216", "--max-fragments", "Infinity"];
  const child = spawn(
    process.execPath,
    [...runtimeArguments(), EXAMPLE, ...options, ...limits],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  let stdout = "";
  let stderr = "";
  child.stderr.on("data", (bytes) => stderr += bytes);
  const exited = new Promise<number | null>((resolve) => child.on("close", resolve));
  const url = await new Promise<URL>((resolve, reject) => {
    child.stdout.on("data", (bytes) => {
      stdout += bytes;
      const found = /^listening on (ws:\S+)$/m.exec(stdout);
      if (found !== null) resolve(new URL(found[1]));
    });
    void exited.then((code) => {
      reject(new Error(`The echo server ended with status ${code}:\n${stdout}${stderr}`));
    });
  });
  const stop = async () => {
    // Not child.kill: Deno then reports the signal, whatever the status was.
    if (child.exitCode === null) process.kill(child.pid!, "SIGTERM");
    return { exitCode: await exited, stderr };
  };
  let stopped: ReturnType<typeof stop> | undefined;
  return { url, stop: () => stopped ??= stop() };
}
