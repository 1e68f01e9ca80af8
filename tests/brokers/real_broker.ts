/**
 * Redis and NATS as they are installed, on free ports, in folders of their own.
 *
 * @module
 */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { natsBroker } from "../../src/brokers/nats.ts";
import { encodeSubject } from "../../src/brokers/nats_names.ts";
import { redisBroker } from "../../src/brokers/redis.ts";
import type { KeepingBroker } from "../../src/topics/cluster/broker.ts";
import { decodeUtf8, utf8 } from "../support/raw_client.ts";
import { skipUnless } from "../support/skip.ts";

/** How long something may take. It only decides how soon a failure is seen. */
const DEADLINE_MS = 30_000;

/** Finds a free port; another process may take it before it is used, which has not been seen. */
async function findPort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("There is no port");
  return address.port;
}

/** Sends something to a port, and gives what comes until it matches. */
function ask(port: number, bytes: Uint8Array, pattern: RegExp): Promise<RegExpExecArray> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(bytes));
    let text = "";
    socket.on("error", reject);
    socket.on("close", () => reject(new Error(`The broker answered ${JSON.stringify(text)}`)));
    socket.on("data", (chunk: Uint8Array) => {
      text += decodeUtf8(Uint8Array.from(chunk));
      const match = pattern.exec(text);
      if (match === null) return;
      resolve(match);
      socket.destroy();
    });
  });
}

/** Waits until an answer is as expected, asking again and again. */
export async function untilAnswered<T>(
  what: string,
  askOnce: () => Promise<T>,
  isExpected: (answer: T) => boolean,
): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  for (;;) {
    let answer: T | unknown;
    try {
      answer = await askOnce();
      if (isExpected(answer as T)) return;
    } catch (error) {
      answer = error;
    }
    if (performance.now() > deadline) {
      throw new Error(`Waited for ${what}, and it is ${String(answer)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Runs a command, prints its process id, and kills it when this process closes its input, or ends. */
const KEEPER = '"$@" >/dev/null 2>&1 & echo $!; read -r _; kill -9 $!';

/** Gives a letter for each thread of a process, as `/proc` has it: `T` for one that is stopped. */
function threadStates(pid: number): Promise<string> {
  const folder = `/proc/${pid}/task`;
  const states = readdirSync(folder).map((thread) => {
    const line = readFileSync(`${folder}/${thread}/stat`, "utf8");
    return line.charAt(line.lastIndexOf(")") + 2);
  });
  return Promise.resolve(states.join(""));
}

/** A broker as it is installed. */
export abstract class RealBroker {
  /** The port that servers connect to. */
  port = 0;
  #keeper: ChildProcess | undefined;
  #pid = 0;
  #folder = "";

  /** Starts it, with everything but its data as before where it has run already. */
  async start(): Promise<void> {
    if (this.#folder === "") {
      this.#folder = mkdtempSync(join(tmpdir(), "sluice-broker-"));
      this.port = await findPort();
      await this.choosePorts();
    }
    const args = ["-c", KEEPER, "sh", ...this.command(this.#folder)];
    const keeper = spawn("sh", args, { stdio: ["pipe", "pipe", "ignore"] });
    this.#keeper = keeper;
    const [line] = await once(keeper.stdout, "data");
    this.#pid = Number(String(line));
    await untilAnswered("the broker to start", () => this.countAll(), () => true);
  }

  /** Kills it. */
  async kill(): Promise<void> {
    const keeper = this.#keeper;
    this.#keeper = undefined;
    if (keeper === undefined) return;
    const ended = once(keeper, "exit");
    process.kill(this.#pid, "SIGKILL");
    keeper.stdin?.end();
    await ended;
  }

  /** Stops it, so that it does nothing, and its connections stay. It goes on for a moment after the signal. */
  async pause(): Promise<void> {
    this.#signal("SIGSTOP");
    if (this.#keeper === undefined || !existsSync(`/proc/${this.#pid}/task`)) return;
    await untilAnswered(
      "the broker to stop",
      () => threadStates(this.#pid),
      (states) => /^T+$/.test(states),
    );
  }

  /** Has it go on. */
  resume(): void {
    this.#signal("SIGCONT");
  }

  /** Kills it, and removes what it left. */
  async end(): Promise<void> {
    await this.kill();
    if (this.#folder !== "") rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Waits until so many servers are subscribed to a topic. */
  untilSubscribed(topic: string, servers: number): Promise<void> {
    return untilAnswered(
      `${servers} subscriptions to ${JSON.stringify(topic)}`,
      () => this.count(topic),
      (count) => count === servers,
    );
  }

  /** What starts a server process, which is told of this broker: see `room_process.ts`. */
  abstract readonly word: string;
  /** Makes a server's part. */
  createBroker(prefix?: string): KeepingBroker {
    return createBroker(this.word, this.port, prefix);
  }

  /** Counts the servers that are subscribed to a topic. */
  abstract count(topic: string): Promise<number>;
  /** Counts the topics that servers are subscribed to, for each server. */
  abstract countAll(): Promise<number>;
  /** Publishes something of its own to a topic. */
  abstract publish(topic: string, text: string): Promise<void>;

  protected abstract command(folder: string): string[];

  #signal(name: "SIGSTOP" | "SIGCONT"): void {
    if (this.#keeper !== undefined) process.kill(this.#pid, name);
  }

  protected choosePorts(): Promise<void> {
    return Promise.resolve();
  }
}

/** Redis. */
export class RealRedis extends RealBroker {
  readonly #sharded: boolean;

  readonly #keeps: boolean;
  #clusterPort = 0;
  /** More settings, for the next start. */
  settings: Record<string, string> = {};

  constructor(sharded: boolean, keeps: boolean) {
    super();
    this.#sharded = sharded;
    this.#keeps = keeps;
  }

  /** Whether it is a cluster of one, which takes keys and channels together only where they belong to. */
  get #isCluster(): boolean {
    return this.#sharded && this.#keeps;
  }

  override async start(): Promise<void> {
    await super.start();
    if (!this.#isCluster) return;
    await untilAnswered(
      "the cluster",
      async () => {
        // It has them already where it was started before.
        await this.ask(/^[+-]/, "CLUSTER", "ADDSLOTSRANGE", "0", "16383");
        return (await this.ask(/cluster_state:(\w+)/, "CLUSTER", "INFO"))[1];
      },
      (state) => state === "ok",
    );
  }

  get word(): string {
    return this.#sharded ? "redis-sharded" : "redis";
  }

  protected override async choosePorts(): Promise<void> {
    this.#clusterPort = await findPort();
  }

  async count(topic: string): Promise<number> {
    const name = this.#sharded ? "SHARDNUMSUB" : "NUMSUB";
    const [, count] = await this.ask(/:(\d+)\r\n/, "PUBSUB", name, `sluice:${topic}`);
    return Number(count);
  }

  async countAll(): Promise<number> {
    const name = this.#sharded ? "SHARDCHANNELS" : "CHANNELS";
    const [, count] = await this.ask(/^\*(\d+)\r\n/, "PUBSUB", name);
    return Number(count);
  }

  async publish(topic: string, text: string): Promise<void> {
    await this.ask(/:\d/, this.#sharded ? "SPUBLISH" : "PUBLISH", `sluice:${topic}`, text);
  }

  protected override command(folder: string): string[] {
    const settings = { port: this.port, bind: "127.0.0.1", dir: folder, save: "" };
    // It loses nothing that it said it has.
    const persistence = this.#keeps ? { appendonly: "yes", appendfsync: "always" } : {};
    const cluster = this.#isCluster
      ? { "cluster-enabled": "yes", "cluster-port": this.#clusterPort }
      : {};
    const args = Object.entries({ ...settings, ...persistence, ...cluster, ...this.settings })
      .flatMap((
        [name, value],
      ) => [`--${name}`, `${value}`]);
    return ["redis-server", ...args];
  }

  /** Sends a command, and gives what matches in its answer. */
  async ask(pattern: RegExp, ...words: string[]): Promise<RegExpExecArray> {
    const parts = words.map((word) => `$${utf8(word).length}\r\n${word}\r\n`);
    const bytes = utf8(`*${words.length}\r\n${parts.join("")}`);
    const answer = await ask(this.port, bytes, new RegExp(`${pattern.source}|^-.*`));
    const match = pattern.exec(answer.input);
    if (match === null) throw new Error(`Redis answered ${answer.input}`);
    return match;
  }
}

/** NATS. */
export class RealNats extends RealBroker {
  readonly #keeps: boolean;
  #monitorPort = 0;
  readonly word = "nats";

  constructor(keeps: boolean) {
    super();
    this.#keeps = keeps;
  }

  async count(topic: string): Promise<number> {
    const subject = `sluice.${encodeSubject(topic)}`;
    return (await this.#listSubjects()).filter((name) => name === subject).length;
  }

  async countAll(): Promise<number> {
    return (await this.#listSubjects()).length;
  }

  async publish(topic: string, text: string): Promise<void> {
    const subject = `sluice.${encodeSubject(topic)}`;
    const { length } = utf8(text);
    const lines = ["CONNECT {}", `PUB ${subject} ${length}`, text, "PING", ""];
    await ask(this.port, utf8(lines.join("\r\n")), /PONG/);
  }

  protected override async choosePorts(): Promise<void> {
    this.#monitorPort = await findPort();
  }

  protected override command(folder: string): string[] {
    const ports = ["--port", `${this.port}`, "--http_port", `${this.#monitorPort}`];
    const persistence = this.#keeps ? ["--jetstream", "--store_dir", folder] : [];
    const log = ["--log", join(folder, "log")];
    return ["nats-server", "--addr", "127.0.0.1", ...ports, ...persistence, ...log];
  }

  async #listSubjects(): Promise<string[]> {
    const request = utf8("GET /connz?subs=1 HTTP/1.0\r\n\r\n");
    // The body ends with the brace of its first line's level.
    const [, body] = await ask(this.#monitorPort, request, /\r\n\r\n(\{[^]*\n\})/);
    const { connections } = JSON.parse(body);
    return connections.flatMap((each: { subscriptions_list?: string[] }) =>
      each.subscriptions_list ?? []
    );
  }
}

/** Makes a server's part in the broker that a word and a port stand for. */
export function createBroker(word: string, port: number, prefix?: string): KeepingBroker {
  if (word === "nats") return natsBroker({ servers: `127.0.0.1:${port}`, prefix });
  const sharded = word === "redis-sharded";
  return redisBroker({ url: `redis://127.0.0.1:${port}`, sharded, prefix });
}

/** A kind of broker, and whether it can be tested here. */
export interface Kind {
  name: string;
  skip: false | string;
  /** Whether it is tried with processes of its own. */
  hasProcesses: boolean;
  create(): RealBroker;
}

function skipWithout(command: string): false | string {
  const isThere = spawnSync(command, ["--version"]).status === 0;
  return skipUnless(isThere, `needs ${command}: apt-get install ${command}`);
}

/**
 * The kinds of Redis.
 *
 * @param keeps Whether what it has is still there when it was killed.
 */
export function redisKinds(keeps: boolean = false): Kind[] {
  const skip = skipWithout("redis-server");
  return [
    { name: "Redis", skip, hasProcesses: true, create: () => new RealRedis(false, keeps) },
    {
      name: keeps ? "Redis as a cluster with sharded channels" : "Redis with sharded channels",
      skip,
      hasProcesses: false,
      create: () => new RealRedis(true, keeps),
    },
  ];
}

/**
 * The kinds of NATS.
 *
 * @param keeps Whether it has JetStream.
 */
export function natsKinds(keeps: boolean = false): Kind[] {
  const skip = skipWithout("nats-server");
  return [{ name: "NATS", skip, hasProcesses: true, create: () => new RealNats(keeps) }];
}
