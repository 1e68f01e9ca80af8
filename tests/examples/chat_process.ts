import { type Module, TestProcess } from "../support/child_process.ts";

/** The module that serves the chat. */
export const CHAT_SERVER: URL = new URL("../../examples/chat/server.ts", import.meta.url);

/** A process that serves the chat, on one port or on several. */
export class ChatProcess extends TestProcess {
  readonly #ports: number;

  /** @param ports Those of its servers; 0 is any. */
  constructor(ports: number[], flags: string[], module: URL | Module = CHAT_SERVER) {
    super(module, ...ports.map((port) => `--port=${port}`), ...flags);
    this.#ports = ports.length;
  }

  /** Waits until all servers listen, and gives their addresses. */
  async addresses(): Promise<URL[]> {
    await this.untilPrinted(new RegExp(`(?:listening on [^]+?\n){${this.#ports}}`));
    const lines = this.output.matchAll(/^listening on (.+)$/gm);
    return [...lines].map(([, address]) => new URL(address));
  }
}
