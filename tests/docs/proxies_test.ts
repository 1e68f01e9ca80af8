import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { connect as connectSocket } from "node:net";
import { tmpdir } from "node:os";
import { type Connection, serve } from "../../mod.ts";
import { connect } from "../../src/runtimes/shared/client.ts";
import { replacePorts } from "../../tools/example_ports.ts";
import { skipUnless } from "../support/skip.ts";
import { turn } from "../support/turn.ts";

const docs = new URL("../../docs/", import.meta.url);

interface Proxy {
  name: string;
  file: string;
  executable: string;
  /** The command line for a configuration, in a folder that is the proxy's. */
  start(path: string, folder: string): string[];
  /** Adds what the machine of a test needs, and no reader. */
  adapt?(configuration: string, folder: string): string;
}

const PROXIES: Proxy[] = [
  {
    name: "nginx",
    file: "nginx.conf",
    executable: "/usr/sbin/nginx",
    start: (path, folder) => [
      "-p",
      folder,
      "-c",
      path,
      "-g",
      `daemon off; pid ${folder}/pid; error_log stderr;`,
    ],
    adapt(configuration, folder) {
      const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map((name) => `${name}_temp_path ${folder}/${name};`);
      return configuration.replace("http {", `http {\naccess_log off;\n${paths.join("\n")}`);
    },
  },
  {
    name: "HAProxy",
    file: "haproxy.cfg",
    executable: "/usr/sbin/haproxy",
    start: (path) => ["-q", "-db", "-f", path],
  },
];

/** More than a proxy with default limits has room for. */
const CROWD = 400;

async function untilListening(port: number, proxy: ChildProcess): Promise<void> {
  for (;;) {
    assertEquals(proxy.exitCode, null, "the proxy runs");
    const isListening = await new Promise<boolean>((resolve) => {
      const socket = connectSocket(port, "127.0.0.1");
      socket.on("error", () => resolve(false)).on("connect", () => {
        socket.destroy();
        resolve(true);
      });
    });
    if (isListening) return;
    await turn();
  }
}

describe("the configurations of the guide to proxies", () => {
  for (const { file } of PROXIES) {
    it(`shows ${file} as it is`, async () => {
      const guide = await readFile(new URL("behind-a-proxy.md", docs), "utf8");
      const text = await readFile(new URL(file, docs), "utf8");
      assert(guide.includes(`\n${text}\`\`\`\n`));
    });
  }

  for (const proxy of PROXIES) {
    const isThere = spawnSync(proxy.executable, ["-v"]).status === 0;
    const skip = skipUnless(
      isThere,
      `needs ${proxy.name}: apt-get install ${proxy.name.toLowerCase()}`,
    );
    it(`work with ${proxy.name}`, { skip }, async () => {
      const folder = await mkdtemp(`${tmpdir()}/sluice-proxy-`);
      const both = await replacePorts(
        `8000 8080 ${await readFile(new URL(proxy.file, docs), "utf8")}`,
      );
      const [, front, back, configuration] = /^(\d+) (\d+) ([^]*)$/.exec(both)!;
      const path = `${folder}/${proxy.file}`;
      await writeFile(path, proxy.adapt?.(configuration, folder) ?? configuration);
      const server = await serve({
        port: Number(back),
        hostname: "127.0.0.1",
        origin: ["https://example.com"],
        upgrade: (request) => ({ data: request.headers }),
        message: (conn: Connection<Headers>, data) => conn.send(data),
      });
      const child = spawn(proxy.executable, proxy.start(path, folder), { stdio: "inherit" });
      const ended = new Promise((resolve) => child.on("close", resolve));
      try {
        await untilListening(Number(front), child);
        const headers = { Origin: "https://example.com", Host: "example.com" };
        const conn = await connect(`ws://127.0.0.1:${front}/`, { headers });
        const message = "x".repeat(200_000);
        await conn.send(message);
        const { value } = await conn[Symbol.asyncIterator]().next();
        assert(value === message);
        assert(await conn.ping() >= 0);
        const [seen] = server.connections;
        assertEquals(seen.data.get("Host"), "example.com");
        assertEquals(seen.data.get("X-Forwarded-For"), "127.0.0.1");
        assertEquals((await conn.close()).wasClean, true);
        // Their own defaults may be for some hundred: each takes two connections of the proxy.
        const crowd: Connection[] = [];
        while (crowd.length < CROWD) {
          crowd.push(await connect(`ws://127.0.0.1:${front}/`, { headers }));
        }
        assertEquals(server.connections.size, CROWD);
        assert(await crowd[0].ping() >= 0);
        for (const each of crowd) each.abort();
      } finally {
        child.kill("SIGTERM");
        await ended;
        await server.shutdown();
        await rm(folder, { recursive: true });
      }
    });
  }
});
