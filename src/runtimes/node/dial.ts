/**
 * Connects with `node:net`.
 *
 * @module
 */

import { connect } from "node:net";
import type { Address, Dialer } from "../../transport/byte_channel.ts";
import { readEnvironment } from "../shared/environment.ts";
import { type ConnectSocket, createDial } from "../shared/dial.ts";
import { NodeChannel } from "./channel.ts";
import { startTls } from "./start_tls.ts";
import "../shared/turns.ts";

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
      let remote: Address = { transport: "unix", path: "path" in target ? target.path : "" };
      let local: Address = { transport: "unix", path: "" };
      if (!isUnix) {
        // A peer that is gone already leaves no address.
        const { localAddress = "", localPort = 0 } = socket;
        const { remoteAddress = target.hostname, remotePort = target.port } = socket;
        remote = { transport: "tcp", hostname: remoteAddress, port: remotePort };
        local = { transport: "tcp", hostname: localAddress, port: localPort };
      }
      onChannel(new NodeChannel(socket, !isUnix, remote, local));
      resolve();
    });
  });

/** Connects with sockets of Node. */
export const dialer: Dialer = { readEnvironment, dial: createDial(connectSocket), startTls };
