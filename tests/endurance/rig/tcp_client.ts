import { NetSocket } from "../../support/net_socket.ts";
import { RawClient, utf8 } from "../../support/raw_client.ts";
import { upgradeRequest } from "../../support/requests.ts";

/** The bytes of an opening handshake. */
export const REQUEST: Uint8Array = utf8(upgradeRequest());

/** The client of the tests, for any number of bytes: it keeps none of those behind the response. */
export class TcpClient extends RawClient<NetSocket> {
  /** The bytes that the kernel has taken. */
  acceptedSize = 0;
  /** The head of the response, once it has arrived. */
  responseHead = "";
  /** Resolves when the response of the opening handshake has arrived. */
  readonly opened: Promise<void>;
  readonly closed: Promise<void>;
  readonly #onBytes: (bytes: Uint8Array) => void;
  #onClosed!: () => void;
  #isOpen = false;

  /**
   * Connects.
   *
   * @param onBytes Takes what arrives behind the response of the opening handshake.
   */
  static async connect(
    port: number,
    onBytes: (bytes: Uint8Array) => void = () => {},
  ): Promise<TcpClient> {
    return new TcpClient(await NetSocket.connect(port), onBytes);
  }

  private constructor(socket: NetSocket, onBytes: (bytes: Uint8Array) => void) {
    super(socket);
    this.#onBytes = onBytes;
    this.closed = new Promise((resolve) => this.#onClosed = resolve);
    this.opened = this.#open();
    // A test that resets the connection does not wait for it.
    this.opened.catch(() => {});
  }

  override receive(bytes: Uint8Array): void {
    if (this.#isOpen) this.#onBytes(bytes);
    else super.receive(bytes);
  }

  override receiveEnd(): void {
    super.receiveEnd();
    this.socket.end();
  }

  override receiveClosed(error?: unknown): void {
    super.receiveClosed(error);
    this.#onClosed();
  }

  /** Resolves when the kernel has taken the bytes; rejects if the connection is gone. */
  async write(bytes: Uint8Array): Promise<void> {
    await this.socket.write(bytes);
    this.acceptedSize += bytes.length;
  }

  /** Sends RST. */
  reset(): void {
    this.socket.reset();
  }

  async #open(): Promise<void> {
    this.responseHead = await this.readHeadText();
    while (this.unreadSize > 0) this.#onBytes(await this.readBytes(this.unreadSize));
    this.#isOpen = true;
  }
}
