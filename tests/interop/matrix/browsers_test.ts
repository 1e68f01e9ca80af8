import { after, before, describe } from "node:test";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { skipUnless } from "../../support/skip.ts";
import { createAgent, runStandardAgent } from "./agents/agent.ts";
import { ClientStage } from "./client_stage.ts";
import { testCell } from "./matrix.ts";
import { PeerProcess } from "./peer_process.ts";

/** What a browser runs: functions of this repository, as the runtime has them, without types. */
const PAGE = `<!doctype html>
<title>Agent</title>
<link rel="icon" href="data:,">
<script>
${createAgent}
${runStandardAgent}
const [, version] = /(?:Chrome|Firefox)\\/([\\d.]+)/.exec(navigator.userAgent);
const agent = createAgent(version, "ws://" + location.host + location.pathname);
runStandardAgent(agent, (url) => new WebSocket(url), () => {});
</script>
`;

interface Browser {
  executable: string;
  /** The name of Debian's package. */
  debian: string;
  command(executable: string, folder: string, url: string): string[];
}

const BROWSERS: Record<string, Browser> = {
  Chromium: {
    executable: "/usr/bin/chromium",
    debian: "chromium",
    command: (executable, folder, url) => [
      executable,
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--remote-debugging-port=0",
      `--user-data-dir=${folder}`,
      url,
    ],
  },
  Firefox: {
    executable: "/usr/bin/firefox-esr",
    debian: "firefox-esr",
    command(executable, folder, url) {
      writeFileSync(`${folder}/user.js`, FIREFOX_PREFERENCES);
      return [executable, "--headless", "--no-remote", "--profile", folder, url];
    },
  },
};

/** Nothing but the page: no first-run page, no look-ups, no updates. */
const FIREFOX_PREFERENCES = Object.entries({
  "app.normandy.enabled": false,
  "app.update.disabledForTesting": true,
  "browser.aboutwelcome.enabled": false,
  "browser.shell.checkDefaultBrowser": false,
  "browser.startup.homepage_override.mstone": "ignore",
  "datareporting.policy.dataSubmissionEnabled": false,
  "dom.ipc.processPrelaunch.enabled": false,
  "network.captive-portal-service.enabled": false,
  "network.connectivity-service.enabled": false,
  "toolkit.telemetry.enabled": false,
  "toolkit.telemetry.reportingpolicy.firstRun": false,
}).map(([name, value]) => `user_pref("${name}", ${JSON.stringify(value)});\n`).join("");

describe("our server, browsers", () => {
  const stage = new ClientStage(PAGE);
  let folder = "";

  before(async () => {
    folder = mkdtempSync(`${tmpdir()}/sluice-`);
    await stage.start();
  });
  after(async () => {
    await stage.stop();
    // What a browser leaves behind may still be at work.
    rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
  });

  for (const [name, { executable, debian, command }] of Object.entries(BROWSERS)) {
    const skip = skipUnless(
      existsSync(executable),
      `needs ${name} at ${executable}: apt-get install ${debian}`,
    );
    let process: PeerProcess | undefined;
    testCell("client", name, skip, () => {
      const home = mkdtempSync(`${folder}/`);
      const url = stage.url().replace("ws:", "http:");
      process = new PeerProcess(
        command(executable, home, `${url}/${name}`),
        { HOME: home },
        (error) => stage.fail(name, error),
      );
      return stage.reach(name);
    }, () => process?.stop());
  }
});
