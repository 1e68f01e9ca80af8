import { describe, it } from "node:test";
import { assertEquals, assertMatch } from "@std/assert";
import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import { replacePorts } from "../../tools/example_ports.ts";
import { extractExamples } from "../../tools/extract_examples.ts";
import { TestProcess } from "../support/child_process.ts";
import { skipUnless } from "../support/skip.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const hasOpenssl = spawnSync("openssl", ["version"]).status === 0;
const skip = skipUnless(hasOpenssl, "needs openssl: apt-get install openssl");

/** Connects by the TLS that the runtime has of its own, which may be stricter than that of Sluice's client. */
const OWN_CLIENT = `import { readFile } from "node:fs/promises";
import { connect as connectTls } from "node:tls";

async function connect(port) {
  const ca = await readFile("cert.pem", "utf8");
  if ("Deno" in globalThis) {
    const conn = await Deno.connectTls({ hostname: "localhost", port, caCerts: [ca] });
    await conn.handshake();
    conn.close();
  } else {
    await new Promise((resolve, reject) => {
      const socket = connectTls({ host: "localhost", port, ca }, () => resolve(socket.destroy()));
      socket.on("error", reject);
    });
  }
}

`;

describe("the guide to TLS", () => {
  it("makes a certificate, serves with it, and connects", { skip }, async () => {
    const guide = await readFile(`${root}docs/tls.md`, "utf8");
    const [server, client] = extractExamples("docs/tls.md", guide).map(({ code }) => code);
    const command = /```sh\n(openssl [^]*?)```/.exec(guide)![1];
    await mkdir(`${root}.tmp`, { recursive: true });
    // Inside the repository, since the snippets import the package by its name.
    const folder = await mkdtemp(`${root}.tmp/guide-`);
    try {
      assertEquals(spawnSync("sh", ["-c", command], { cwd: folder }).status, 0);
      const own = server.replace("fullchain.pem", "cert.pem").replace("privkey.pem", "key.pem");
      const both = (await replacePorts(`${own}// next\n${client}`)).split("// next\n");
      await writeFile(`${folder}/server.ts`, both[0]);
      await writeFile(`${folder}/client.ts`, both[1]);
      const [, port] = /wss:\/\/localhost:(\d+)/.exec(both[1])!;
      const main = 'await import("./server.ts");\nawait import("./client.ts");\n' +
        `await connect(${port});\nprocess.exit(0);\n`;
      await writeFile(`${folder}/main.ts`, `${OWN_CLIENT}${main}`);
      const program = new TestProcess({ url: pathToFileURL(`${folder}/main.ts`), cwd: folder });
      assertEquals(await program.ended, 0, program.errors);
      assertMatch(program.printed, /^\d[\d.]*\s*$/);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
