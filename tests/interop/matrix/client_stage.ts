/**
 * Our servers, and the clients that connect to them by themselves: each asks for the path of its name.
 *
 * @module
 */

import {
  type CompressionOptions,
  type Connection,
  type Limits,
  serve,
  type ServeOptions,
  type Server,
} from "../../../mod.ts";
import { Inbox } from "../peer.ts";
import { readTls } from "../../support/tls.ts";
import type { Reach } from "./matrix.ts";
import type { Kind } from "./scenarios.ts";

/** How a side of ours is to compress, for a connection of that kind. */
export function compressionOf(kind: Kind): CompressionOptions | false {
  if (!kind.startsWith("compressed")) return false;
  return { contextTakeover: kind === "compressed", threshold: 0 };
}

const KINDS: Record<Kind, ServeOptions<unknown>> = {
  plain: {},
  "compressed": { compression: compressionOf("compressed") },
  "compressed alone": { compression: compressionOf("compressed alone") },
  tls: {
    tls: {
      cert: readTls("issued.pem"),
      key: readTls("issued_key.pem"),
    },
  },
};

/** The servers of a test file. */
export class ClientStage {
  readonly #servers = new Map<Kind, Server>();
  readonly #arrivals = new Map<string, Inbox<{ kind: Kind; conn: Connection }>>();
  readonly #page: string;

  /** @param page What is answered to plain requests, as HTML. */
  constructor(page: string = "") {
    this.#page = page;
  }

  /** Starts the servers. */
  async start(): Promise<void> {
    for (const [kind, options] of Object.entries(KINDS) as [Kind, ServeOptions<unknown>][]) {
      this.#servers.set(
        kind,
        await serve<unknown>({
          ...options,
          hostname: "127.0.0.1",
          port: 0,
          // A page of one server connects to the others.
          origin: "any",
          limits: LIMITS,
          fetch: () => new Response(this.#page, { headers: { "Content-Type": "text/html" } }),
        }, async (conn) => {
          this.#arrivalsOf(new URL(conn.request.url).pathname.slice(1)).push({ kind, conn });
          await conn.closed;
        }),
      );
    }
  }

  /** The address of a server, without a path. */
  url(kind: Kind = "plain"): string {
    const { addr } = this.#servers.get(kind)!;
    const port = addr.transport === "tcp" ? addr.port : 0;
    return `${kind === "tls" ? "wss" : "ws"}://127.0.0.1:${port}`;
  }

  #arrivalsOf(name: string): Inbox<{ kind: Kind; conn: Connection }> {
    let inbox = this.#arrivals.get(name);
    if (inbox === undefined) this.#arrivals.set(name, inbox = new Inbox());
    return inbox;
  }

  /** Says that a client will not come any more. */
  fail(name: string, error: Error): void {
    this.#arrivalsOf(name).fail(error);
  }

  /**
   * How the client is reached that asks for `path`: by waiting for it.
   *
   * @param urlOf Tells where it is to connect to.
   */
  reach(path: string, urlOf: (kind: Kind) => string = (kind) => this.url(kind)): Reach {
    return {
      connect: async (kind) => {
        for (;;) {
          const arrival = await this.#arrivalsOf(path).take();
          const { conn } = arrival;
          // What came while a scenario was given up is over.
          if (conn.state !== "open") continue;
          if (arrival.kind === kind) return conn;
          await conn.send(`!connect ${urlOf(kind)}/${path}`);
          await conn.close();
        }
      },
    };
  }

  /** Ends them. */
  async stop(): Promise<void> {
    await Promise.all(
      [...this.#servers.values()].map((server) => server.shutdown({ timeoutMs: 1 })),
    );
  }
}

/** Enough for all scenarios. */
export const LIMITS: Partial<Limits> = {
  maxMessageSize: 2 ** 24,
  maxFragments: Infinity,
  sendQueueSize: 2 ** 26,
};
