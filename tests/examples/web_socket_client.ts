/** The runtime's own WebSocket client, with messages to wait for. */
export class WebSocketClient {
  /** Resolves when the connection is open, rejects where it can't be opened. */
  readonly opened: Promise<void>;
  /** Resolves when the connection has ended. */
  readonly closed: Promise<{ code: number; reason: string }>;
  readonly #socket: WebSocket;
  readonly #messages: (string | Uint8Array)[] = [];
  #isClosed = false;
  #wake: () => void = () => {};

  constructor(url: string | URL) {
    this.#socket = new WebSocket(url);
    this.#socket.binaryType = "arraybuffer";
    this.opened = new Promise((resolve, reject) => {
      this.#socket.onopen = () => resolve();
      this.#socket.onerror = () => reject(new Error(`Cannot connect to ${url}`));
    });
    this.opened.catch(() => {});
    this.#socket.onmessage = ({ data }) => {
      this.#messages.push(typeof data === "string" ? data : new Uint8Array(data));
      this.#wake();
    };
    this.closed = new Promise((resolve) => {
      this.#socket.onclose = ({ code, reason }) => {
        this.#isClosed = true;
        this.#wake();
        resolve({ code, reason });
      };
    });
  }

  send(data: string | Uint8Array<ArrayBuffer>): void {
    this.#socket.send(data);
  }

  /** Takes the next message. */
  async receive(): Promise<string | Uint8Array> {
    while (this.#messages.length === 0) {
      if (this.#isClosed) throw new Error("The connection ended before the message came");
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    return this.#messages.shift()!;
  }

  async close(): Promise<void> {
    this.#socket.close();
    await this.closed;
  }
}
