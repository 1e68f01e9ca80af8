import type { Budget } from "../connection/budget.ts";
import type { HandshakeError } from "../errors.ts";
import type { DeflateNegotiator } from "../extensions/deflate_negotiator.ts";
import type { ServerParts } from "./load_parts.ts";
import type { Address, ByteChannel } from "../transport/byte_channel.ts";
import type { OpeningHandshake } from "./opening_handshake.ts";
import type { ServerConnectionInfo } from "./server_connection.ts";

/** A WebSocket whose handshake has succeeded, with all that its connection needs. */
export interface AcceptedUpgrade<Data> {
  readonly channel: ByteChannel;
  readonly info: ServerConnectionInfo<Data>;
  /** The 101 response, which is still to be sent. */
  readonly response: Uint8Array;
  /** The bytes that arrived behind the request. */
  readonly received: Uint8Array;
  /** Whether the client has ended its side behind them. */
  readonly hasEnded: boolean;
}

/** The owner of opening handshakes: a server, or `accept`. */
export interface HandshakeOwner<Data> {
  /** Negotiates compression, if an option asks for it. */
  readonly compression?: DeflateNegotiator | undefined;
  /** Negotiates that a client may resume, if an option asks for it. */
  readonly resume?: ServerParts["resume"];
  /** The memory shared with others, if it is limited. */
  readonly budget?: Budget | undefined;
  /** Returns why requests of this peer are refused at the moment, if they are. */
  refusal(isUpgrade: boolean, remote: Address): HandshakeError | undefined;
  /** Is told of a channel that was aborted before its whole response was sent. */
  tellDrop?(remote: Address): void;
  /** Is told that the hook of a handshake which has ended has returned, and gave back its memory. */
  forgetHandshake?(handshake: OpeningHandshake<Data>): void;
  /** Takes an accepted WebSocket, and from now on its channel. */
  acceptUpgrade(handshake: OpeningHandshake<Data>, accepted: AcceptedUpgrade<Data>): void;
  /**
   * Is told that the channel has closed without a WebSocket: the request was refused with `error`, or
   * answered as plain HTTP, or the channel was lost.
   */
  endHandshake(
    handshake: OpeningHandshake<Data>,
    error: HandshakeError | undefined,
    remote: Address,
  ): void;
}
