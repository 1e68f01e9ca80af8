/**
 * Dialling, but for the socket: names are resolved, and addresses tried, alike on every runtime.
 *
 * @module
 */

import type {
  ByteChannel,
  ByteChannelHandler,
  Dialer,
  DialTarget,
} from "../../transport/byte_channel.ts";
import { systemClock } from "../../transport/clock.ts";
import type { ConnectError } from "../../errors.ts";
import { connectError, toConnectError } from "./connect_error.ts";
import { MAX_PATH_SIZE } from "./error_target.ts";

/**
 * How long an address may take before the next one is tried beside it, in milliseconds (RFC 8305,
 * section 5).
 */
export const attemptDelayMs = 250;

/** Handles a channel that nobody cares for any more. */
export const ignoringHandler: ByteChannelHandler = {
  receive() {},
  receiveEnd() {},
  drain() {},
  receiveClosed() {},
};

/**
 * Connects a socket of the runtime. Rejects with the runtime's error.
 *
 * @param target The path, or the port and an IP address.
 * @param signal Gives up; then no socket is left, and `onChannel` is not called. It may also abort
 * within `onChannel`, which then keeps the channel.
 * @param onChannel Takes the channel, at most once, and before its first event.
 */
export type ConnectSocket = (
  target: DialTarget,
  signal: AbortSignal,
  onChannel: (channel: ByteChannel) => void,
) => Promise<void>;

/** An address of a host. */
export interface HostAddress {
  address: string;
  family: number;
}

/** Finds the addresses of a host. Rejects with the runtime's error. */
export type LookUp = (hostname: string) => Promise<HostAddress[]>;

/**
 * Creates the `dial` of a {@linkcode Dialer}.
 *
 * @param connectSocket Connects to one address.
 * @param lookUp Resolves host names; by default, as the system does.
 */
export function createDial(
  connectSocket: ConnectSocket,
  lookUp: LookUp = lookUpBySystem,
): Dialer["dial"] {
  return async (target, handler, signal) => {
    signal.throwIfAborted();
    const addresses = await unlessAborted(resolveTarget(target, lookUp), signal);
    return await connectFirst(connectSocket, target, addresses, handler, signal);
  };
}

/** Resolves to what `promise` does, or rejects once `signal` aborts, which leaves it to itself. */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort);
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}

/** Gives the addresses to try, in their order. */
async function resolveTarget(target: DialTarget, lookUp: LookUp): Promise<DialTarget[]> {
  if ("path" in target) {
    if (new TextEncoder().encode(target.path).length > MAX_PATH_SIZE) {
      throw connectError(target, "ENAMETOOLONG");
    }
    return [target];
  }
  const { hostname, port } = target;
  // Nobody listens there. Not all runtimes would try.
  if (port === 0) throw connectError(target, "ECONNREFUSED");
  const { isIP } = await import("node:net");
  if (isIP(hostname) !== 0) return [target];
  let addresses: HostAddress[];
  try {
    addresses = await lookUp(hostname);
  } catch (error) {
    // The system's reasons differ, such as for a name that is none; but this one may pass.
    const isTemporary = (error as { code?: unknown }).code === "EAI_AGAIN";
    throw connectError(target, isTemporary ? "EAI_AGAIN" : "ENOTFOUND", error);
  }
  if (addresses.length === 0) throw connectError(target, "ENOTFOUND");
  return takeTurns(addresses).map(({ address }) => ({ hostname: address, port }));
}

async function lookUpBySystem(hostname: string): Promise<HostAddress[]> {
  const { lookup } = await import("node:dns/promises");
  return await lookup(hostname, { all: true });
}

/** Puts addresses of both families by turns, beginning with that of the first (section 4). */
function takeTurns(addresses: HostAddress[]): HostAddress[] {
  const first = addresses.filter(({ family }) => family === addresses[0]!.family);
  const second = addresses.filter(({ family }) => family !== addresses[0]!.family);
  const turns: HostAddress[] = [];
  for (let i = 0; i < first.length || i < second.length; i++) {
    turns.push(...first.slice(i, i + 1), ...second.slice(i, i + 1));
  }
  return turns;
}

/** Connects to the first address that answers. */
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
    reject(await explain(target, firstError));
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

/** Finds out what is wrong with a path, where the runtime did not tell. */
async function explain(target: DialTarget, error: unknown): Promise<ConnectError> {
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
