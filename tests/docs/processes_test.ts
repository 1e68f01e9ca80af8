import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { get } from "node:http";
import { tmpdir } from "node:os";
import process from "node:process";
import { serve } from "../../mod.ts";
import { connect, type Connection } from "../../src/runtimes/shared/client.ts";
import { receiveMessage } from "../../src/testing/mod.ts";
import { replacePorts } from "../../tools/example_ports.ts";
import { RealRedis, untilAnswered } from "../brokers/real_broker.ts";
import { TestProcess } from "../support/child_process.ts";
import { skipUnless } from "../support/skip.ts";
import { writeSnippet } from "./snippet.ts";

const GUIDE = new URL("../../docs/scaling.md", import.meta.url);
const CLIENTS = 12;
/** So many that all of them lead to one process of four as good as never. */
const REQUESTS = 40;

const runtime = "Bun" in globalThis ? "Bun" : "Deno" in globalThis ? "Deno" : "Node";
const hasRedis = spawnSync("redis-server", ["--version"]).status === 0;
const hasNginx = spawnSync("/usr/sbin/nginx", ["-v"]).status === 0;
const isLinux = process.platform === "linux";
const skipNoLinux = skipUnless(isLinux, "needs Linux, which shares a port among processes");
const skipNoRedis = skipUnless(hasRedis, "needs Redis: apt-get install redis-server");
const skipNoNginx = skipUnless(hasNginx, "needs nginx: apt-get install nginx");

/** Asks which processes there are behind a port. */
async function findProcesses(port: number): Promise<Set<number>> {
  const ask = () =>
    new Promise<number>((resolve, reject) => {
      // A connection of its own; what a process was given as it was killed is not answered.
      const request = get({ port, host: "127.0.0.1", agent: false, timeout: 2000 }, (response) => {
        response.setEncoding("utf8").on("data", (text: string) => {
          resolve(Number(/^process (\d+)/.exec(text)![1]));
        });
      });
      request.on("timeout", () => request.destroy()).on("error", reject);
    });
  const answers = await Promise.allSettled(Array.from({ length: REQUESTS }, ask));
  return new Set(answers.flatMap((each) => each.status === "fulfilled" ? [each.value] : []));
}

/** Reads messages until one is as expected. */
async function receive(conn: Connection, expected: string): Promise<void> {
  while (await receiveMessage(conn) !== expected);
}

/** A program whose workers share a port in the way that is named, and print what came of it. */
function sharing(way: string): string {
  const serve = way.startsWith("`serve`");
  const listening = serve
    ? `await serve({ port, hostname: "127.0.0.1", message() {} });`
    : `const server = createServer();
       (await mount({ message() {} })).attach(server, { path: "/" });
       const options = { port, host: "127.0.0.1"${
      way.includes("reusePort") ? ", reusePort: true" : ""
    } };
       await new Promise((resolve, reject) => server.on("error", reject).listen(options, resolve));`;
  return `
    import cluster from "node:cluster";
    import { createServer } from "node:http";
    import process from "node:process";
    import { serve } from "@sluice/websocket";
    import { mount } from "@sluice/websocket/node-http";
    const port = Number(process.argv[2]);
    if (${way.includes("cluster")} && cluster.isPrimary) {
      for (let i = 0; i < 2; i++) cluster.fork();
    } else {
      try {
        ${listening}
        console.log("<listens>");
      } catch (error) {
        console.log("<" + error.code + ">");
      }
      process.on("disconnect", () => process.exit());
      setTimeout(() => process.exit(), 20_000);
    }`;
}

describe("the guide to scaling", () => {
  const skip = skipNoLinux || skipNoRedis;
  it("has a program of four processes that are one chat", { skip }, async () => {
    const redis = new RealRedis(false, false);
    await redis.start();
    const snippet = await writeSnippet(
      "scaling.md",
      "cluster.fork()",
      (code) =>
        code.replace("127.0.0.1:6379", `127.0.0.1:${redis.port}`).replace(
          "createServer((_request, response) => {",
          `createServer((request, response) => {
            if (request.url === "/slow") {
              console.log("asked");
              setTimeout(() => response.end("answered"), 500);
              return;
            }`,
        ),
    );
    const { port } = snippet;
    const program = new TestProcess(snippet.url);
    const clients: Connection[] = [];
    /** The processes that listen, and those that did. */
    const listening = () =>
      [...program.output.matchAll(/process (\d+) listens/g)].map(([, pid]) => Number(pid));
    const untilListening = (count: number) =>
      program.untilPrinted(new RegExp(`(listens[^]*){${count}}`));
    try {
      // A process that begins to listen when others are given connections gets none on Deno, at times.
      await untilListening(4);
      const found = await findProcesses(port);
      assert(found.size > 1, `${found.size} processes answer`);
      for (let i = 0; i < CLIENTS; i++) {
        clients.push(await connect(`ws://127.0.0.1:${port}/chat?name=n${i}`));
      }
      const names = clients.map((_, i) => `n${i}`).sort();
      await untilAnswered("all to be present", async () => {
        await clients[0].send("who");
        return await receiveMessage(clients[0]);
      }, (answer) => answer === `here: ${names.join(" ")}`);
      // A process may not be subscribed at the broker yet: what comes too early, it does not get.
      const saying = setInterval(() => void clients[0].send("hello"), 50);
      for (const conn of clients) await receive(conn, "n0: hello");
      clearInterval(saying);

      const [victim] = found;
      process.kill(victim, "SIGKILL");
      await untilListening(5);
      assert(new Set(listening()).size === 5 && !(await findProcesses(port)).has(victim));

      const open = clients.filter((conn) => conn.state === "open");
      const before = listening().filter((pid) => pid !== victim);
      program.signal("SIGHUP");
      await untilListening(9);
      for (const conn of open) assertEquals((await conn.closed).closeCode, 1012);
      await untilAnswered("the old to be gone", () => findProcesses(port), (pids) => {
        return before.every((pid) => !pids.has(pid));
      });

      const stays = await connect(`ws://127.0.0.1:${port}/chat?name=late`);
      clients.push(stays);
      const answer = fetch(`http://127.0.0.1:${port}/slow`);
      await program.untilPrinted(/asked/);
      program.end();
      assertEquals((await stays.closed).closeCode, 1012);
      assertEquals(await (await answer).text(), "answered");
      await program.untilEnded();
    } finally {
      for (const conn of clients) conn.abort();
      program.end();
      await program.untilEnded();
      await snippet.remove();
      await redis.end();
    }
  });

  it("tells which ways to share a port work", { skip: skipNoLinux }, async () => {
    const guide = await readFile(GUIDE, "utf8");
    const rows = [
      ...guide.matchAll(/^\| (`(?:mount|serve)`.*?) +\| (yes|no) +\| (yes|no) +\| (yes|no) +\|$/gm),
    ];
    assertEquals(rows.length, 3);
    for (const [, way, ...cells] of rows) {
      const works = cells[["Node", "Bun", "Deno"].indexOf(runtime)];
      const snippet = await writeSnippet("scaling.md", "cluster.fork()", () => sharing(way));
      const isClustered = way.includes("cluster");
      const port = String(snippet.port);
      const programs = [new TestProcess(snippet.url, port)];
      if (!isClustered) programs.push(new TestProcess(snippet.url, port));
      const printed = () => programs.map(({ output }) => output).join("").match(/<.*?>/g) ?? [];
      try {
        await untilAnswered(
          "two to listen or to fail",
          () => Promise.resolve(printed()),
          (lines) => {
            return lines.length === 2;
          },
        );
        const expected = works === "yes"
          ? ["<listens>", "<listens>"]
          : ["<EADDRINUSE>", "<listens>"];
        assertEquals(printed().sort(), expected.sort(), way);
      } finally {
        for (const each of programs) each.end();
        for (const each of programs) await each.untilEnded();
        await snippet.remove();
      }
    }
  });

  it("has an upstream of nginx for a port each", { skip: skipNoNginx }, async () => {
    const guide = await readFile(GUIDE, "utf8");
    const [, upstream] = /^```nginx\n([^]*?)^```$/m.exec(guide)!;
    const whole = await readFile(new URL("nginx.conf", GUIDE), "utf8");
    const folder = await mkdtemp(`${tmpdir()}/sluice-processes-`);
    const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
      .map((name) => `${name}_temp_path ${folder}/${name};`);
    const both = await replacePorts(
      whole.replace("http {", `http {\naccess_log off;\n${paths.join("\n")}\n${upstream}`)
        .replace("http://127.0.0.1:8080", "http://sluice"),
    );
    const front = Number(/listen (\d+)/.exec(both)![1]);
    const ports = [...both.matchAll(/server 127\.0\.0\.1:(\d+)/g)].map(([, port]) => Number(port));
    assertEquals(ports.length, 4);
    await writeFile(`${folder}/nginx.conf`, both);
    const servers = await Promise.all(
      ports.map((port) =>
        serve({
          port,
          hostname: "127.0.0.1",
          origin: "any",
          message: (conn, data) => conn.send(data),
        })
      ),
    );
    const args = ["-p", folder, "-c", `${folder}/nginx.conf`];
    args.push("-g", `daemon off; pid ${folder}/pid; error_log stderr;`);
    const nginx: ChildProcess = spawn("/usr/sbin/nginx", args, { stdio: "inherit" });
    const ended = new Promise((resolve) => nginx.on("close", resolve));
    const clients: Connection[] = [];
    try {
      await untilAnswered("nginx", async () => {
        clients.push(await connect(`ws://127.0.0.1:${front}/`));
      }, () => true);
      while (clients.length < 8) clients.push(await connect(`ws://127.0.0.1:${front}/`));
      for (const conn of clients) {
        await conn.send("hello");
        assertEquals(await receiveMessage(conn), "hello");
      }
      // Each process of nginx counts its own.
      const used = servers.filter(({ connections }) => connections.size > 0);
      assert(used.length > 1, `${used.length} of the servers have connections`);
      // The one that is down is passed over.
      await servers[0].shutdown();
      const conn = await connect(`ws://127.0.0.1:${front}/`);
      assert(servers.slice(1).some(({ connections }) => connections.size > 0));
      await conn.send("still here");
      assertEquals(await receiveMessage(conn), "still here");
      conn.abort();
    } finally {
      for (const conn of clients) conn.abort();
      nginx.kill("SIGTERM");
      await ended;
      for (const server of servers) await server.shutdown();
      await rm(folder, { recursive: true });
    }
  });
});
