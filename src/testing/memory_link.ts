import type { Address } from "../transport/byte_channel.ts";
import type { Clock } from "../transport/clock.ts";
import { OrderedChannel } from "../transport/ordered_channel.ts";
import type { Link } from "./link.ts";
import { MemoryWire } from "./memory_wire.ts";
import { queueMicrotask } from "../timers.ts";

/** One end of a link. */
export class MemoryEnd extends OrderedChannel {
  /** The wire that this end writes to. */
  outgoing!: MemoryWire;
  /** The wire that this end reads from. */
  incoming!: MemoryWire;

  write(chunks: readonly Uint8Array[]): boolean {
    return this.outgoing.push(chunks);
  }

  end(): void {
    this.outgoing.finish();
  }

  protected override stopReading(): void {}

  protected override startReading(): void {
    this.incoming.resume();
  }

  protected override destroy(): void {
    this.outgoing.abandon();
  }

  /** Whether it is closed or was aborted. */
  get isOver(): boolean {
    return this.over;
  }

  get isPaused(): boolean {
    return this.paused;
  }

  deliver(bytes: Uint8Array): void {
    this.arrive(bytes, false);
  }

  /** Delivers the peer's FIN. */
  deliverEnd(): void {
    this.arriveEnd();
  }

  deliverDrain(): void {
    this.arriveDrain();
  }

  deliverReset(): void {
    this.arriveClosed(new Error("The connection was reset"));
  }

  /** Closes if both directions have ended. */
  closeIfEnded(): void {
    if (this.incoming.isEndDelivered && this.outgoing.isFinished) this.arriveClosed();
  }
}

/** The implementation of {@linkcode Link}, and both its ends. */
export class MemoryLink implements Link {
  readonly toServer: MemoryWire;
  readonly toClient: MemoryWire;
  /** The server's end. */
  readonly server: MemoryEnd;
  /** The client's end. */
  readonly client: MemoryEnd;

  constructor(clock: Clock, serverAddress: Address, clientAddress: Address) {
    this.server = new MemoryEnd(clientAddress, serverAddress);
    this.client = new MemoryEnd(serverAddress, clientAddress);
    this.toServer = this.#connect(clock, this.client, this.server);
    this.toClient = this.#connect(clock, this.server, this.client);
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
    queueMicrotask(() => this.#resetBoth());
  }

  #connect(clock: Clock, writer: MemoryEnd, reader: MemoryEnd): MemoryWire {
    const wire = new MemoryWire(clock, {
      get isReaderPaused() {
        return reader.isPaused;
      },
      deliver: (bytes) => reader.deliver(bytes),
      deliverEnd: () => reader.deliverEnd(),
      deliverReset: () => reader.deliverReset(),
      drain: () => writer.deliverDrain(),
      reset: () => this.#resetBoth(),
      update: () => {
        writer.closeIfEnded();
        reader.closeIfEnded();
        if (writer.isOver && reader.isOver) this.#cut();
      },
    });
    writer.outgoing = wire;
    reader.incoming = wire;
    return wire;
  }

  #resetBoth(): void {
    this.#cut();
    this.server.deliverReset();
    this.client.deliverReset();
  }

  #cut(): void {
    this.toServer.cut();
    this.toClient.cut();
  }
}
