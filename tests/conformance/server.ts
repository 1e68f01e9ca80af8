/**
 * Plays cases as a server.
 *
 * @module
 */

import { createServer, type Server, type Socket } from "node:net";
import { concatBytes } from "../support/reference_frames.ts";
import { settle } from "../support/turn.ts";
import { encodeOffer, type Negotiation, type Offer } from "./agreement.ts";
import { Compression } from "./compression.ts";
import { acceptOf, readFields } from "./handshake.ts";
import { exchangeMasking } from "./masking.ts";
import { ConformanceFailure, Peer } from "./peer.ts";
import type { Side } from "./run_case.ts";

/** A server that each case has a connection of. */
export class CaseServer implements Side {
  readonly translate: Side["translate"] = exchangeMasking;
  readonly #server: Server;
  readonly #connect: (url: string) => void;
  readonly #sockets = new Set<Socket>();
  /** Those that wait for a connection. */
  readonly #waiting: ((socket: Socket) => void)[] = [];

  private constructor(connect: (url: string) => void) {
    this.#connect = connect;
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      this.#sockets.add(socket);
      this.#waiting.shift()!(socket);
    });
  }

  /**
   * Starts on a free port of 127.0.0.1.
   *
   * @param connect Has the client connect, and echo.
   */
  static async start(connect: (url: string) => void): Promise<CaseServer> {
    const server = new CaseServer(connect);
    await new Promise<void>((resolve) => server.#server.listen(0, "127.0.0.1", resolve));
    return server;
  }

  async open(negotiation: Negotiation, early: Uint8Array, deadlineMs: number): Promise<Peer> {
    const { port } = this.#server.address() as { port: number };
    const accepted = new Promise<Socket>((resolve) => this.#waiting.push(resolve));
    this.#connect(`ws://127.0.0.1:${port}/case?a=b`);
    const takeHead = (head: string, socket: Socket) =>
      answerRequest(head, `127.0.0.1:${port}`, negotiation.offers[0], early, socket);
    const peer = new Peer(await accepted, { role: "client", takeHead }, deadlineMs);
    await peer.open();
    return peer;
  }

  /** "The underlying TCP connection, in most normal cases, SHOULD be closed first by the server" (7.1.1). */
  async finish(peer: Peer, closeCode: number): Promise<void> {
    // A client that fails the connection may end it; and it fails none with 1000.
    if (closeCode === 1000 && !peer.isEnding) {
      await settle(3);
      if (peer.hasEnded) throw new ConformanceFailure("the client ended the connection first");
    }
    peer.end();
    const end = await peer.receive("the client's end of the connection, after the server's");
    if (end.type !== "end") {
      throw new ConformanceFailure(`expected the end of the connection, got a ${end.type}`);
    }
    await peer.finish();
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** Checks a request (RFC 6455, section 4.1), and agrees to it. */
function answerRequest(
  head: string,
  host: string,
  offer: Offer | undefined,
  early: Uint8Array,
  socket: Socket,
): Compression {
  const [requestLine, ...lines] = head.split("\r\n");
  const fields = readFields(lines);
  const expected: [name: string, value: string | undefined][] = [
    ["host", host],
    ["upgrade", "websocket"],
    ["connection", "Upgrade"],
    ["sec-websocket-version", "13"],
    ["sec-websocket-protocol", undefined],
  ];
  const wrong = expected.filter(([name, value]) => fields.get(name) !== value);
  const key = fields.get("sec-websocket-key") ?? "";
  if (
    requestLine !== "GET /case?a=b HTTP/1.1" || wrong.length > 0 ||
    !/^[A-Za-z0-9+/]{21}[AQgw]==$/.test(key)
  ) throw new ConformanceFailure(`the client sent a wrong request: ${head}`);
  const offered = fields.get("sec-websocket-extensions");
  if ((offer !== undefined) && offered === undefined) {
    throw new ConformanceFailure("the client did not offer to compress");
  }
  const answer = offer && agreeTo(offer, offered!);
  const extension = answer ? `Sec-WebSocket-Extensions: ${encodeOffer(answer)}\r\n` : "";
  const response = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n" +
    `Connection: Upgrade\r\n${extension}Sec-WebSocket-Accept: ${acceptOf(key)}\r\n\r\n`;
  socket.write(concatBytes([new TextEncoder().encode(response), early]));
  return new Compression(
    answer && {
      // What is the server's of a case played as a client is the other side's.
      serverNoContextTakeover: answer.clientNoContextTakeover === true ||
        offered!.includes("client_no_context_takeover"),
      clientNoContextTakeover: answer.serverNoContextTakeover === true,
      serverMaxWindowBits: Number(answer.clientMaxWindowBits ?? 15),
      clientMaxWindowBits: answer.serverMaxWindowBits ?? 15,
    },
  );
}

/** Makes of what a case offers as a client what it agrees to as a server, the sides exchanged. */
function agreeTo(offer: Offer, offered: string): Offer {
  const { clientMaxWindowBits } = offer;
  return {
    ...(offer.clientNoContextTakeover || offered.includes("server_no_context_takeover")) &&
      { serverNoContextTakeover: true },
    ...offer.serverNoContextTakeover && { clientNoContextTakeover: true },
    ...typeof clientMaxWindowBits === "number" && { serverMaxWindowBits: clientMaxWindowBits },
    ...offer.serverMaxWindowBits && { clientMaxWindowBits: offer.serverMaxWindowBits },
  };
}
