import { describe, it } from "node:test";
import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { readFile } from "node:fs/promises";
import { parseCommandLine, UsageError } from "../../src/cli/command_line.ts";
import { CliRun } from "./memory_io.ts";

const URL_ARGUMENT = "ws://127.0.0.1:1/";
const FLAGS = [
  "--header",
  "--subprotocol",
  "--compression",
  "--binary",
  "--timeout",
  "--proxy",
  "--insecure",
  "--ca",
  "--ping",
  "--wait",
  "--count",
  "--help",
  "--version",
];

describe("the command line", () => {
  it("is a URL, and what the flags say", () => {
    const args = [
      "-H",
      "Cookie: a=b: c",
      "--header=X-Empty:",
      "-s",
      "chat.v2",
      "--subprotocol",
      "chat.v1",
      "-cbk",
      "--timeout=5",
      "--proxy",
      "http://proxy:3128",
      "--ping",
      "1000",
      "--count",
      "3",
      URL_ARGUMENT,
    ];
    assertEquals(parseCommandLine(args), {
      url: URL_ARGUMENT,
      options: {
        headers: [["Cookie", "a=b: c"], ["X-Empty", ""]],
        subprotocols: ["chat.v2", "chat.v1"],
        compression: true,
        connectTimeoutMs: 5,
        proxy: "http://proxy:3128",
        tls: { rejectUnauthorized: false },
      },
      caFile: undefined,
      isBinary: true,
      pingMs: 1000,
      waitMs: Infinity,
      count: 3,
    });
  });

  it("waits for a second of silence, unless --wait or --count is given", () => {
    const waitMsOf = (...args: string[]) => {
      const commandLine = parseCommandLine([...args, URL_ARGUMENT]);
      return typeof commandLine === "object" && commandLine.waitMs;
    };
    assertEquals(waitMsOf(), 1000);
    assertEquals(waitMsOf("--count", "1"), Infinity);
    assertEquals(waitMsOf("--count", "1", "--wait", "5"), 5);
    assertEquals(waitMsOf("--wait", "Infinity"), Infinity);
    assertEquals(waitMsOf("--wait", "0"), 0);
  });

  const BAD: [args: string[], said: string][] = [
    [[], "got 0"],
    [[URL_ARGUMENT, URL_ARGUMENT], "got 2"],
    [["--nonsense", URL_ARGUMENT], "--nonsense"],
    [["--header", "no colon", URL_ARGUMENT], "--header"],
    [["--header", ": value", URL_ARGUMENT], "--header"],
    [["--timeout", "0", URL_ARGUMENT], "--timeout"],
    [["--timeout", "2147483648", URL_ARGUMENT], "--timeout"],
    [["--ping", "1s", URL_ARGUMENT], "--ping"],
    [["--wait", "-1", URL_ARGUMENT], "--wait"],
    [["--count", "0", URL_ARGUMENT], "--count"],
    [["--insecure", "--ca", "file", URL_ARGUMENT], "--ca"],
  ];
  for (const [args, said] of BAD) {
    it(`may not be ${JSON.stringify(args.join(" "))}`, () => {
      const error = assertThrows(() => parseCommandLine(args), UsageError);
      assertStringIncludes(error.message, said);
    });
  }

  it("is told by --help", async () => {
    for (const flag of ["--help", "-h"]) {
      const cli = new CliRun([flag]);
      assertEquals(await cli.status, 0);
      for (const name of FLAGS) assertStringIncludes(cli.output, name);
      assertEquals(cli.stderr, "");
      assertEquals(cli.output.split("\n").filter((line) => line.length > 100), []);
    }
  });

  it("tells the version of the package with --version", async () => {
    const cli = new CliRun(["--version"]);
    assertEquals(await cli.status, 0);
    const { version } = JSON.parse(
      await readFile(new URL("../../deno.json", import.meta.url), "utf8"),
    );
    assertEquals(cli.output, `sluice ${version}\n`);
  });

  const REFUSED: [args: string[], said: string][] = [
    [[], "one URL"],
    [["not a url"], "not a url"],
    [["ftp://127.0.0.1/"], "scheme"],
    [["ws://127.0.0.1/#a"], "fragment"],
    [["ftp://127.0.0.1/?token=secret"], "ftp://127.0.0.1/?...: "],
    [["ws://a b/?token=secret"], '"ws://a b/?...": '],
    [["-H", "a b: c", URL_ARGUMENT], "a b"],
    [["-s", "a b", URL_ARGUMENT], "a b"],
    [["--proxy", "socks://127.0.0.1", URL_ARGUMENT], "proxy"],
    [["--ca", "/nowhere/ca.pem", "wss://127.0.0.1:1/"], "/nowhere/ca.pem"],
  ];
  for (const [args, said] of REFUSED) {
    it(`ends with status 2 and one line for ${JSON.stringify(args.join(" "))}`, async () => {
      const cli = new CliRun(args);
      assertEquals(await cli.status, 2);
      assertMatch(cli.stderr, /^sluice: [^\n]+; --help shows how to use it\n$/);
      assertStringIncludes(cli.stderr, said);
      assert(!cli.stderr.includes("secret"), cli.stderr);
      assertEquals(cli.output, "");
    });
  }
});
