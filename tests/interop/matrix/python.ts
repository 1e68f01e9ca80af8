/**
 * Python, and its package `websockets`.
 *
 * @module
 */

import { spawnSync } from "node:child_process";
import { skipUnless } from "../../support/skip.ts";

/** The interpreter that Debian's packages are for. */
export const PYTHON = "/usr/bin/python3";

const hasWebsockets =
  spawnSync(PYTHON, ["-c", "import websockets"], { stdio: "ignore" }).status === 0;

/** The `skip` option of tests that need the package. */
export const NEEDS_PYTHON: false | string = skipUnless(
  hasWebsockets,
  "needs Python's websockets: apt-get install python3-websockets",
);
