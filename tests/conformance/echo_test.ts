import { SECTIONS } from "./cases/mod.ts";
import { describeEcho } from "./describe_echo.ts";

describeEcho("conformance", SECTIONS);
