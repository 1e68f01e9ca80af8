import type { Connection } from "../connection/connection.ts";
import { clearInterval, setInterval } from "../timers.ts";

export async function ping(conn: Connection, report: (text: string) => unknown): Promise<void> {
  try {
    const roundTripTimeMs = await conn.ping();
    report(`pong after ${roundTripTimeMs.toFixed(roundTripTimeMs < 10 ? 2 : 0)} ms`);
  } catch {
    // The connection has ended, which is reported elsewhere.
  }
}

/** Sends a Ping every `intervalMs` milliseconds, until the connection ends. */
export function pingEvery(
  conn: Connection,
  intervalMs: number | undefined,
  report: (text: string) => unknown,
): void {
  if (intervalMs === undefined) return;
  const timer = setInterval(() => ping(conn, report), intervalMs);
  void conn.closed.then(() => clearInterval(timer));
}
