import { styleText } from "node:util";
import type { CloseInfo, Connection, Message } from "../connection/connection.ts";
import type { CommandLine } from "./command_line.ts";
import { describeClose, isGoodEnd } from "./describe.ts";
import type { Terminal } from "./io.ts";
import { ping } from "./pings.ts";
import { parseHex, toHexDump, toPrintable } from "./printable.ts";

const HELP = `/ping                 send a Ping, and show the round-trip time
/close [CODE [TEXT]]  close the connection, by default with 1000
/text TEXT            send text, even with --binary
/binary HEX           send bytes, such as 48 65 6c 6c 6f
//TEXT                send text that begins with a slash
/help                 show this list
Ctrl-D                close the connection`;

const COLORS = { received: "cyan", status: "dim", good: "green", bad: "red" } as const;

/** A session at a terminal: shows the messages of one connection, and sends the lines that are typed. */
export class Conversation {
  readonly #terminal: Terminal;
  readonly #isBinary: boolean;
  readonly #hasColors: boolean;

  constructor(terminal: Terminal, { isBinary }: CommandLine, hasColors: boolean) {
    this.#terminal = terminal;
    this.#isBinary = isBinary;
    this.#hasColors = hasColors;
  }

  /** Shows a message. Resolves when the terminal has shown it. */
  message(_conn: Connection, data: Message): Promise<void> {
    const text = typeof data === "string" ? toPrintable(data) : toHexDump(data);
    return this.#print("received", `< ${text.replaceAll("\n", "\n  ")}`);
  }

  ping(_conn: Connection, payload: Uint8Array): Promise<void> {
    return this.showStatus(`ping${payload.length === 0 ? "" : `, ${toHexDump(payload)}`}`);
  }

  showStatus(text: string): Promise<void> {
    return this.#print("status", `* ${text}`);
  }

  /** Sends the lines that are typed, until they end or the connection does. */
  async run(conn: Connection): Promise<CloseInfo> {
    void conn.closed.then(() => this.#terminal.close());
    await this.#print("good", `* ${describeOpen(conn)}`);
    await this.showStatus("each line is sent when you press Enter; /help lists the commands");
    for await (const line of this.#terminal.lines) {
      if (conn.state !== "open") break;
      // It fails if the connection has ended, which is reported below.
      await this.#take(conn, line).catch(() => {});
    }
    const info = await conn.close();
    await this.#print(isGoodEnd(info) ? "good" : "bad", `* ${describeClose(info)}`);
    return info;
  }

  async #take(conn: Connection, line: string): Promise<void> {
    if (/^\/(?!\/)/.test(line)) await this.#runCommand(conn, line);
    else if (this.#isBinary) await this.#sendHex(conn, line);
    else await conn.send(line.replace(/^\/\//, "/"));
  }

  async #runCommand(conn: Connection, line: string): Promise<void> {
    const [, name = "", rest = ""] = /^\/(\S*)\s?(.*)$/.exec(line) ?? [];
    if (name === "ping") void ping(conn, (text) => this.showStatus(text));
    else if (name === "close") await this.#close(conn, rest);
    else if (name === "text") await conn.send(rest);
    else if (name === "binary") await this.#sendHex(conn, rest);
    else if (name === "help") await this.showStatus(HELP.replaceAll("\n", "\n  "));
    else await this.#showError(`unknown command /${toPrintable(name)}: /help lists the commands`);
  }

  async #sendHex(conn: Connection, text: string): Promise<void> {
    const bytes = parseHex(text);
    const hint = "not sent: bytes must be pairs of hexadecimal digits, as in 48 65 6c";
    await (bytes === undefined ? this.#showError(hint) : conn.send(bytes));
  }

  async #close(conn: Connection, text: string): Promise<void> {
    const [, code, reason] = /^(\S*)\s?(.*)$/.exec(text.trim())!;
    try {
      await conn.close({ closeCode: code === "" ? 1000 : Number(code), reason });
    } catch (error) {
      await this.#showError((error as Error).message);
    }
  }

  #showError(text: string): Promise<void> {
    return this.#print("bad", `* ${text}`);
  }

  #print(color: keyof typeof COLORS, text: string): Promise<void> {
    if (!this.#hasColors) return this.#terminal.print(text);
    return this.#terminal.print(styleText(COLORS[color], text, { validateStream: false }));
  }
}

function describeOpen({ protocol, extensions, remoteAddress }: Connection): string {
  const address = remoteAddress.transport === "tcp"
    ? ` to ${remoteAddress.hostname} port ${remoteAddress.port}`
    : "";
  const agreed = [protocol === "" ? "" : `subprotocol ${protocol}`, extensions]
    .filter((text) => text !== "").join("; ");
  return toPrintable(`connected${address}${agreed === "" ? "" : `: ${agreed}`}`);
}
