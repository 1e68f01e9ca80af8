// @once: the tools run on Deno and Node, whatever is tested.

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { parseJUnit } from "../../tools/junit.ts";

const DENO = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="deno test" tests="7" failures="1" errors="0" time="0.093">
    <testsuite name="./tests/x_test.ts" tests="3" disabled="1" errors="0" failures="1">
        <testcase name="outer" classname="./tests/x_test.ts" time="0.005" line="4" col="1">
            <failure message="1 test step failed">1 test step failed.</failure>
        </testcase>
        <testcase name="top" classname="./tests/x_test.ts" time="0.000" line="21" col="1">
        </testcase>
        <testcase name="no python" classname="./tests/x_test.ts" time="0.000" line="26" col="10">
            <skipped/>
        </testcase>
    </testsuite>
    <testsuite name="ext:deno_node/testing.ts" tests="4" disabled="0" errors="0" failures="1">
        <testcase name="outer &gt; inner" classname="ext" time="0.002" line="1" col="2">
        </testcase>
        <testcase name="outer &gt; inner &gt; &quot;one&quot; &amp; only" classname="ext" time="0" line="1">
        </testcase>
        <testcase name="outer &gt; two" classname="ext" time="0.000" line="1" col="21231">
            <failure message="Uncaught Error: boo

">Error: boo
    at &lt;anonymous&gt;</failure>
        </testcase>
    </testsuite>
</testsuites>`;

const BUN = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="bun test" tests="4" assertions="0" failures="1" skipped="1" time="0.14">
  <testsuite name="tests/x_test.ts" file="tests/x_test.ts" tests="4" skipped="1" hostname="vm">
    <testsuite name="outer" file="tests/x_test.ts" line="4" tests="2" hostname="vm">
      <testsuite name="inner" file="tests/x_test.ts" line="9" tests="1" hostname="vm">
        <testcase name="&quot;one&quot; &amp; only" classname="inner &gt; outer" time="0" line="11" />
      </testsuite>
      <testcase name="two" classname="outer" time="0.002042" line="22">
        <failure type="Error" message="boo">Error: boo&#10;    at &lt;anonymous&gt;</failure>
      </testcase>
    </testsuite>
    <testcase name="top" classname="" time="0.000014" file="tests/x_test.ts" line="21" />
    <testcase name="no python" classname="" time="0" file="tests/x_test.ts" line="15">
      <skipped />
    </testcase>
  </testsuite>
</testsuites>`;

const NODE = `<?xml version="1.0" encoding="utf-8"?>
<testsuites>
	<testsuite name="outer" time="0.003" disabled="0" errors="0" tests="2" skipped="0" hostname="vm">
		<testsuite name="inner" time="0.001" disabled="0" errors="0" tests="1" hostname="vm">
			<testcase name="&quot;one&quot; &amp; only" time="0.000715" classname="test"/>
		</testsuite>
		<testcase name="two" time="0.000950" classname="test" failure="a > b">
			<failure type="testCodeFailure" message="a > b">
Error: boo
    at &lt;anonymous>
			</failure>
		</testcase>
	</testsuite>
	<testcase name="top" time="0.000149" classname="test"/>
	<testcase name="no python" time="0.000052" classname="test">
		<skipped type="skipped" message="needs python3"/>
	</testcase>
	<!-- Error: <testcase name="not a test"/> -->
	<!-- tests 4 -->
</testsuites>`;

const PASSED = { name: 'outer > inner > "one" & only', outcome: "passed", detail: "" } as const;
const FAILED = {
  name: "outer > two",
  outcome: "failed",
  detail: "Error: boo\n    at <anonymous>",
} as const;
const TOP = { name: "top", outcome: "passed", detail: "" } as const;
const SKIPPED = { name: "no python", outcome: "skipped", detail: "" } as const;

describe("parseJUnit()", () => {
  it("reads Deno's report, without the suites", () => {
    assertEquals(parseJUnit(DENO), [TOP, SKIPPED, PASSED, FAILED]);
  });

  it("reads Bun's report", () => {
    assertEquals(parseJUnit(BUN), [PASSED, FAILED, TOP, SKIPPED]);
  });

  it("reads Node's report, with the reason of a skip", () => {
    const skipped = { ...SKIPPED, detail: "needs python3" };
    assertEquals(parseJUnit(NODE), [PASSED, FAILED, TOP, skipped]);
  });

  it("keeps a suite that failed though its tests passed", () => {
    const xml = `<testsuites><testsuite name="./x_test.ts">
      <testcase name="outer"><failure message="hook">a hook failed</failure></testcase>
      <testcase name="outer &gt; one"></testcase>
    </testsuite></testsuites>`;
    assertEquals(parseJUnit(xml), [
      { name: "outer", outcome: "failed", detail: "a hook failed" },
      { name: "outer > one", outcome: "passed", detail: "" },
    ]);
  });

  it("gives nothing for a report that was not written", () => {
    assertEquals(parseJUnit(""), []);
  });
});
