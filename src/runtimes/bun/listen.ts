import { queueMicrotask } from "../../timers.ts";
import type { Address, Listen } from "../../transport/byte_channel.ts";
import { afterArrivals } from "../shared/event_loop.ts";
import { checkListen } from "../shared/listen_check.ts";
import { toListenError } from "../shared/listen_error.ts";
import { addressesOf, remoteAddressOf, tcpAddress } from "../shared/socket_address.ts";
import { TlsHandshakes } from "../shared/tls_handshakes.ts";
import type { BunApi, BunListener, BunSocket, BunSocketHandler } from "./api.ts";
import { BunChannel } from "./channel.ts";

/** A socket has no channel before its TLS handshake is complete. */
type Socket = BunSocket<BunChannel | undefined>;

declare const Bun: BunApi;

export const listen: Listen = async (target, tls, onChannel, onTlsHandshake) => {
  const resolved = await checkListen(target, tls);
  const handshakes = new TlsHandshakes<Socket>((socket) => socket.terminate(), onTlsHandshake);
  const accept = (socket: Socket) => {
    const addresses = addressesOf(socket, addr);
    if (addresses === undefined) return socket.terminate();
    const channel = new BunChannel(socket, ...addresses);
    socket.data = channel;
    onChannel(channel);
  };
  const socket: BunSocketHandler<BunChannel | undefined> = {
    binaryType: "uint8array",
    data: (socket, bytes) => socket.data?.receiveData(bytes),
    end: (socket) => socket.data?.receiveEnd(),
    drain: (socket) => socket.data?.receiveDrain(),
    open: tls === undefined
      ? accept
      : (socket) => handshakes.start(socket, remoteAddressOf(socket)),
    handshake(socket, success) {
      if (!handshakes.finish(socket)) return;
      if (success) accept(socket);
      else socket.terminate();
    },
    close(socket, error) {
      const channel = socket.data;
      // Bun may call this within a call of the channel's methods, which must not deliver events.
      if (channel !== undefined) queueMicrotask(() => channel.receiveClose(error));
      else handshakes.finish(socket);
    },
  };
  const options = { allowHalfOpen: true, socket, tls };
  let listener: BunListener;
  let addr: Address;
  try {
    if ("path" in resolved) {
      listener = Bun.listen({ unix: resolved.path, ...options });
      addr = { transport: "unix", path: resolved.path };
    } else {
      const { hostname, port } = resolved;
      listener = Bun.listen({ hostname, port, ...options });
      addr = tcpAddress(hostname, listener.port);
    }
  } catch (error) {
    throw toListenError(target, error);
  }
  return {
    addr,
    afterArrivals,
    ref: () => listener.ref(),
    unref: () => listener.unref(),
    close() {
      listener.stop();
      handshakes.closeAll();
      return Promise.resolve();
    },
  };
};
