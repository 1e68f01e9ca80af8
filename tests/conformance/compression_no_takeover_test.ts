import { describeCompressedEcho } from "./compressed_echo.ts";

describeCompressedEcho("no-takeover");
