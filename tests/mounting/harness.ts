/**
 * A server of `node:http` or `node:https` with WebSockets mounted on it, and ways to reach it.
 *
 * @module
 */

import { assert } from "@std/assert";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type Server as HttpServer, type ServerOptions } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { fileURLToPath } from "node:url";
import {
  type Handler,
  mount,
  type MountedServer,
  type MountOptions,
  type ServerCallbacks,
  type ServerConnection,
} from "../../src/runtimes/node/mount.ts";
import { NetSocket } from "../support/net_socket.ts";
import { RawClient } from "../support/raw_client.ts";
import { Harness, run } from "../support/transports.ts";
import { watch } from "../support/watch.ts";
import type { Relay } from "./relay.ts";

const tlsFolder = new URL("../support/tls/", import.meta.url);

/** The certificate of the tests, which is trusted by those who know it. */
export const certificateFile: string = fileURLToPath(new URL("cert.pem", tlsFolder));
const certificate = readFileSync(certificateFile, "utf8");
const key = readFileSync(new URL("key.pem", tlsFolder), "utf8");

/** What the options of a mounted server are, and those of the HTTP server. */
export type MountSetup<Data> = MountOptions<Data> & ServerCallbacks<Data> & {
  /** Handles a connection. By default, it waits for its end, and the test does the rest. */
  handler?: Handler<Data>;
  /** The options of the HTTP server. */
  http?: ServerOptions;
  /** The path of the Unix socket to listen on. By default, it is a TCP port. */
  path?: string;
  /** It is up to the test to give it upgrades. */
  isDetached?: boolean;
};

/** A mounted server that runs. */
export class MountHarness<Data> extends Harness<Data, NetSocket, MountedServer<Data>> {
  /** The HTTP server. It answers plain requests with their path. */
  readonly http: HttpServer;
  readonly isSecure: boolean;

  constructor(
    server: MountedServer<Data>,
    errors: unknown[],
    http: HttpServer,
    isSecure: boolean,
  ) {
    super(server, errors);
    this.http = http;
    this.isSecure = isSecure;
  }

  /** The port of the HTTP server. */
  get port(): number {
    const address = this.http.address();
    assert(typeof address === "object" && address !== null);
    return address.port;
  }

  /** Connects to what forwards to the HTTP server. */
  async connectVia(relay: Relay): Promise<RawClient<NetSocket>> {
    return new RawClient(await this.#connectPort(relay.port));
  }

  #connectPort(port: number): Promise<NetSocket> {
    return this.isSecure ? NetSocket.connectTls(port, certificate) : NetSocket.connect(port);
  }

  protected override connectSocket(): Promise<NetSocket> {
    const address = this.http.address();
    return typeof address === "string"
      ? NetSocket.connectUnix(address)
      : this.#connectPort(this.port);
  }

  protected override checkLeaks(): void {
    // A timer or a socket that is left keeps Node from ending.
  }
}

/** A way to run mounted servers. */
export interface Stage {
  name: "http" | "https";
  withMounted<Data = undefined>(
    setup: MountSetup<Data>,
    body: (harness: MountHarness<Data>) => Promise<void>,
  ): Promise<void>;
}

/** Both ways to run mounted servers. */
export const STAGES: readonly Stage[] = (["http", "https"] as const).map((name) => ({
  name,
  withMounted: (setup, body) => withMounted(setup, name === "https", body),
}));

async function withMounted<Data>(
  { handler, http: httpOptions = {}, path, isDetached = false, ...given }: MountSetup<Data>,
  isSecure: boolean,
  body: (harness: MountHarness<Data>) => Promise<void>,
): Promise<void> {
  const errors: unknown[] = [];
  const options = {
    ...given,
    onError(error: unknown, conn?: ServerConnection<Data>) {
      errors.push(error);
      given.onError?.(error, conn);
    },
  };
  const { open, message, drain, close } = options;
  const mounted = open ?? message ?? drain ?? close
    ? await mount(options)
    : await mount(options, handler ?? ((conn) => conn.closed));
  const http = isSecure
    ? createTlsServer({ ...httpOptions, cert: certificate, key })
    : createServer(httpOptions);
  http.on("request", (request, response) => response.end(request.url));
  if (!isDetached) http.on("upgrade", mounted.handleUpgrade);
  http.listen(path === undefined ? { port: 0, host: "127.0.0.1" } : { path });
  await once(http, "listening");
  const closed = watch(once(http, "close"));
  const harness = new MountHarness<Data>(mounted, errors, http, isSecure);
  try {
    await run<Data, MountHarness<Data>>(harness, body);
  } finally {
    // Its connections have to end first: those that are WebSockets by themselves.
    http.close();
    http.closeAllConnections();
    await closed.settled;
  }
}
