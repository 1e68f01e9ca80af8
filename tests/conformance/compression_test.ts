import { COMPRESSION_SECTIONS } from "./cases/mod.ts";
import { describeEcho } from "./describe_echo.ts";

for (const compression of ["takeover", "no-takeover"] as const) {
  describeEcho(`compression, ${compression},`, COMPRESSION_SECTIONS, compression);
}
