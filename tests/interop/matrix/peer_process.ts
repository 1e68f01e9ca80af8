/**
 * The processes that peers run in.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { moduleCommand, TestProcess } from "../../support/child_process.ts";
import { findInstalled } from "../../support/installed_runtimes.ts";
import { tlsPath } from "../../support/tls.ts";

/** A process that ends when it is told, and tells when it ends by itself. */
export class PeerProcess extends TestProcess {
  #isOver = false;

  /** @param onExit Is told why, if it ends by itself. */
  constructor(command: string[], env: Record<string, string>, onExit: (error: Error) => void) {
    super({ command, env, hasInput: true });
    void this.exited.then((how) => {
      if (this.#isOver) return;
      onExit(new Error(`${command[0]} ended: ${how}\n${this.errors.slice(-2000)}`));
    });
  }

  /** Ends it, and lets it end what it has started itself. */
  async stop(): Promise<void> {
    this.#isOver = true;
    this.end();
    await this.exited;
    this.release();
  }
}

/** The path of a file beside this one. */
export function pathOf(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}

const CA_FILE = tlsPath("ca.pem");

/** What makes a runtime trust the certificates of the tests. */
export const TRUST: Record<string, string> = { NODE_EXTRA_CA_CERTS: CA_FILE, DENO_CERT: CA_FILE };

const RUNTIMES = { Deno: "deno", Bun: "bun", Node: "node26" } as const;

/** The command that runs agents/main.ts on a runtime. */
export function agentCommand(runtime: keyof typeof RUNTIMES, ...words: string[]): string[] {
  const id = RUNTIMES[runtime];
  const module = {
    url: new URL("agents/main.ts", import.meta.url),
    runtime: id === "node26" ? "node" as const : id,
    executable: findInstalled(id),
  };
  return [...moduleCommand(module), ...words];
}
