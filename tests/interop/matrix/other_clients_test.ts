import { after, before, describe } from "node:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { skipUnless } from "../../support/skip.ts";
import { tlsPath } from "../../support/tls.ts";
import { ClientStage } from "./client_stage.ts";
import { testCell } from "./matrix.ts";
import { pathOf, PeerProcess } from "./peer_process.ts";
import { NEEDS_PYTHON, PYTHON } from "./python.ts";

const stage = new ClientStage();

/** Registers the tests of a client that is a program. */
function testProgram(name: string, path: string, skip: false | string, command: () => string[]) {
  let process: PeerProcess | undefined;
  testCell("client", name, skip, () => {
    process = new PeerProcess(command(), {}, (error) => stage.fail(path, error));
    return stage.reach(path);
  }, () => process?.stop());
}

/** Tells whether a C program can be built with libwebsockets here. */
function canCompile(): boolean {
  const program = "#include <libwebsockets.h>\n";
  return spawnSync("cc", ["-E", "-"], { input: program, stdio: ["pipe", "ignore", "ignore"] })
    .status === 0;
}

describe("our server, clients in other languages", () => {
  let folder = "";

  before(async () => {
    folder = mkdtempSync(`${tmpdir()}/sluice-`);
    await stage.start();
  });
  after(async () => {
    await stage.stop();
    rmSync(folder, { recursive: true });
  });

  testProgram("websockets (Python)", "python", NEEDS_PYTHON, () => {
    const script = pathOf("agents/websockets_agent.py");
    return [PYTHON, script, "client", `${stage.url()}/python`, tlsPath("ca.pem")];
  });

  const needsC = skipUnless(
    canCompile(),
    "needs libwebsockets and a C compiler: apt-get install gcc libc6-dev libwebsockets-dev",
  );
  testProgram("libwebsockets (C)", "c", needsC, () => {
    const program = `${folder}/agent`;
    const source = pathOf("agents/libwebsockets_agent.c");
    const { status, stderr } = spawnSync("cc", ["-O1", "-o", program, source, "-lwebsockets"]);
    if (status !== 0) throw new Error(`Cannot compile ${source}: ${stderr}`);
    return [program, `${stage.url()}/c`, tlsPath("ca.pem")];
  });
});
