import type { Address } from "../transport/byte_channel.ts";
import type { Clock } from "../transport/clock.ts";
import { OrderedChannel } from "../transport/ordered_channel.ts";
import type { Link } from "./link.ts";
import { MemoryWire } from "./memory_wire.ts";
import { queueMicrotask } from "../timers.ts";

export class MemoryEnd extends OrderedChannel {
  #outgoing!: MemoryWire;
  #incoming!: MemoryWire;

  static connect(
    clock: Clock,
    writer: MemoryEnd,
    reader: MemoryEnd,
    link: Pick<MemoryLink, "resetNow" | "cut">,
  ): MemoryWire {
    const wire = new MemoryWire(clock, {
      get isReaderPaused() {
        return reader.paused;
      },
      deliver: (bytes) => reader.arrive(bytes, false),
      deliverEnd: () => reader.arriveEnd(),
      deliverReset: () => reader.receiveReset(),
      drain: () => writer.arriveDrain(),
      reset: () => link.resetNow(),
      update: () => {
        writer.#closeIfEnded();
        reader.#closeIfEnded();
        if (writer.over && reader.over) link.cut();
      },
    });
    writer.#outgoing = wire;
    reader.#incoming = wire;
    return wire;
  }

  write(chunks: readonly Uint8Array[]): boolean {
    return this.#outgoing.push(chunks);
  }

  end(): void {
    this.#outgoing.finish();
  }

  protected override stopReading(): void {}

  protected override startReading(): void {
    this.#incoming.schedule();
  }

  protected override destroy(): void {
    this.#outgoing.abandon();
  }

  receiveReset(): void {
    this.arriveClosed(new Error("The connection was reset"));
  }

  #closeIfEnded(): void {
    if (this.#incoming.isEndDelivered && this.#outgoing.isFinished) this.arriveClosed();
  }
}

export class MemoryLink implements Link {
  readonly toServer: MemoryWire;
  readonly toClient: MemoryWire;
  readonly server: MemoryEnd;
  readonly client: MemoryEnd;

  constructor(clock: Clock, serverAddress: Address, clientAddress: Address) {
    this.server = new MemoryEnd(clientAddress, serverAddress);
    this.client = new MemoryEnd(serverAddress, clientAddress);
    this.toServer = MemoryEnd.connect(clock, this.client, this.server, this);
    this.toClient = MemoryEnd.connect(clock, this.server, this.client, this);
  }

  stall(): void {
    this.toServer.stall();
    this.toClient.stall();
  }

  flow(): void {
    this.toServer.flow();
    this.toClient.flow();
  }

  reset(): void {
    queueMicrotask(() => this.resetNow());
  }

  /** Resets the connection before this returns. */
  resetNow(): void {
    this.cut();
    this.server.receiveReset();
    this.client.receiveReset();
  }

  /** Stops all delivery for good. */
  cut(): void {
    this.toServer.cut();
    this.toClient.cut();
  }
}
