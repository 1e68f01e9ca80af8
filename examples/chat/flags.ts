import { parseArgs } from "node:util";

/** What `--help` shows. */
export const USAGE = `usage: server.ts [options]

  --hostname NAME  the address to listen on (default: 127.0.0.1)
  --port PORT      the port to listen on; 0 picks one (default: 8080)
  --help           show this text
`;

/** What the command line asks for. */
export interface Flags {
  hostname: string;
  port: number;
  help: boolean;
}

/** The command line is wrong. */
export class UsageError extends Error {}

/** Reads the command line. */
export function parseFlags(args: string[]): Flags {
  let values;
  try {
    ({ values } = parseArgs({
      args,
      options: {
        hostname: { type: "string", default: "127.0.0.1" },
        port: { type: "string", default: "8080" },
        help: { type: "boolean", default: false },
      },
    }));
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  const port = /^\d{1,5}$/.test(values.port) ? Number(values.port) : NaN;
  if (!(port <= 65535)) {
    throw new UsageError(
      `--port is an integer from 0 to 65535, not ${JSON.stringify(values.port)}`,
    );
  }
  if (values.hostname === "") throw new UsageError("--hostname is a name or an address");
  return { ...values, port };
}
