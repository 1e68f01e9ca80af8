/**
 * Measures messages to many: `deno task bench:fanout`. README.md of this folder says how.
 *
 * @module
 */

import { runSuite } from "./run_suite.ts";
import { FAN_OUT_SUITE } from "./suite.ts";

await runSuite(FAN_OUT_SUITE);
