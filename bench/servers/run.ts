/**
 * Measures whole servers beside each other: `deno task bench:servers`. README.md of this folder says
 * how.
 *
 * @module
 */

import { runSuite } from "./run_suite.ts";
import { SERVERS_SUITE } from "./suite.ts";

await runSuite(SERVERS_SUITE);
