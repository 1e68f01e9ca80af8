// The globals of the three runtimes, for tsc: Deno knows its own, and reads no "types" from here.
/// <reference types="node" />
/// <reference types="bun" />
/// <reference types="deno" />
