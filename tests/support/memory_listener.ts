import type { Address, Listen } from "../../src/transport/byte_channel.ts";
import { MemoryChannel } from "./memory_channel.ts";
import { turn } from "./turn.ts";

/**
 * Gives a server channels that check how it uses them. For both ends of a connection that are Sluice's, there
 * is `MemoryNetwork` of `src/testing/`; here the client's end is the test's, byte by byte.
 */
export class MemoryListener {
  /** Every channel there was. */
  readonly channels: MemoryChannel[] = [];
  /** Whether the listener keeps the process alive. */
  isReferenced = true;
  #accept: ((channel: MemoryChannel) => void) | undefined;

  /** What a server listens with. */
  readonly listen: Listen = (_target, _tls, onChannel) => {
    const addr: Address = { transport: "tcp", hostname: "192.0.2.2", port: 80 };
    this.#accept = onChannel;
    return Promise.resolve({
      addr,
      ref: () => void (this.isReferenced = true),
      unref: () => void (this.isReferenced = false),
      close: async () => {
        // Until it is closed, it may accept.
        await turn();
        this.#accept = undefined;
      },
    });
  };

  /** Whether a server listens. */
  get isListening(): boolean {
    return this.#accept !== undefined;
  }

  /** Connects to the server. */
  connect(): MemoryChannel {
    if (this.#accept === undefined) throw new Error("No server listens");
    const channel = new MemoryChannel();
    // A client sets another one.
    channel.socket.handler = { receive() {}, receiveEnd() {}, receiveClosed() {} };
    this.channels.push(channel);
    this.#accept(channel);
    if (channel.handler === undefined) {
      throw new Error("The channel was accepted without a handler");
    }
    return channel;
  }
}
