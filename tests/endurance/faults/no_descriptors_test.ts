import { connect, type Socket } from "node:net";
import process from "node:process";
import { describe, it } from "node:test";
import { assertEquals, assertMatch } from "@std/assert";
import { moduleCommand, TestProcess } from "../../support/child_process.ts";
import { skipUnless } from "../../support/skip.ts";

const DESCRIPTORS = 96;

/** A connection, of which the first line of the answer can be had. */
function open(port: number): { socket: Socket; answer: Promise<string> } {
  const socket = connect({ host: "127.0.0.1", port });
  const answer = new Promise<string>((resolve) => {
    socket.once("data", (bytes) => resolve(bytes.toString("latin1").split("\r\n")[0]));
    socket.once("error", () => resolve(""));
    socket.once("close", () => resolve(""));
  });
  return { socket, answer };
}

const skip = skipUnless(process.platform === "linux", "needs ulimit and epoll: Linux");

describe("a server without a descriptor left", () => {
  it("answers plain requests and refuses malformed ones: nothing has to be read for that", {
    skip,
  }, async () => {
    const url = new URL("no_descriptors_process.ts", import.meta.url);
    const command = ["sh", "-c", `ulimit -n ${DESCRIPTORS} && exec "$@"`, "sh"];
    command.push(...moduleCommand({ url }));
    // Deno would look for a newer Deno, and panic if that finds no descriptor left.
    const server = new TestProcess({ command, env: { DENO_NO_UPDATE_CHECK: "1" } });
    const port = Number(await server.nextLine());
    const clients = Array.from({ length: DESCRIPTORS }, () => open(port));
    for (const { socket } of clients) {
      await new Promise((resolve) => socket.pending ? socket.once("connect", resolve) : resolve(0));
    }
    for (const [index, { socket }] of clients.entries()) {
      socket.write(index % 2 === 0 ? "GET / HTTP/1.1\r\nHost: a\r\n\r\n" : "malformed\r\n\r\n");
    }
    const first = await Promise.all(clients.slice(0, 2).map(({ answer }) => answer));
    assertMatch(first[0], /^HTTP\/1\.1 426 /);
    assertMatch(first[1], /^HTTP\/1\.1 400 /);
    assertEquals([server.status, server.errors], [undefined, ""]);
    clients.forEach(({ socket }) => socket.destroy());
    server.kill();
    await server.ended;
  });
});
