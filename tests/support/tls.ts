/**
 * The certificates of the tests.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The path of a file of the folder `tls`. */
export function tlsPath(name: string): string {
  return fileURLToPath(new URL(`tls/${name}`, import.meta.url));
}

/** Reads a file of the folder `tls`. */
export function readTls(name: string): string {
  return readFileSync(tlsPath(name), "utf8");
}

/** A certificate for this machine, which is its own authority, and its key. */
export const certificate: { cert: string; key: string } = {
  cert: readTls("cert.pem"),
  key: readTls("key.pem"),
};
