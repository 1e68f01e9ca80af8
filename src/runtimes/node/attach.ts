import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { checkOneOf, checkOptions, invalidType, type Names, show } from "../../checks.ts";
import { systemTurns } from "../../connection/turns.ts";
import { HandshakeError } from "../../errors.ts";
import { includesToken } from "../../http1/field_values.ts";

/** A listener for the event `"upgrade"`. */
export type UpgradeListener = (
  this: void,
  request: IncomingMessage,
  socket: Duplex,
  head: Uint8Array,
) => void;

/** The methods of an HTTP server of `node:http` or `node:https` that are used. */
export interface UpgradeServer {
  /** Gives the address that it listens on. */
  address(): unknown;
  /** Gives the number of listeners for an event. */
  listenerCount(event: "upgrade"): number;
  /** Gives the listeners for an event. */
  listeners(event: "upgrade"): unknown[];
  /** Removes a listener. */
  off(event: "upgrade" | "connection", listener: UpgradeListener): unknown;
  /** Adds a listener. */
  on(event: "connection", listener: () => void): unknown;
  /** Adds a listener before all others. */
  prependListener(event: "upgrade", listener: UpgradeListener): unknown;
  /** Decides whether a request to upgrade is one, or a plain request. Node has it since 22.21. */
  shouldUpgradeCallback?: ((request: IncomingMessage) => boolean) | undefined;
}

/** Options of `attach`: the upgrades of an HTTP server that are taken. */
export interface AttachOptions {
  /**
   * The path, or the paths, of the upgrades to take. A path begins with a slash, and is compared with that of
   * the request's URL, as the hook `upgrade` gets it: with `.` and `..` resolved, without the query. Otherwise
   * every character must match: `"/chat"` does not match `"/Chat"`, `"/chat/"` or `"/%63hat"`. A path that ends
   * with `/*` matches everything below: `"/rooms/*"` matches `"/rooms/"` and `"/rooms/a/b"`, but not
   * `"/rooms"`; `"/*"` matches every path.
   */
  path: string | readonly string[];
  /**
   * The handling of WebSocket upgrades with another path, if the HTTP server has other listeners for upgrades.
   *
   * - `"leave"`: they are left to those listeners, which have to refuse the ones that they do not take. Not even
   *   a listener for errors is added.
   * - `"refuse"`: they are refused with 404. Only for a server whose other listeners for upgrades, if any,
   *   never respond.
   *
   * If there are no other listeners, upgrades with another path are always refused with 404.
   *
   * @default {"leave"}
   */
  others?: "leave" | "refuse" | undefined;
}

interface UpgradeHandler {
  handleUpgrade: UpgradeListener;
  /** Refuses with the error. Default: 404. */
  refuseUpgrade(...given: [...Parameters<UpgradeListener>, error?: HandshakeError]): void;
  /** Whether another attachment with the same path takes precedence, since this one has been shut down. */
  givesWay(): boolean;
}

interface Attachment {
  readonly handler: UpgradeHandler;
  /** Paths, and then folders, which end with a slash and a star. */
  readonly patterns: readonly string[];
  readonly refusesOthers: boolean;
}

const OPTIONS: Names<AttachOptions> = { path: true, others: true };

const OTHER_PROTOCOL =
  "Cannot upgrade to another protocol than websocket: send the request without an Upgrade field";

/** The router of each HTTP server: its attachments share one listener, so that none refuses another's upgrades. */
const routers: WeakMap<UpgradeServer, UpgradeRouter> = new WeakMap();

/** Passes the upgrades of a server that match the paths to `handler`: see `MountedServer.attach`. */
export function attachTo(
  server: UpgradeServer,
  options: AttachOptions,
  handler: UpgradeHandler,
): () => void {
  checkServer(server);
  const attachment = { handler, ...resolveOptions(options) };
  let router = routers.get(server);
  if (router === undefined) routers.set(server, router = new UpgradeRouter(server));
  return router.add(attachment);
}

/** Lets the event loop accept further connections first. */
const letAccept = () => systemTurns.rest();

class UpgradeRouter {
  readonly #server: UpgradeServer;
  /** In the order of attaching: the first one that matches takes the upgrade. */
  readonly #attachments: Set<Attachment> = new Set();
  /** Restores the server's `shouldUpgradeCallback`. */
  #restore: () => void = () => {};

  constructor(server: UpgradeServer) {
    this.#server = server;
  }

  add(attachment: Attachment): () => void {
    if (this.#attachments.size === 0) {
      this.#restore = this.#replaceCallback();
      this.#server.on("connection", letAccept);
    }
    this.#attachments.add(attachment);
    // Added again each time, since some frameworks remove all listeners. It is the first listener, so that it
    // counts the others before a `once` listener among them is removed.
    this.#server.off("upgrade", this.#onUpgrade);
    this.#server.prependListener("upgrade", this.#onUpgrade);
    return () => {
      if (!this.#attachments.delete(attachment) || this.#attachments.size > 0) return;
      // Without a listener for "upgrade", the server treats upgrades as plain requests.
      this.#server.off("upgrade", this.#onUpgrade);
      this.#server.off("connection", letAccept);
      this.#restore();
    };
  }

  /**
   * Replaces the server's `shouldUpgradeCallback`, so that it handles requests for another protocol as plain
   * requests (RFC 9110, section 7.8), unless other listeners may take them. `curl --http2` and the HTTP client
   * of Java ask for `h2c` in every request.
   *
   * @returns A function that undoes it.
   */
  #replaceCallback(): () => void {
    const server = this.#server;
    const before = server.shouldUpgradeCallback;
    if (typeof before !== "function") return () => {};
    const callback = (request: IncomingMessage): boolean =>
      (asksForWebSocket(request) || !this.#isOnlyHandler) && before.call(server, request);
    server.shouldUpgradeCallback = callback;
    return () => {
      // The program may have replaced it in the meantime.
      if (server.shouldUpgradeCallback === callback) server.shouldUpgradeCallback = before;
    };
  }

  /** Whether no other listener handles upgrades. */
  get #isOnlyHandler(): boolean {
    const listeners = this.#server.listeners("upgrade");
    if (!listeners.includes(this.#onUpgrade)) return false;
    return listeners.length === 1 ||
      [...this.#attachments].some(({ refusesOthers }) => refusesOthers);
  }

  readonly #onUpgrade: UpgradeListener = (request, socket, head) => {
    if (!asksForWebSocket(request)) {
      // The server has no `shouldUpgradeCallback`.
      const [first] = this.#attachments;
      const error = new HandshakeError(501, OTHER_PROTOCOL);
      if (this.#isOnlyHandler) first!.handler.refuseUpgrade(request, socket, head, error);
      else socket.on("error", () => {});
      return;
    }
    const path = pathOf(request.url ?? "");
    let refuser: UpgradeHandler | undefined;
    for (const attachment of this.#attachments) {
      const pattern = attachment.patterns.find((pattern) => matches(pattern, path));
      if (pattern !== undefined) {
        this.#successorOf(attachment, pattern).handler.handleUpgrade(request, socket, head);
        return;
      }
      if (attachment.refusesOthers || this.#server.listenerCount("upgrade") === 1) {
        refuser ??= attachment.handler;
      }
    }
    if (refuser !== undefined) refuser.refuseUpgrade(request, socket, head);
    // If no other listener takes it, an error of its socket would end the process.
    else socket.on("error", () => {});
  };

  /** Gives the attachment itself, or if it gives way, the first other one with the same pattern. */
  #successorOf(attachment: Attachment, pattern: string): Attachment {
    if (!attachment.handler.givesWay()) return attachment;
    const hasPattern = ({ patterns, handler }: Attachment) =>
      !handler.givesWay() && patterns.includes(pattern);
    return [...this.#attachments].find(hasPattern) ?? attachment;
  }
}

function asksForWebSocket({ headers }: IncomingMessage): boolean {
  return includesToken(headers?.upgrade ?? "", "websocket");
}

function matches(pattern: string, path: string | undefined): boolean | undefined {
  return pattern.endsWith("*") ? path?.startsWith(pattern.slice(0, -1)) : path === pattern;
}

function pathOf(target: string): string | undefined {
  // A target with two leading slashes is a path, not a URL without a scheme.
  const url = target.startsWith("/") ? `http://host${target}` : target;
  return URL.canParse(url) ? new URL(url).pathname : undefined;
}

function checkServer(server: UpgradeServer): void {
  const methods = ["address", "listenerCount", "listeners", "off", "prependListener"] as const;
  if (methods.every((name) => typeof server?.[name] === "function")) return;
  const expected = "a server of node:http or node:https, such as createServer(app) returns";
  throw invalidType("server", expected, server);
}

function resolveOptions(options: AttachOptions): Omit<Attachment, "handler"> {
  checkOptions("attach", options, OPTIONS);
  const { path, others = "leave" } = options;
  checkOneOf("others", others, ["leave", "refuse"]);
  const given: unknown[] = Array.isArray(path) ? path : [path];
  if (given.length === 0) {
    throw new TypeError("path must have at least one path, got an empty array");
  }
  const all = given.map(resolvePath);
  const folders = all.filter((pattern) => pattern.endsWith("*"));
  const patterns = [...all.filter((pattern) => !folders.includes(pattern)), ...folders];
  return { patterns, refusesOthers: others === "refuse" };
}

/** Checks a path, and normalises it as URLs do, with the star at its end. */
function resolvePath(path: unknown): string {
  if (typeof path === "string" && path.startsWith("/")) {
    const star = path.endsWith("/*") ? "*" : "";
    const rest = path.slice(0, path.length - star.length);
    // Refuses the patterns of other routers, which would never match.
    if (!/[*?#]|\/:/.test(rest)) return new URL(`http://host${rest}`).pathname + star;
  }
  const rule = 'must not have another "*", a "?", a "#" or a ":" behind a slash';
  const got = show(path);
  throw new TypeError(`path must begin with a slash, may end with "/*", and ${rule}, got ${got}`);
}
