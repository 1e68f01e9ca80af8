import { assertEquals } from "@std/assert";
import type { CloseInfo, Connection } from "../../src/server/mod.ts";

/** Waits for the end of a connection, and checks what is expected of it. */
export async function assertEnd(
  conn: Pick<Connection<unknown>, "closed">,
  expected: Partial<CloseInfo>,
): Promise<void> {
  const info = await conn.closed;
  assertEquals({ ...info, ...expected }, info);
}
