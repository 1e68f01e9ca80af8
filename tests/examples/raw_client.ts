import { once } from "node:events";
import type { Socket } from "node:net";

/** A WebSocket client by hand, over any socket: for what the built-in clients can't do. */
export class RawClient {
  readonly #socket: Socket;
  #received: Buffer = Buffer.alloc(0);
  #ended = false;
  #wake: () => void = () => {};

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (bytes: Buffer) => {
      this.#received = Buffer.concat([this.#received, bytes]);
      this.#wake();
    });
    const end = () => {
      this.#ended = true;
      this.#wake();
    };
    socket.on("end", end).on("error", end).on("close", end);
  }

  /** Takes a socket, which may still be connecting, and sends the opening handshake. */
  static async open(
    socket: Socket,
    readyEvent: "connect" | "secureConnect",
    { path = "/", headers = [] }: { path?: string; headers?: string[] } = {},
  ): Promise<RawClient> {
    await once(socket, readyEvent);
    const client = new RawClient(socket);
    const head = [
      `GET ${path} HTTP/1.1`,
      "Host: localhost",
      "Connection: Upgrade",
      "Upgrade: websocket",
      "Sec-WebSocket-Version: 13",
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
      ...headers,
    ];
    socket.write(head.join("\r\n") + "\r\n\r\n");
    return client;
  }

  /** Reads the head of the response, and returns its status. */
  async readStatus(): Promise<number> {
    await this.#until(() => this.#received.includes("\r\n\r\n"));
    const end = this.#received.indexOf("\r\n\r\n") + 4;
    const head = this.#received.subarray(0, end).toString("latin1");
    this.#received = this.#received.subarray(end);
    return Number(/^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1]);
  }

  /** Sends a frame of at most 125 bytes. The masking key is 0, which leaves the payload as it is. */
  sendFrame(firstByte: number, payload: string): void {
    const bytes = Buffer.from(payload);
    this.#socket.write(Buffer.concat([
      Buffer.from([firstByte, 0x80 | bytes.length, 0, 0, 0, 0]),
      bytes,
    ]));
  }

  /** Reads a frame of at most 125 bytes. */
  async readFrame(): Promise<{ firstByte: number; payload: Buffer }> {
    await this.#until(() =>
      this.#received.length >= 2 && this.#received.length >= 2 + this.#received[1]
    );
    const length = this.#received[1];
    const payload = this.#received.subarray(2, 2 + length);
    const firstByte = this.#received[0];
    this.#received = this.#received.subarray(2 + length);
    return { firstByte, payload };
  }

  close(): void {
    this.#socket.destroy();
  }

  async #until(isReached: () => boolean): Promise<void> {
    while (!isReached()) {
      if (this.#ended) throw new Error("The server ended the connection");
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }
}
