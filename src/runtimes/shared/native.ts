/**
 * What `node:buffer` does faster than portable code, on all three runtimes.
 *
 * @module
 */

import { isUtf8 } from "node:buffer";
import { useNative } from "../../codec/native.ts";

useNative({ isUtf8 });
