import { after, before, describe } from "node:test";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { connect as connectSocket } from "node:net";
import { tmpdir } from "node:os";
import { serve, type Server } from "../../../mod.ts";
import { connect } from "../../../src/runtimes/shared/client.ts";
import { skipUnless } from "../../support/skip.ts";
import { turn } from "../../support/turn.ts";
import { readTls, tlsPath } from "../../support/tls.ts";
import { createAgent } from "./agents/agent.ts";
import { ClientStage, compressionOf, LIMITS } from "./client_stage.ts";
import { testCell } from "./matrix.ts";
import { speak } from "./own_agent.ts";
import { agentCommand, PeerProcess, TRUST } from "./peer_process.ts";
import type { Kind } from "./scenarios.ts";

/** What a proxy listens at, in its folder, and the port that is behind it. */
interface Door {
  name: string;
  port: string;
  isTls?: true;
}

interface Proxy {
  executable: string;
  /** The name of Debian's package. */
  debian: string;
  /** Writes the configuration, and gives the arguments. */
  configure(folder: string, doors: Door[]): string[];
  /** The argument to tell its version. */
  version: string;
}

const PROXIES: Record<string, Proxy> = {
  nginx: {
    executable: "/usr/sbin/nginx",
    debian: "nginx-light",
    version: "-v",
    configure(folder, doors) {
      const servers = doors.map(({ name, port, isTls }) => `
  server {
    listen unix:${folder}/${name}.sock${isTls ? " ssl" : ""};
    location / {
      proxy_pass http://127.0.0.1:${port};
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection "upgrade";
      proxy_set_header Host $http_host;
    }
  }`);
      const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map((name) => `  ${name}_temp_path ${folder}/${name};`);
      const configuration = `
daemon off;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log stderr;
events { worker_connections 256; }
http {
  access_log off;
  ssl_certificate ${tlsPath("issued.pem")};
  ssl_certificate_key ${tlsPath("issued_key.pem")};
${paths.join("\n")}${servers.join("")}
}
`;
      writeFileSync(`${folder}/nginx.conf`, configuration);
      return ["-c", `${folder}/nginx.conf`, "-p", folder];
    },
  },
  HAProxy: {
    executable: "/usr/sbin/haproxy",
    debian: "haproxy",
    version: "-v",
    configure(folder, doors) {
      const both = ["issued.pem", "issued_key.pem"].map(readTls);
      writeFileSync(`${folder}/both.pem`, `${both[0]}${both[1]}`);
      const sections = doors.map(({ name, port, isTls }) => `
listen ${name}
  bind unix@${folder}/${name}.sock${isTls ? ` ssl crt ${folder}/both.pem` : ""}
  server sluice 127.0.0.1:${port}
`);
      const configuration = `
global
  maxconn 256
defaults
  mode http
  timeout connect 10s
  timeout client 60s
  timeout server 60s
  timeout tunnel 60s
${sections.join("")}`;
      writeFileSync(`${folder}/haproxy.cfg`, configuration);
      return ["-q", "-f", `${folder}/haproxy.cfg`];
    },
  },
};

/** Waits until something listens at the path. */
async function untilListening(path: string, hasFailed: () => Error | undefined): Promise<void> {
  for (;;) {
    const error = hasFailed();
    if (error !== undefined) throw error;
    const isListening = await new Promise<boolean>((resolve) => {
      const socket = connectSocket(path);
      socket.on("error", () => resolve(false));
      socket.on("connect", () => {
        socket.destroy();
        resolve(true);
      });
    });
    if (isListening) return;
    await turn();
  }
}

/** What the client `ws` is tried with. */
const KINDS: Kind[] = ["plain", "compressed", "compressed alone"];

function doorOf(kind: Kind): string {
  return kind.replace(" ", "-");
}

const CA = readTls("ca.pem");

function portOf({ addr }: Server): string {
  return addr.transport === "tcp" ? `${addr.port}` : "";
}

for (const [name, { executable, debian, version, configure }] of Object.entries(PROXIES)) {
  const skip = skipUnless(
    existsSync(executable),
    `needs ${name} at ${executable}: apt-get install ${debian}`,
  );
  describe(`through ${name}`, () => {
    const stage = new ClientStage();
    let server: Server | undefined;
    let folder = "";
    let proxy: PeerProcess | undefined;
    let client: PeerProcess | undefined;

    before(async () => {
      if (skip) return;
      await stage.start();
      const agent = createAgent("", "");
      const options = { hostname: "127.0.0.1", port: 0, limits: LIMITS };
      const compression = compressionOf("compressed");
      server = await serve({ ...options, compression }, (conn) => speak(agent, conn));
      folder = mkdtempSync(`${tmpdir()}/sluice-`);
      const doors: Door[] = [
        { name: "own", port: portOf(server) },
        { name: "own-tls", port: portOf(server), isTls: true },
        ...KINDS.map((kind) => ({ name: doorOf(kind), port: new URL(stage.url(kind)).port })),
      ];
      let failure: Error | undefined;
      const command = [executable, ...configure(folder, doors)];
      proxy = new PeerProcess(command, {}, (error) => failure = error);
      for (const { name } of doors) {
        await untilListening(`${folder}/${name}.sock`, () => failure);
      }
    });
    after(async () => {
      await client?.stop();
      if (!skip) await stage.stop();
      await server?.shutdown({ timeoutMs: 1 });
      await proxy?.stop();
      if (folder !== "") rmSync(folder, { recursive: true });
    });

    const tellVersion = () => {
      const { stdout, stderr } = spawnSync(executable, [version]);
      return /\d+(\.\d+)+/.exec(`${stdout}${stderr}`)?.[0] ?? "";
    };

    testCell("proxy", `${name}, our client`, skip, () => ({
      version: tellVersion,
      connect(kind) {
        const isTls = kind === "tls";
        return connect(isTls ? "wss://localhost/" : "ws://localhost/", {
          path: `${folder}/own${isTls ? "-tls" : ""}.sock`,
          compression: compressionOf(kind),
          tls: { ca: CA },
          limits: LIMITS,
        });
      },
    }));

    testCell("proxy", `${name}, client ws`, skip, () => {
      const urlOf = (kind: Kind) => `ws+unix:${folder}/${doorOf(kind)}.sock:`;
      const command = agentCommand("Node", "clients", urlOf("plain"), "ws");
      client = new PeerProcess(command, TRUST, (error) => stage.fail("ws", error));
      return { ...stage.reach("ws", urlOf), version: tellVersion };
    });
  });
}
