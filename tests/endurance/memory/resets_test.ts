import { assertEquals } from "@std/assert";
import { describe } from "node:test";
import { setTimeout } from "node:timers/promises";
import { HonestClients } from "../rig/honest/honest_clients.ts";
import { KiB, MiB, mib, progress, scaled } from "../rig/scale.ts";
import type { ServerProcess } from "../rig/server_process.ts";
import { REQUEST } from "../rig/tcp_client.ts";
import { ECHO_SERVERS, testServer } from "../rig/test_server.ts";

const CONNECTIONS = scaled(1_000, 10_000);
const AT_ONCE = 20;
/**
 * What JavaScript may still use when all is over: on average, of each connection, and in all. A
 * connection has objects of some KiB, a timer and a descriptor, so if only one of them were kept, it
 * would be more. What the runtimes add with every round, to compiled code above all, is some 20 bytes
 * each.
 */
const MAX_LEFT = 512 * KiB + CONNECTIONS * 128;

/**
 * What may be left in RAM. Runtimes keep what the busiest moment took, for the next one: 20 to 50 MiB,
 * and it is the same after 40,000 connections.
 */
const MAX_RESIDENT_GROWTH = 64 * MiB;

describe("connections that are reset at every byte of the handshake", () => {
  for (const { name: style, script, args } of ECHO_SERVERS) {
    testServer(style, script, args, async (server) => {
      const honest = new HonestClients({
        seed: 1,
        groups: [{
          ...{ peer: "raw", count: 1, way: "stay", intervalMs: 2 },
          urls: [`ws://127.0.0.1:${server.port}/`],
        }],
      });
      while ((await honest.report()).total.echo === undefined) await setTimeout(20);
      const { descriptors } = server;
      await resetAll(server, 1_000);
      await server.untilDescriptors(descriptors);
      const memory = await server.usedMemory();
      const resident = server.residentSize;

      await resetAll(server, CONNECTIONS);
      await server.untilDescriptors(descriptors);
      const left = await server.usedMemory() - memory;
      const growth = server.residentSize - resident;
      const { total, failures } = await honest.report();
      progress(
        `${style}: ${CONNECTIONS} resets left ${(left / KiB).toFixed(0)} KiB in use, ` +
          `${mib(resident)} + ${mib(growth)} resident; ${total.echo.count} echoes meanwhile`,
      );
      assertEquals(left < MAX_LEFT, true, `${left} bytes are still in use`);
      assertEquals(growth < MAX_RESIDENT_GROWTH, true, `${mib(growth)} more are resident`);
      assertEquals(failures, [], "somebody else was not served");
      assertEquals(await honest.stop(), 0, honest.errors);
    });
  }
});

/** Opens connections, some at a time, and resets each one after another number of bytes. */
async function resetAll(server: ServerProcess, count: number): Promise<void> {
  // From none to all of them, and at last also the response awaited.
  const positions = REQUEST.length + 2;
  let started = 0;
  const work = async () => {
    for (let i = started++; i < count; i = started++) {
      const client = await server.connect();
      const position = i % positions;
      if (position > 0) await client.write(REQUEST.subarray(0, position));
      if (position > REQUEST.length) await client.opened;
      // In every other round the server has time to read before the reset.
      if (Math.floor(i / positions) % 2 === 0) await setTimeout(1);
      client.reset();
      await client.closed;
      if ((i + 1) % 2_500 === 0) progress(`${i + 1} connections`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}
