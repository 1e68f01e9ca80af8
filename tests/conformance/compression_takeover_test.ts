import { COMPRESSION_SECTIONS } from "./cases/mod.ts";
import { describeEcho } from "./describe_echo.ts";

describeEcho("compression, takeover,", COMPRESSION_SECTIONS, "takeover");
