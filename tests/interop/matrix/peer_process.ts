/**
 * The processes that peers run in.
 *
 * @module
 */

import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** A process that ends when it is told, and tells when it ends by itself. */
export class PeerProcess {
  readonly #child: ChildProcess;
  readonly #exited: Promise<void>;
  #isOver = false;
  /** The last that it said on the standard error. */
  #complaints = "";

  /** @param onExit Is told why, where it ends by itself. */
  constructor(
    [program, ...words]: string[],
    env: Record<string, string>,
    onExit: (error: Error) => void,
  ) {
    this.#child = spawn(program, words, {
      stdio: ["pipe", "pipe", "pipe"],
      env: { ...process.env, ...env },
    });
    this.#child.stderr!.on("data", (bytes: Uint8Array) => {
      this.#complaints = (this.#complaints + new TextDecoder().decode(bytes)).slice(-2000);
    });
    this.#exited = new Promise((resolve) => {
      const exit = (how: unknown) => {
        if (!this.#isOver) onExit(new Error(`${program} ended: ${how}\n${this.#complaints}`));
        this.#isOver = true;
        resolve();
      };
      this.#child.on("error", exit);
      this.#child.on("exit", (code, signal) => exit(signal ?? code));
    });
    // It may end before it was told to.
    this.#child.stdin!.on("error", () => {});
  }

  /** The lines that it prints. */
  onLine(take: (line: string) => void): void {
    createInterface({ input: this.#child.stdout! }).on("line", take);
  }

  /** Ends it, and lets it end what it has started itself. */
  async stop(): Promise<void> {
    if (!this.#isOver) {
      this.#isOver = true;
      this.#child.kill("SIGTERM");
    }
    await this.#exited;
    // What it has started may hold them open.
    for (const stream of this.#child.stdio) stream?.destroy();
  }
}

/** The path of a file beside this one. */
export function pathOf(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}

/** The path of a certificate or key of the tests. */
export function tlsPath(name: string): string {
  return pathOf(`../../support/tls/${name}`);
}

const CA_FILE = tlsPath("ca.pem");

/** What makes a runtime trust the certificates of the tests. */
export const TRUST: Record<string, string> = { NODE_EXTRA_CA_CERTS: CA_FILE, DENO_CERT: CA_FILE };

const NODE_MODULES = fileURLToPath(new URL("../../../node_modules/", import.meta.url));

/** Finds what npm installed for this platform. */
function executable(folder: string, prefix: string, path: string): string {
  const found = readdirSync(NODE_MODULES + folder).find((name) => name.startsWith(prefix));
  return `${NODE_MODULES}${folder}${found}/${path}`;
}

/** The command that runs agents/main.ts on a runtime. */
export function agentCommand(runtime: "Deno" | "Bun" | "Node", ...words: string[]): string[] {
  const main = pathOf("agents/main.ts");
  if (runtime === "Bun") return [executable("@oven/", "bun-", "bin/bun"), main, ...words];
  if (runtime === "Node") return [executable("", "node26-", "bin/node"), main, ...words];
  const flags = ["run", "--allow-all", "--no-check", "--quiet"];
  return [executable("@deno/", "", "deno"), ...flags, main, ...words];
}
