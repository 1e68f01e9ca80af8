/**
 * A client that has agreed upon compression, and what it can do with it.
 *
 * @module
 */

import { assert } from "@std/assert";
import { constants, deflateRawSync } from "node:zlib";
import {
  concatBytes,
  encodeReferenceFrame,
  type ReferenceFrameInit,
} from "../../support/reference_frames.ts";
import { MiB } from "../rig/scale.ts";
import type { ServerProcess } from "../rig/server_process.ts";
import { REQUEST, type TcpClient } from "../rig/tcp_client.ts";

const EXTENSION = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";
const TAIL_LENGTH = 4;

/** The bytes of an opening handshake that offers compression. */
export const COMPRESSED_REQUEST: Uint8Array = concatBytes([
  REQUEST.subarray(0, REQUEST.length - 2),
  new TextEncoder().encode(EXTENSION),
]);

/** Connects, and agrees upon compression. */
export async function openCompressed(
  server: ServerProcess,
  onBytes?: (bytes: Uint8Array) => void,
): Promise<TcpClient> {
  const client = await server.connect(onBytes);
  await client.write(COMPRESSED_REQUEST);
  await client.opened;
  assert(/^sec-websocket-extensions: permessage-deflate/im.test(client.responseHead));
  return client;
}

/** Compresses so many zeros, as blocks with their tails. */
function deflateZeros(size: number): Uint8Array {
  return deflateRawSync(new Uint8Array(size), { finishFlush: constants.Z_SYNC_FLUSH });
}

/** The payload of a message of so many MiB of zeros: about 1 KiB for each of them. */
export function zeros(mebibytes: number): Uint8Array {
  return repeat(deflateZeros(MiB), mebibytes).slice(0, -TAIL_LENGTH);
}

/** The same bytes over and over. */
export function repeat(bytes: Uint8Array, count: number): Uint8Array {
  const repeated = new Uint8Array(bytes.length * count);
  for (let i = 0; i < count; i++) repeated.set(bytes, i * bytes.length);
  return repeated;
}

/** A frame of a client; its masking key masks nothing. */
export function maskedFrame(init: ReferenceFrameInit): Uint8Array {
  return encodeReferenceFrame({ maskingKey: new Uint8Array(4), ...init });
}

/** The frames of a compressed message, cut into so many fragments. */
export function compressedFrames(payload: Uint8Array, fragments = 1): Uint8Array {
  const size = Math.ceil(payload.length / fragments);
  const frames: Uint8Array[] = [];
  for (let i = 0; i < payload.length; i += size) {
    frames.push(maskedFrame({
      opcode: i === 0 ? 2 : 0,
      rsv: i === 0 ? 4 : 0,
      fin: i + size >= payload.length,
      payload: payload.subarray(i, i + size),
    }));
  }
  return concatBytes(frames);
}
