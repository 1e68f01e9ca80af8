/**
 * Connects with `Deno.connect`.
 *
 * @module
 */

import type { Dialer } from "../../transport/byte_channel.ts";
import type { DenoApi, DenoConn } from "./api.ts";
import { DenoChannel } from "./channel.ts";
import { noDelay, toAddress } from "./conn.ts";
import { readEnvironment } from "../shared/environment.ts";
import { type ConnectSocket, createDial, ignoringHandler, type LookUp } from "../shared/dial.ts";
import { isErrorObject } from "../../values.ts";

declare const Deno: DenoApi;

/**
 * Leaves names to `Deno.connect`, which tries their addresses as `dial()` does: a program may have the
 * permission to connect to a name, and neither to look it up nor to connect to its addresses.
 */
const lookUp: LookUp = (hostname) => Promise.resolve([{ address: hostname, family: 0 }]);

const connectSocket: ConnectSocket = async (target, signal, onChannel) => {
  let conn: DenoConn;
  try {
    conn = await Deno.connect(
      "path" in target ? { transport: "unix", path: target.path } : { ...target, signal },
    );
  } catch (error) {
    throw addCode(error);
  }
  // It may have connected before it learned of that.
  if (signal.aborted) return conn.close();
  const { remoteAddr, localAddr } = conn;
  noDelay(conn);
  onChannel(new DenoChannel(conn, toAddress(remoteAddr), toAddress(localAddr)));
};

/** Adds the code, which Deno gives to all errors but those of names. */
function addCode(error: unknown): unknown {
  if (!isErrorObject(error)) return error;
  const { name, message } = error;
  if (name !== "URIError" && !message.startsWith("failed to lookup address")) return error;
  const isTemporary = message.includes("Temporary failure");
  return Object.assign(error, { code: isTemporary ? "EAI_AGAIN" : "ENOTFOUND" });
}

/** Connects with sockets of Deno; TLS is that of Node, as where Deno listens. */
export const dialer: Dialer = {
  readEnvironment,
  dial: createDial(connectSocket, lookUp),
  async startTls(channel, ...rest) {
    channel.handler = ignoringHandler;
    // What comes until the module is there is kept for TLS.
    channel.pause();
    const { startTls } = await import("../node/start_tls.ts");
    const started = startTls(channel, ...rest);
    channel.resume();
    return await started;
  },
};
