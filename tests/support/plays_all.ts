import process from "node:process";

const [major] = process.versions.node.split(".");

/**
 * Whether this is the runtime, the newest Node, on which what is longest is played whole. On the others
 * a part of it is played: what differs between runtimes shows in that.
 */
export const playsAll: boolean = !("Deno" in globalThis || "Bun" in globalThis) &&
  Number(major) >= 26;
