import type { Role } from "../codec/frame.ts";
import type { Place } from "../linked_list.ts";
import type { RetainedRequest } from "../http1/retained_request.ts";
import type { ConnectionCompression } from "../protocol/message_compression.ts";
import type { ByteChannel, ByteChannelHandler } from "../transport/byte_channel.ts";
import type { Budget } from "./budget.ts";
import { Closing } from "./closing.ts";
import type { CloseInfo, Connection } from "./connection.ts";
import { HeldMemory } from "./held_memory.ts";
import { Inbound } from "./inbound.ts";
import type { LayerRunner } from "./layer_runner.ts";
import { parts } from "./load_parts.ts";
import { KeepAlive } from "./keep_alive.ts";
import type { MessageLayer } from "./message_layer.ts";
import type { ConnectionSettings } from "./settings.ts";
import type { Opening } from "./open_connection.ts";
import { Outbound } from "./outbound.ts";
import type { Pings } from "./pings.ts";
import { Program } from "./program.ts";
import type { ConnectionViews } from "./views/connection_views.ts";

/** What the opening handshake agreed upon. */
export interface ConnectionInfo<Data = unknown> {
  readonly request: RetainedRequest;
  readonly protocol: string;
  readonly extensions: string;
  readonly compression: ConnectionCompression | undefined;
  readonly data: Data;
  /** What encodes and decodes messages, if both sides agreed to a subprotocol that does. */
  readonly layer?: MessageLayer | undefined;
  /** How long the layer's handshake may take, in milliseconds. Default: `Infinity`. */
  readonly layerTimeoutMs?: number;
}

/** What a connection tells those that opened it. */
export interface ConnectionOwner<Conn = never> {
  /** The memory it shares with others, if there is a limit to it. */
  readonly budget?: Budget | undefined;
  /** There is a connection. Nothing was sent, and nothing has begun. */
  addConnection?(core: ConnectionCore, conn: Conn): void;
  /** The opening handshake was answered. The program begins next. */
  connectionOpened?(conn: Conn): void;
  /** The program's code threw, or rejected. */
  reportError(error: unknown, conn: Connection): void;
  /** The connection has ended. */
  removeConnection(core: ConnectionCore, info: CloseInfo): void;
}

/** One open WebSocket, from the inside: its parts. Programs have its face, `conn`, from which none can be reached. */
export class ConnectionCore implements ByteChannelHandler {
  conn!: Connection;
  /** Its place among those of its owner, if it has one. */
  place: Place<ConnectionCore> | undefined;
  readonly role: Role;
  readonly channel: ByteChannel;
  readonly info: ConnectionInfo;
  readonly settings: ConnectionSettings;
  readonly owner: ConnectionOwner;
  readonly closing: Closing;
  readonly layer: LayerRunner | undefined;
  readonly program: Program;
  readonly inbound: Inbound;
  readonly outbound: Outbound;
  readonly keepAlive: KeepAlive | undefined;
  readonly memory: HeldMemory;
  usedPings: Pings | undefined;
  usedViews: ConnectionViews | undefined;

  constructor({ role, channel, info, settings, callbacks, owner }: Opening<Connection>) {
    this.role = role;
    this.channel = channel;
    this.info = info;
    this.settings = settings;
    this.owner = owner;
    this.closing = new Closing(this);
    this.layer = info.layer && new parts.layers!.LayerRunner(info.layer, this);
    this.program = new Program(callbacks, this);
    this.inbound = new Inbound(this);
    this.outbound = new Outbound(this);
    this.keepAlive = settings.keepAlive && new KeepAlive(settings.keepAlive, this);
    this.memory = new HeldMemory(this);
    channel.handler = this;
  }

  /** Its iterations and streams: created for the first. */
  get views(): ConnectionViews {
    return this.usedViews ??= new parts.rest!.ConnectionViews(this);
  }

  /** Created for the first Ping that waits. */
  get pings(): Pings {
    return this.usedPings ??= new parts.rest!.Pings(this);
  }

  receive(bytes: Uint8Array, borrowed: boolean): void {
    this.inbound.receive(bytes, borrowed);
  }

  receiveEnd(): void {
    this.inbound.reader.receiveEnd();
  }

  drain(): void {
    this.usedPings?.drain();
    this.outbound.writer.drain();
  }

  receiveClosed(): void {
    this.closing.handle("channelClosed");
  }

  reportError(error: unknown): void {
    this.owner.reportError(error, this.conn);
  }
}
