import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";

/**
 * Forwards one TCP connection to a port of this machine. So a client of TLS can do what TLS keeps it
 * from: not read, where the runtime goes on reading for it, and reset the connection.
 */
export class Relay {
  readonly #server: Server;
  readonly #sockets: Socket[] = [];

  private constructor(server: Server) {
    this.#server = server;
  }

  /** Listens for a connection to forward. */
  static async open(port: number): Promise<Relay> {
    const server = createServer();
    const relay = new Relay(server);
    server.on("connection", (near) => {
      const far = connect(port, "127.0.0.1");
      relay.#sockets.push(near, far);
      near.on("error", () => far.destroy()).pipe(far);
      far.on("error", () => near.destroy()).on("data", (bytes) => void near.write(bytes));
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return relay;
  }

  /** The port it listens on. */
  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  /** Holds back what comes from the port. */
  pause(): void {
    this.#sockets[1].pause();
  }

  /** Goes on. */
  resume(): void {
    this.#sockets[1].resume();
  }

  /** Resets the connection to the port. */
  reset(): void {
    this.#sockets[1].resetAndDestroy();
  }

  /** Drops the connection, and listens no longer. */
  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }
}
