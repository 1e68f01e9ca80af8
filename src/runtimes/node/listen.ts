import { existsSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { dirname } from "node:path";
import { systemTurns } from "../../connection/turns.ts";
import type {
  Address,
  ByteListener,
  Listen,
  ListenTarget,
  OnChannel,
  TlsCertificate,
} from "../../transport/byte_channel.ts";
import { BACKLOG } from "../shared/backlog.ts";
import { afterArrivals } from "../shared/event_loop.ts";
import { addressesOf, remoteAddressOf, tcpAddress } from "../shared/socket_address.ts";
import type { TlsHandshakes } from "../shared/tls_handshakes.ts";
import { NodeChannel } from "./channel.ts";

export const listen: Listen = async (target, tls, onChannel, onTlsHandshake) => {
  const { checkListen, listenError, TlsHandshakes, toListenError } = await import(
    "../shared/listen_check.ts"
  );
  const resolved = await checkListen(target, tls);
  try {
    const handshakes = tls && new TlsHandshakes<Socket>((raw) => raw.destroy(), onTlsHandshake);
    return await listenOn(resolved, tls, onChannel, handshakes);
  } catch (error) {
    // If the directory does not exist, libuv reports that permission is denied, as Windows does.
    const isMissing = "path" in target && !existsSync(dirname(target.path));
    throw isMissing ? listenError(target, "ENOENT", error) : toListenError(target, error);
  }
};

async function listenOn(
  target: ListenTarget,
  tls: TlsCertificate | undefined,
  onChannel: OnChannel,
  handshakes: TlsHandshakes<Socket> | undefined,
): Promise<ByteListener> {
  const isUnix = "path" in target;
  let addr: Address = isUnix
    ? { transport: "unix", path: target.path }
    : tcpAddress(target.hostname, target.port);
  const accept = (socket: Socket) => {
    const addresses = addressesOf(socket, addr);
    if (addresses === undefined) return discard(socket);
    const channel = new NodeChannel(socket, tls === undefined && !isUnix, ...addresses);
    if (tls === undefined) channel.shareInput();
    onChannel(channel);
  };
  const server = tls === undefined
    ? createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      systemTurns.rest();
      accept(socket);
    })
    : (await import("./tls_server.ts")).createSecureServer(tls, {
      start: (raw) => {
        systemTurns.rest();
        handshakes!.start(raw, remoteAddressOf(raw));
      },
      finish: (raw) => handshakes!.finish(raw),
      accept,
      discard,
    });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  const at = isUnix ? { path: target.path } : { host: target.hostname, port: target.port };
  server.listen({ ...at, backlog: BACKLOG }, resolve);
  await promise;
  server.off("error", reject);
  // Later errors concern one accept, such as too many open files. libuv backs off by itself.
  server.on("error", () => {});
  const address = server.address();
  if (typeof address === "object" && address !== null) {
    addr = tcpAddress(address.address, address.port);
  }
  let isClosed = false;
  return {
    addr,
    afterArrivals,
    ref: () => void server.ref(),
    unref: () => void server.unref(),
    close() {
      // Listening ends at once. Only the callback would wait for the open channels.
      if (!isClosed) server.close();
      isClosed = true;
      handshakes?.closeAll();
      return Promise.resolve();
    },
  };
}

/** Closes a socket that does not become a channel. */
function discard(socket: Socket): void {
  socket.on("error", () => {});
  socket.destroy();
}
