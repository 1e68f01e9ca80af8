import { COMPRESSION_SECTIONS } from "./cases/mod.ts";
import { describeEcho } from "./describe_echo.ts";

describeEcho("compression, no-takeover,", COMPRESSION_SECTIONS, "no-takeover");
