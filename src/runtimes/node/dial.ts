import { connect } from "node:net";
import type { Address, Dialer } from "../../transport/byte_channel.ts";
import { type ConnectSocket, createDial, readEnvironment } from "../shared/dial.ts";
import "../shared/event_loop.ts";
import { localAddressOf, tcpAddress } from "../shared/socket_address.ts";
import { NodeChannel } from "./channel.ts";
import { startTls } from "./start_tls.ts";

const connectSocket: ConnectSocket = (target, signal, onChannel) =>
  new Promise((resolve, reject) => {
    const isUnix = "path" in target;
    const socket = connect(
      isUnix
        ? { path: target.path, allowHalfOpen: true }
        : { host: target.hostname, port: target.port, allowHalfOpen: true, noDelay: true },
    );
    const onAbort = () => {
      socket.destroy();
      reject(signal.reason);
    };
    signal.addEventListener("abort", onAbort);
    const onError = (error: Error) => {
      signal.removeEventListener("abort", onAbort);
      reject(error);
    };
    socket.on("error", onError);
    socket.once("connect", () => {
      signal.removeEventListener("abort", onAbort);
      socket.off("error", onError);
      const unix = (path: string): Address => ({ transport: "unix", path });
      // A socket that is closed already has no addresses.
      const { remoteAddress, remotePort } = socket;
      const [remote, local] = "path" in target ? [unix(target.path), unix("")] : [
        tcpAddress(remoteAddress ?? target.hostname, remotePort ?? target.port),
        localAddressOf(socket),
      ];
      onChannel(new NodeChannel(socket, !isUnix, remote, local));
      resolve();
    });
  });

export const dialer: Dialer = { readEnvironment, dial: createDial(connectSocket), startTls };
