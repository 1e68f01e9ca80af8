/**
 * What nearly all parts stand on. Each part that is loaded later imports all of it, so that bundlers have it in one
 * chunk: by themselves they make one for each group of files that the same parts need.
 *
 * @module
 */

import "../errors.ts";
import "../fifo.ts";
import "../hooks.ts";
import "../loaded_checks.ts";
import "../own_string.ts";
import "../promises.ts";
import "../timers.ts";
import "../values.ts";
import "./byte_collector.ts";
import "./close_code.ts";
import "./concat_bytes.ts";
import "./frame_encoder.ts";
import "./utf8.ts";
