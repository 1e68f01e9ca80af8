// @engines: it asks nothing of a runtime but its engine.

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { addressGroup } from "../../src/transport/address_group.ts";

const GROUPS: [group: string, hostnames: string[]][] = [
  ["192.0.2.1", [
    "192.0.2.1",
    "::ffff:192.0.2.1",
    "::FFFF:192.0.2.1",
    "::FFFF:c000:201",
    "0:0:0:0:0:ffff:c000:0201",
  ]],
  ["192.0.2.11", ["192.0.2.11"]],
  ["0:0:0:0::/64", ["::1", "::", "0:0:0:0:0:0:0:1", "::1.2.3.4"]],
  ["64:ff9b:0:0::/64", ["64:ff9b::192.0.2.1"]],
  ["2001:db8:1:2::/64", ["2001:db8:1:2:3:4:5:6", "2001:0DB8:0001:0002::"]],
  ["2001:db8:0:1::/64", [
    "2001:db8:0:1::1",
    "2001:0DB8:0:1:ffff:ffff:ffff:ffff",
    "2001:db8::1:1:2:3:4",
  ]],
  ["2001:db8:0:2::/64", ["2001:db8:0:2::1", "2001:db8:0:2:1:2:3.4.5.6"]],
  ["2001:db8:0:0::/64", ["2001:db8::1", "2001:db8::", "2001:db8::6"]],
  ["fe80:0:0:0::/64", ["fe80::1%eth0", "fe80::2%2", "fe80::1:2:3:4%eth0"]],
];

describe("the group of an address", () => {
  for (const [group, hostnames] of GROUPS) {
    it(`is ${group} for ${hostnames.join(", ")}`, () => {
      for (const hostname of hostnames) {
        assertEquals(addressGroup({ transport: "tcp", hostname, port: 1 }), group);
      }
    });
  }

  it("is the transport if there is no IP address", () => {
    assertEquals(addressGroup({ transport: "unix", path: "/a" }), "unix");
    assertEquals(addressGroup({ transport: "unix", path: "" }), "unix");
    assertEquals(addressGroup({ transport: "stream" }), "stream");
  });
});
