import type { Dialer } from "../../transport/byte_channel.ts";
import { IGNORE_EVENTS } from "../../transport/ordered_channel.ts";
import { isErrorObject } from "../../values.ts";
import { type ConnectSocket, createDial, type LookUp, readEnvironment } from "../shared/dial.ts";
import type { DenoApi, DenoConn } from "./api.ts";
import { openChannel } from "./channel.ts";

declare const Deno: DenoApi;

/**
 * Leaves host names to `Deno.connect`, which tries their addresses as `dial()` does: a program may have the
 * permission to connect to a name, but not to look it up, nor to connect to its addresses.
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
  // The signal may have aborted after the socket connected.
  if (signal.aborted) return conn.close();
  onChannel(openChannel(conn));
};

/** Adds the code to an error of a name's look-up. Deno's other errors have one. */
function addCode(error: unknown): unknown {
  if (!isErrorObject(error)) return error;
  const { name, message } = error;
  if (name !== "URIError" && !message.startsWith("failed to lookup address")) return error;
  const isTemporary = message.includes("Temporary failure");
  return Object.assign(error, { code: isTemporary ? "EAI_AGAIN" : "ENOTFOUND" });
}

/** TLS is that of `node:tls`, as in `listen`. */
export const dialer: Dialer = {
  readEnvironment,
  dial: createDial(connectSocket, lookUp),
  async startTls(channel, ...rest) {
    channel.handler = IGNORE_EVENTS;
    // Bytes that arrive while the module is loaded are held for TLS.
    channel.pause();
    const { startTls } = await import("../node/start_tls.ts");
    const started = startTls(channel, ...rest);
    channel.resume();
    return await started;
  },
};
