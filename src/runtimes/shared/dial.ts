import process from "node:process";
import type { ConnectError } from "../../errors.ts";
import { abortable } from "../../abortable.ts";
import type {
  ByteChannel,
  ByteChannelHandler,
  Dialer,
  DialTarget,
} from "../../transport/byte_channel.ts";
import { systemClock } from "../../transport/clock.ts";
import { connectError, toConnectError } from "./connect_error.ts";
import { MAX_PATH_SIZE } from "./system_error.ts";

/** The delay before the next address is tried in parallel, in milliseconds (RFC 8305, section 5). */
export const attemptDelayMs = 250;

/** Gives the value of an environment variable. On Deno it needs the permission. */
export function readEnvironment(name: string): string | undefined {
  return process.env[name];
}

/**
 * Connects a socket of the runtime to a path, or an IP address and a port. Rejects with the runtime's error.
 *
 * @param signal Closes the socket when it aborts, and prevents the call of `onChannel`. If it aborts within
 * `onChannel`, the channel stays open.
 * @param onChannel Takes the channel, at most once, and before its first event.
 */
export type ConnectSocket = (
  target: DialTarget,
  signal: AbortSignal,
  onChannel: (channel: ByteChannel) => void,
) => Promise<void>;

export interface HostAddress {
  address: string;
  family: number;
}

/** Finds the addresses of a host. Rejects with the runtime's error. */
export type LookUp = (hostname: string) => Promise<HostAddress[]>;

/** Creates a `dial` that resolves host names and tries their addresses alike on every runtime (RFC 8305). */
export function createDial(
  connectSocket: ConnectSocket,
  lookUp: LookUp = lookUpBySystem,
): Dialer["dial"] {
  return async (target, handler, signal) => {
    signal.throwIfAborted();
    const addresses = await abortable(resolveTarget(target, lookUp), signal);
    return await connectFirst(connectSocket, target, addresses, handler, signal);
  };
}

/** Gives the addresses to try, in order. */
async function resolveTarget(target: DialTarget, lookUp: LookUp): Promise<DialTarget[]> {
  if ("path" in target) {
    if (new TextEncoder().encode(target.path).length > MAX_PATH_SIZE) {
      throw connectError(target, "ENAMETOOLONG");
    }
    return [target];
  }
  const { hostname, port } = target;
  // No server can listen on port 0, and runtimes fail differently.
  if (port === 0) throw connectError(target, "ECONNREFUSED");
  const { isIP } = await import("node:net");
  if (isIP(hostname) !== 0) return [target];
  let addresses: HostAddress[];
  try {
    addresses = await lookUp(hostname);
  } catch (error) {
    // The codes for a name that does not exist differ between runtimes. Only EAI_AGAIN is temporary.
    const isTemporary = (error as { code?: unknown }).code === "EAI_AGAIN";
    throw connectError(target, isTemporary ? "EAI_AGAIN" : "ENOTFOUND", error);
  }
  if (addresses.length === 0) throw connectError(target, "ENOTFOUND");
  return interleaveFamilies(addresses).map(({ address }) => ({ hostname: address, port }));
}

async function lookUpBySystem(hostname: string): Promise<HostAddress[]> {
  const { lookup } = await import("node:dns/promises");
  return await lookup(hostname, { all: true });
}

/** Interleaves the address families, beginning with that of the first address (RFC 8305, section 4). */
function interleaveFamilies(addresses: HostAddress[]): HostAddress[] {
  const first = addresses.filter(({ family }) => family === addresses[0]!.family);
  const second = addresses.filter(({ family }) => family !== addresses[0]!.family);
  return addresses.flatMap((_, i) => [...first.slice(i, i + 1), ...second.slice(i, i + 1)]);
}

/** Tries the addresses until one connects: the next one after `attemptDelayMs`, or when one has failed. */
function connectFirst(
  connectSocket: ConnectSocket,
  target: DialTarget,
  addresses: DialTarget[],
  handler: ByteChannelHandler,
  signal: AbortSignal,
): Promise<ByteChannel> {
  const { promise, resolve, reject } = Promise.withResolvers<ByteChannel>();
  const attempts = new AbortController();
  let timer: unknown;
  let started = 0;
  let failed = 0;
  let firstError: unknown;

  function finish(): void {
    systemClock.clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
    attempts.abort();
  }

  function onAbort(): void {
    finish();
    reject(signal.reason);
  }

  function onChannel(channel: ByteChannel): void {
    channel.handler = handler;
    finish();
    resolve(channel);
  }

  async function onFailure(error: unknown): Promise<void> {
    if (attempts.signal.aborted) return;
    if (failed++ === 0) firstError = error;
    if (started < addresses.length) return startNext();
    if (failed < addresses.length) return;
    finish();
    reject(await toDialError(target, firstError));
  }

  function startNext(): void {
    systemClock.clearTimeout(timer);
    const address = addresses[started++]!;
    connectSocket(address, attempts.signal, onChannel).catch(onFailure);
    if (started < addresses.length) {
      timer = systemClock.setTimeout(startNext, attemptDelayMs);
    }
  }

  signal.addEventListener("abort", onAbort);
  startNext();
  return promise;
}

/** Creates the error for `target`. For a path it finds the reason itself, which some runtimes do not give. */
async function toDialError(target: DialTarget, error: unknown): Promise<ConnectError> {
  if ("path" in target) {
    const { access, constants } = await import("node:fs/promises");
    try {
      await access(target.path, constants.W_OK);
    } catch (problem) {
      return toConnectError(target, problem);
    }
  }
  return toConnectError(target, error);
}
