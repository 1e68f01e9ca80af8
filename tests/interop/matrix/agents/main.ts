/**
 * Runs agents, in a process of their own: `main.ts clients URL NAME...` or
 * `main.ts servers CERT_FILE KEY_FILE NAME...`. Each client connects to the URL with its name as the
 * path; of each server, the ports are printed: a line of JSON. It ends with its standard input.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import process from "node:process";
import { clientAgents } from "./clients.ts";
import { serverAgents } from "./servers.ts";

process.stdin.on("end", () => process.exit());
process.stdin.resume();

const [role, ...words] = process.argv.slice(2);
if (role === "clients") {
  const [url, ...names] = words;
  for (const name of names) clientAgents[name](`${url}/${name}`);
} else {
  const [certFile, keyFile, ...names] = words;
  const tls = { cert: readFileSync(certFile, "utf8"), key: readFileSync(keyFile, "utf8") };
  for (const name of names) {
    const ports = { name, port: await serverAgents[name](undefined), tlsPort: 0 };
    ports.tlsPort = await serverAgents[name](tls);
    console.log(JSON.stringify(ports));
  }
}
