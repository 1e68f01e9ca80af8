import type { Address, ByteListener, Listen } from "../../src/transport/byte_channel.ts";
import { MemoryChannel } from "./memory_channel.ts";
import { turn } from "./turn.ts";

/** Somewhere to listen, and to connect to, in memory. */
export class MemoryNetwork {
  /** Every channel there was. */
  readonly channels: MemoryChannel[] = [];
  /** Whether the listener keeps the process alive. */
  isReferenced = true;
  #accept: ((channel: MemoryChannel) => void) | undefined;

  /** What a server listens with. */
  readonly listen: Listen = (_target, _tls, onChannel) => {
    const addr: Address = { transport: "tcp", hostname: "192.0.2.2", port: 80 };
    const listener: ByteListener = {
      addr,
      ref: () => void (this.isReferenced = true),
      unref: () => void (this.isReferenced = false),
      close: async () => {
        // Until it is closed, it may accept.
        await turn();
        this.#accept = undefined;
      },
    };
    this.#accept = onChannel;
    return Promise.resolve(listener);
  };

  /** Whether somebody listens. */
  get isListening(): boolean {
    return this.#accept !== undefined;
  }

  /** Connects to whoever listens. */
  connect(): MemoryChannel {
    if (this.#accept === undefined) throw new Error("Nobody listens");
    const channel = new MemoryChannel();
    // Whoever connects sets another one.
    channel.socket.handler = { receive() {}, receiveEnd() {}, receiveClosed() {} };
    this.channels.push(channel);
    this.#accept(channel);
    if (channel.handler === undefined) {
      throw new Error("The channel was accepted without a handler");
    }
    return channel;
  }
}
