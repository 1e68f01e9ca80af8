import { parseArgs } from "node:util";

/** The text of `--help`. */
export const USAGE = `usage: server.ts [options]

  --hostname NAME   the address to listen on (default: 127.0.0.1)
  --port PORT       the port to listen on; 0 picks one (default: 8080).
                    Given several times, there is a server on each
  --redis URL       connect the servers through Redis: redis://127.0.0.1:6379
  --nats HOST:PORT  connect the servers through NATS: 127.0.0.1:4222
  --help            show this text

Servers that use the same Redis or NATS have their rooms in common, also those
of other processes, on other runtimes and on other machines.
`;

/** The parsed command line. */
export interface Flags {
  hostname: string;
  /** One port for each server. */
  ports: number[];
  /** The broker that connects the servers, if there is one. */
  broker?: { kind: "redis" | "nats"; address: string };
  help: boolean;
}

/** The command line is wrong. */
export class UsageError extends Error {}

/** Parses the command line. */
export function parseFlags(args: string[]): Flags {
  let values;
  try {
    ({ values } = parseArgs({
      args,
      options: {
        hostname: { type: "string", default: "127.0.0.1" },
        port: { type: "string", multiple: true, default: ["8080"] },
        redis: { type: "string" },
        nats: { type: "string" },
        help: { type: "boolean", default: false },
      },
    }));
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  const { hostname, port, redis, nats, help } = values;
  if (hostname === "") throw new UsageError("--hostname is a name or an address");
  return { hostname, ports: parsePorts(port), ...parseBroker(redis, nats), help };
}

function parsePorts(values: string[]): number[] {
  const ports = values.map((value) => {
    const port = /^\d{1,5}$/.test(value) ? Number(value) : NaN;
    if (port <= 65535) return port;
    throw new UsageError(`--port is an integer from 0 to 65535, not ${JSON.stringify(value)}`);
  });
  const named = ports.filter((port) => port !== 0);
  if (new Set(named).size === named.length) return ports;
  throw new UsageError("--port is another one for each server");
}

function parseBroker(redis?: string, nats?: string): Pick<Flags, "broker"> {
  if (redis !== undefined && nats !== undefined) {
    throw new UsageError("--redis and --nats are not for the same servers: choose one");
  }
  if (redis !== undefined) {
    if (/^rediss?:\/\/./.test(redis) && URL.canParse(redis)) {
      return { broker: { kind: "redis", address: redis } };
    }
    throw new UsageError("--redis is a URL such as redis://127.0.0.1:6379");
  }
  if (nats === undefined) return {};
  if (/^[^\s:/]+:\d{1,5}$|^\[[\da-f:]+\]:\d{1,5}$/i.test(nats)) {
    return { broker: { kind: "nats", address: nats } };
  }
  throw new UsageError("--nats is a host and a port such as 127.0.0.1:4222");
}
