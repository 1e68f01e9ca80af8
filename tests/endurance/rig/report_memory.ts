/**
 * On SIGHUP, collects garbage and prints what memory is in use then.
 *
 * @module
 */

import process from "node:process";
import { collectGarbage } from "../../support/collect_garbage.ts";

process.on("SIGHUP", async () => console.log(`memory ${await collectGarbage(4)}`));
