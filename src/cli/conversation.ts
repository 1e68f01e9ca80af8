import { styleText } from "node:util";
import type { CloseInfo, Connection, Message } from "../connection/connection.ts";
import type { CommandLine } from "./command_line.ts";
import { describeClose, isGoodEnd } from "./describe.ts";
import type { Terminal } from "./io.ts";
import { ping } from "./pings.ts";
import { parseHex, toHexDump, toPrintable } from "./printable.ts";

const HELP = `/ping                 send a Ping, and show the round-trip time
/close [CODE [TEXT]]  close the connection, by default with 1000
/text TEXT            send text, whatever --binary says
/binary HEX           send bytes, such as 48 65 6c 6c 6f
//TEXT                send text that begins with a slash
/help                 show this
Ctrl-D                close the connection`;

const COLORS = { received: "cyan", note: "dim", good: "green", bad: "red" } as const;

/** One person at a terminal, and one connection. */
export class Conversation {
  readonly #terminal: Terminal;
  readonly #isBinary: boolean;
  readonly #hasColors: boolean;

  constructor(terminal: Terminal, { isBinary }: CommandLine, hasColors: boolean) {
    this.#terminal = terminal;
    this.#isBinary = isBinary;
    this.#hasColors = hasColors;
  }

  /** Takes a message. Resolves when the terminal has shown it. */
  message(_conn: Connection, data: Message): Promise<void> {
    const text = typeof data === "string" ? toPrintable(data) : toHexDump(data);
    return this.#print("received", `< ${text.replaceAll("\n", "\n  ")}`);
  }

  /** Takes a Ping. */
  ping(_conn: Connection, payload: Uint8Array): Promise<void> {
    return this.note(`ping${payload.length === 0 ? "" : `, ${toHexDump(payload)}`}`);
  }

  /** Says something about the connection. */
  note(text: string): Promise<void> {
    return this.#print("note", `* ${text}`);
  }

  /** Sends the lines that are typed, until they or the connection end. */
  async run(conn: Connection): Promise<CloseInfo> {
    void conn.closed.then(() => this.#terminal.close());
    await this.#print("good", `* ${describeOpen(conn)}`);
    await this.note("each line is sent when you press Enter; /help shows what else there is");
    for await (const line of this.#terminal.lines) {
      if (conn.state !== "open") break;
      // What can't be sent any more, because the connection ends, has its end told.
      await this.#take(conn, line).catch(() => {});
    }
    const info = await conn.close();
    await this.#print(isGoodEnd(info) ? "good" : "bad", `* ${describeClose(info)}`);
    return info;
  }

  async #take(conn: Connection, line: string): Promise<void> {
    if (/^\/(?!\/)/.test(line)) await this.#command(conn, line);
    else if (this.#isBinary) await this.#sendHex(conn, line);
    else await conn.send(line.replace(/^\/\//, "/"));
  }

  async #command(conn: Connection, line: string): Promise<void> {
    const [, name = "", rest = ""] = /^\/(\S*)\s?(.*)$/.exec(line) ?? [];
    if (name === "ping") void ping(conn, (text) => this.note(text));
    else if (name === "close") await this.#close(conn, rest);
    else if (name === "text") await conn.send(rest);
    else if (name === "binary") await this.#sendHex(conn, rest);
    else if (name === "help") await this.note(HELP.replaceAll("\n", "\n  "));
    else await this.#complain(`there is no /${toPrintable(name)}: /help lists what there is`);
  }

  async #sendHex(conn: Connection, text: string): Promise<void> {
    const bytes = parseHex(text);
    if (bytes !== undefined) await conn.send(bytes);
    else await this.#complain("not sent: bytes are pairs of hexadecimal digits, such as 48 65 6c");
  }

  async #close(conn: Connection, text: string): Promise<void> {
    const [, code, reason] = /^(\S*)\s?(.*)$/.exec(text.trim())!;
    try {
      await conn.close({ closeCode: code === "" ? 1000 : Number(code), reason });
    } catch (error) {
      await this.#complain((error as Error).message);
    }
  }

  #complain(text: string): Promise<void> {
    return this.#print("bad", `* ${text}`);
  }

  #print(color: keyof typeof COLORS, text: string): Promise<void> {
    const shown = this.#hasColors
      ? styleText(COLORS[color], text, { validateStream: false })
      : text;
    return this.#terminal.print(shown);
  }
}

function describeOpen({ protocol, extensions, remoteAddress }: Connection): string {
  const where = remoteAddress.transport === "tcp"
    ? ` to ${remoteAddress.hostname} port ${remoteAddress.port}`
    : "";
  const agreed = [protocol === "" ? "" : `subprotocol ${protocol}`, extensions]
    .filter((text) => text !== "").join("; ");
  return toPrintable(`connected${where}${agreed === "" ? "" : `: ${agreed}`}`);
}
