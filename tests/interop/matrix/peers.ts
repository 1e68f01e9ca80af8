/**
 * The peers of the matrix: what they are, what their programs can be told to do, and the bugs they
 * have. `docs/interop.md` has a row for each.
 *
 * @module
 */

/** What not every library lets its program do. */
export type Ability =
  /** Offers or agrees to permessage-deflate. */
  | "compression"
  /** Compresses what it sends, where that is agreed upon. */
  | "deflate"
  /** Sends a message in fragments when told. */
  | "fragments"
  /** Sends a Ping when told, and tells of the Pong. */
  | "ping"
  /** Sends any close code when told; all send 1000 and 3000 to 4999. */
  | "all close codes"
  /** Speaks over TLS, in this matrix. */
  | "tls";

/** Which side the peer is: a client of our server, a server of our client, or in between. */
export type Role = "client" | "server" | "proxy";

/** What a peer does wrong. */
export interface PeerBug {
  /** The scenario that it fails. */
  scenario: string;
  /** What it does, for people. */
  bug: string;
  /** What the failure says: the scenario must fail so; without, it is not tried. */
  failure?: RegExp;
  /** Whether it may also pass. */
  isSometimes?: true;
}

/** A row of the matrix. */
export interface PeerRow {
  role: Role;
  name: string;
  abilities: ReadonlySet<Ability>;
  bugs: readonly PeerBug[];
}

function row(role: Role, name: string, abilities: Ability[], bugs: PeerBug[] = []): PeerRow {
  return { role, name, abilities: new Set(abilities), bugs };
}

const ALL: Ability[] = ["compression", "deflate", "fragments", "ping", "all close codes", "tls"];
const WEBSOCKET_BUGS: PeerBug[] = [{
  scenario: "our close codes and reasons",
  bug: 'reports the reason "Normal connection closure" to its program if the Close frame had none',
  failure: /Normal connection closure/,
}];

const LIBWEBSOCKETS_BUGS: PeerBug[] = [{
  scenario: "our pings",
  bug:
    "of several Pings that arrive at once, it answers only the first; RFC 6455 allows to answer " +
    "only the latest (section 5.5.3)",
  failure: /Pings answered of 3/,
  isSometimes: true,
}];

const THROUGH_PROXY = ALL.filter((ability) => ability !== "tls");

/** All rows, in the order of the document. */
export const PEER_ROWS: readonly PeerRow[] = [
  row("client", "ws", ALL),
  row("client", "undici", ["compression", "tls"]),
  row("client", "websocket", ["fragments", "ping", "all close codes", "tls"], WEBSOCKET_BUGS),
  row("client", "faye-websocket", ["ping"]),
  row("client", "Deno's own", ["tls"]),
  row("client", "Bun's own", ["compression", "deflate", "tls"]),
  row("client", "Node's own", ["compression", "tls"]),
  row("client", "websockets (Python)", ALL),
  row("client", "libwebsockets (C)", ALL, LIBWEBSOCKETS_BUGS),
  row("client", "Chromium", ["compression", "deflate"]),
  row("client", "Firefox", ["compression", "deflate"]),
  row("server", "ws", ALL),
  row("server", "websocket", ["fragments", "ping", "all close codes", "tls"], WEBSOCKET_BUGS),
  row("server", "faye-websocket", ["ping", "tls"]),
  row("server", "Bun.serve", ["compression", "deflate", "ping", "all close codes", "tls"]),
  row("server", "Deno.upgradeWebSocket", ["tls"]),
  row("server", "websockets (Python)", ALL),
  row("proxy", "nginx, our client", ALL),
  row("proxy", "nginx, client ws", THROUGH_PROXY),
  row("proxy", "HAProxy, our client", ALL),
  row("proxy", "HAProxy, client ws", THROUGH_PROXY),
];

/** Finds a row. */
export function peerRow(role: Role, name: string): PeerRow {
  const found = PEER_ROWS.find((row) => row.role === role && row.name === name);
  if (found === undefined) throw new Error(`Cannot find the ${role} "${name}": it has no row`);
  return found;
}
