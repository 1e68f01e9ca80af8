/**
 * The upgrades of one HTTP server, shared among those who are attached to it.
 *
 * @module
 */

import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { checkOneOf, checkOptions, type Names, show } from "../../checks.ts";
import { systemTurns } from "../../connection/turns.ts";
import { HandshakeError } from "../../errors.ts";
import { includesToken } from "../../http1/field_values.ts";

/** Takes what the event `"upgrade"` gives. */
export type UpgradeListener = (
  this: void,
  request: IncomingMessage,
  socket: Duplex,
  head: Uint8Array,
) => void;

/** What is needed of an HTTP server: those of `node:http` and `node:https` have it. */
export interface UpgradeServer {
  /** Tells where it listens. */
  address(): unknown;
  /** Counts who listens for an event. */
  listenerCount(event: "upgrade"): number;
  /** Lists who listens for an event. */
  listeners(event: "upgrade"): unknown[];
  /** Removes a listener. */
  off(event: "upgrade" | "connection", listener: UpgradeListener): unknown;
  /** Adds a listener. */
  on(event: "connection", listener: () => void): unknown;
  /** Adds a listener, before all others. */
  prependListener(event: "upgrade", listener: UpgradeListener): unknown;
  /** Says whether a request to upgrade is one; otherwise it is answered as any other. Node has it since 22.21. */
  shouldUpgradeCallback?: ((request: IncomingMessage) => boolean) | undefined;
}

/** Which upgrades of an HTTP server are taken. */
export interface AttachOptions {
  /**
   * The path, or the paths, whose upgrades are taken: all others are left alone. A path begins with a slash,
   * and is compared with that of the request's URL, as the hook `upgrade` sees it: with `.` and `..`
   * resolved, without the query. Otherwise each character counts: `"/chat"` is neither `"/Chat"`, nor
   * `"/chat/"`, nor `"/%63hat"`. With `/*` at its end it stands for all that is below: `"/rooms/*"` takes
   * `"/rooms/"` and `"/rooms/a/b"`, but not `"/rooms"`; `"/*"` takes everything.
   */
  path: string | readonly string[];
  /**
   * What becomes of an upgrade to WebSocket with another path, when others listen for the upgrades of this server too.
   *
   * - `"leave"`: it is theirs, and nothing at all is done with it: not even a listener for errors is added.
   *   What they do not want they have to refuse themselves.
   * - `"refuse"`: it is refused with 404. Only for a server whose other listeners for upgrades, if there are
   *   any, merely watch.
   *
   * When nobody else listens for upgrades, nobody else could answer: then it is refused with 404 in any case.
   *
   * @default {"leave"}
   */
  others?: "leave" | "refuse" | undefined;
}

/** Takes and refuses upgrades. */
interface Taker {
  handleUpgrade: UpgradeListener;
  /** Refuses with 404, or as the error says. */
  refuseUpgrade(...given: [...Parameters<UpgradeListener>, error?: HandshakeError]): void;
  /** Whether another that has the same path is to take what comes from now on. */
  givesWay(): boolean;
}

/** One call of `attach`. */
interface Attachment {
  readonly taker: Taker;
  readonly paths: ReadonlySet<string>;
  /** What paths begin with, up to a slash. */
  readonly folders: readonly string[];
  readonly refusesOthers: boolean;
}

const OPTIONS: Names<AttachOptions> = { path: true, others: true };

/**
 * The attachments of each server, which have one listener together: so that none refuses what is another's.
 */
const servers: WeakMap<UpgradeServer, UpgradesOf> = new WeakMap();

/**
 * Has a taker take the upgrades of a server that have its paths.
 *
 * @returns Undoes it. Calling it again changes nothing.
 * @throws {TypeError} Where the server is none of `node:http` or `node:https`, or an option is unknown or
 * of another type, or there is no path.
 */
export function attachTo(server: UpgradeServer, options: AttachOptions, taker: Taker): () => void {
  checkServer(server);
  const attachment = { taker, ...resolveOptions(options) };
  let upgrades = servers.get(server);
  if (upgrades === undefined) servers.set(server, upgrades = new UpgradesOf(server));
  return upgrades.add(attachment);
}

/** More connections may wait to be accepted. */
function letAccept(): void {
  systemTurns.rest();
}

/** The upgrades of one server. */
class UpgradesOf {
  readonly #server: UpgradeServer;
  /** In the order they were attached in: the first that wants an upgrade gets it. */
  readonly #attachments: Set<Attachment> = new Set();
  /** Gives the server back its `shouldUpgradeCallback`. */
  #restore: () => void = () => {};

  constructor(server: UpgradeServer) {
    this.#server = server;
  }

  add(attachment: Attachment): () => void {
    if (this.#attachments.size === 0) {
      this.#restore = this.#askBeforeUpgrades();
      this.#server.on("connection", letAccept);
    }
    this.#attachments.add(attachment);
    // Frameworks remove all listeners now and then. Before others, so that one who listens only once is
    // still among those who are counted.
    this.#server.off("upgrade", this.#onUpgrade);
    this.#server.prependListener("upgrade", this.#onUpgrade);
    return () => {
      if (!this.#attachments.delete(attachment) || this.#attachments.size > 0) return;
      // Without any listener, upgrades are plain requests for the server.
      this.#server.off("upgrade", this.#onUpgrade);
      this.#server.off("connection", letAccept);
      this.#restore();
    };
  }

  /**
   * Has the server answer what asks for another protocol as if it had not (RFC 9110, section 7.8), where
   * nobody else listens for upgrades: `curl --http2`, or the HTTP client of Java, ask for `h2c` at all times.
   */
  #askBeforeUpgrades(): () => void {
    const server = this.#server;
    const before = server.shouldUpgradeCallback;
    if (typeof before !== "function") return () => {};
    const callback = (request: IncomingMessage): boolean =>
      (asksForWebSocket(request) || !this.#decidesAlone) && before.call(server, request);
    server.shouldUpgradeCallback = callback;
    return () => {
      // Others may have replaced it since.
      if (server.shouldUpgradeCallback === callback) server.shouldUpgradeCallback = before;
    };
  }

  /** Whether nobody else listens for upgrades, or only watches. */
  get #decidesAlone(): boolean {
    const listeners = this.#server.listeners("upgrade");
    if (!listeners.includes(this.#onUpgrade)) return false;
    return listeners.length === 1 ||
      [...this.#attachments].some(({ refusesOthers }) => refusesOthers);
  }

  readonly #onUpgrade: UpgradeListener = (request, socket, head) => {
    if (!asksForWebSocket(request)) {
      // Of a server that has no `shouldUpgradeCallback`.
      const [first] = this.#attachments;
      if (this.#decidesAlone) first!.taker.refuseUpgrade(request, socket, head, notWebSocket());
      else socket.on("error", () => {});
      return;
    }
    const path = pathOf(request.url ?? "");
    let refuser: Taker | undefined;
    for (const attachment of this.#attachments) {
      const pattern = path === undefined ? undefined : patternOf(attachment, path);
      if (pattern !== undefined) {
        this.#successorOf(attachment, pattern).taker.handleUpgrade(request, socket, head);
        return;
      }
      if (attachment.refusesOthers || this.#server.listenerCount("upgrade") === 1) {
        refuser ??= attachment.taker;
      }
    }
    if (refuser !== undefined) refuser.refuseUpgrade(request, socket, head);
    // If others leave it too, an error of its socket would end the process.
    else socket.on("error", () => {});
  };

  /** Gives the attachment itself, or, where it gives way, the first other with the same pattern. */
  #successorOf(attachment: Attachment, pattern: string): Attachment {
    if (!attachment.taker.givesWay()) return attachment;
    const hasPattern = ({ paths, folders, taker }: Attachment) =>
      !taker.givesWay() && (paths.has(pattern) || folders.includes(pattern));
    return [...this.#attachments].find(hasPattern) ?? attachment;
  }
}

function asksForWebSocket({ headers }: IncomingMessage): boolean {
  return includesToken(headers?.upgrade ?? "", "websocket");
}

function notWebSocket(): HandshakeError {
  const reason = "Cannot upgrade to another protocol than websocket: ask without an Upgrade field";
  return new HandshakeError(501, reason);
}

/** Gives what has the attachment take a path: the path itself, or its folder. */
function patternOf({ paths, folders }: Attachment, path: string): string | undefined {
  return paths.has(path) ? path : folders.find((folder) => path.startsWith(folder));
}

/** Gives the path of a request target, as the URL of the request has it. */
function pathOf(target: string): string | undefined {
  try {
    // What begins with two slashes is no URL without a scheme here.
    return new URL(target.startsWith("/") ? `http://host${target}` : target).pathname;
  } catch {
    return undefined;
  }
}

function checkServer(server: UpgradeServer): void {
  const methods = ["address", "listenerCount", "listeners", "off", "prependListener"] as const;
  if (methods.every((name) => typeof server?.[name] === "function")) return;
  throw new TypeError(
    `Cannot attach to ${
      typeof server === "function" ? "a function" : show(server)
    }: give a server ` +
      "of node:http or node:https, such as createServer(app) returns",
  );
}

function resolveOptions(options: AttachOptions): Omit<Attachment, "taker"> {
  checkOptions("attach", options, OPTIONS);
  const { path, others = "leave" } = options;
  checkOneOf("others", others, ["leave", "refuse"]);
  const given: unknown[] = Array.isArray(path) ? path : [path];
  if (given.length === 0) throw new TypeError("Cannot attach without a path: path is empty");
  const patterns = given.map(resolvePath);
  return {
    paths: new Set(patterns.filter((pattern) => !pattern.endsWith("*"))),
    folders: patterns.filter((pattern) => pattern.endsWith("*")).map((text) => text.slice(0, -1)),
    refusesOthers: others === "refuse",
  };
}

/** Checks a path, and gives it as URLs have it, with the star at its end. */
function resolvePath(path: unknown): string {
  if (typeof path === "string" && path.startsWith("/")) {
    const star = path.endsWith("/*") ? "*" : "";
    const rest = path.slice(0, path.length - star.length);
    // What other routers take for a pattern would never be asked for.
    if (!/[*?#]|\/:/.test(rest)) return new URL(`http://host${rest}`).pathname + star;
  }
  throw new TypeError(
    `path must begin with a slash, and may end with "/*"; it has no other "*", no "?", no "#", and no ` +
      `":" behind a slash, got ${show(path)}`,
  );
}
