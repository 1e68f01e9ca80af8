import { describeAttacks } from "../rig/describe_arenas.ts";
import { scaled } from "../rig/scale.ts";
import { floods } from "./floods.ts";
import { slowHandshakes } from "./slow_handshakes.ts";

const attacks = [...slowHandshakes.filter(({ isSlow }) => !isSlow), ...floods];

describeAttacks("a server under attack", attacks, { floodMs: scaled(250, 1_000) });
