// @once: the tools run on Deno and Node, whatever is tested.

import { describe, it } from "node:test";
import { assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { replacePorts } from "../../tools/example_ports.ts";

describe("replacePorts()", () => {
  it("listens on any port, where it is not named again", async () => {
    assertEquals(await replacePorts("serve({ port: 8080 });"), "serve({ port: 0 });");
    assertEquals(await replacePorts("server.listen(8443);"), "server.listen(0);");
    assertEquals(
      await replacePorts("a({ port: 8080 }); b({ port: 8081 });"),
      "a({ port: 0 }); b({ port: 0 });",
    );
  });

  it("gives a port that is named again the same number everywhere, and no other one that", async () => {
    const code = "serve({ port: 8080 }); connect('ws://127.0.0.1:8080/', 8081);";
    const [first, second] = [await replacePorts(code), await replacePorts(code)];
    const match = /^serve\(\{ port: (\d+) \}\); connect\('ws:\/\/127\.0\.0\.1:(\d+)\/', (\d+)\);$/;
    assertMatch(first, match);
    const [, listened, connected, other] = match.exec(first)!;
    assertEquals(listened, connected);
    assertNotEquals(listened, other);
    assertNotEquals(match.exec(second)![1], listened);
  });

  it("leaves other numbers alone", async () => {
    const code = "serve({ port: 9000 }); const size = 80_000 + 18080 + 1024;";
    assertEquals(await replacePorts(code), code);
  });
});
