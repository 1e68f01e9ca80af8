import { describe, it } from "node:test";
import { assertEquals, assertRejects } from "@std/assert";
import { ExampleProcess } from "../examples/example_process.ts";
import { RefusedError } from "../interop/peer.ts";
import { wsPeer } from "../interop/ws_peer.ts";

for (const framework of ["express", "fastify", "hono"]) {
  describe(`examples/mounted/${framework}.ts`, () => {
    it("serves its routes and a WebSocket on one port, and shuts down", async () => {
      const example = new ExampleProcess(`mounted/${framework}.ts`, ["0"]);
      try {
        const url = new URL(await example.address);
        const connected = async () => {
          const response = await fetch(new URL("stats", url));
          return (await response.json()).connected;
        };
        assertEquals(await connected(), 0);
        const refused = await assertRejects(
          () => wsPeer.connect(`ws://${url.host}/other`, {}),
          RefusedError,
        );
        assertEquals(refused.status, 404);
        const sockets = await Promise.all(
          ["a", "b"].map(() => wsPeer.connect(`ws://${url.host}/echo`, {})),
        );
        assertEquals(await connected(), 2);
        for (const [i, socket] of sockets.entries()) {
          const bytes = new Uint8Array(500_000).fill(i);
          socket.send(`hello ${i}`);
          socket.send(bytes);
          assertEquals(await socket.receive(), `hello ${i}`);
          assertEquals(await socket.receive(), bytes);
        }
        sockets[0].close(1000);
        assertEquals((await sockets[0].closed).closeCode, 1000);
        const ending = example.stop("SIGTERM");
        assertEquals(await sockets[1].closed, { closeCode: 1001, reason: "" });
        const { code, stderr } = await ending;
        assertEquals([code, stderr], [0, ""]);
      } finally {
        await example.stop();
      }
    });
  });
}
