import process from "node:process";

/** Gives the value of an environment variable. Deno asks for the permission. */
export function readEnvironment(name: string): string | undefined {
  return process.env[name];
}
