/**
 * A client that keeps the rules, checks every byte of what it gets, and tells how long it took.
 *
 * @module
 */

import { setTimeout } from "node:timers/promises";
import type { Message } from "../../../../mod.ts";
import type { Random } from "../../../codec/support.ts";
import type { Peer, PeerClose, PeerSocket } from "../../../interop/peer.ts";
import { concatBytes } from "../../../support/reference_frames.ts";
import { inTime } from "./deadline.ts";
import { checkEcho, MessageSource } from "./messages.ts";
import type { Recorder } from "./recorder.ts";

/** Rests between two exercises, at most, in milliseconds. */
const MAX_REST_MS = 60;
const MAX_EXERCISES = 40;
const BURST_SIZE = 12;
/** The codes to close with; without a code, the client learns 1005. */
const CLOSE_CODES = [1000, 1001, 1008, 1011, 3000, 4999, undefined];

/** The server has no memory for a large message now. */
class TurnedAwayError extends Error {}

/** An honest client of one kind. */
export class HonestClient {
  readonly #name: string;
  readonly #peer: Peer;
  readonly #urls: readonly string[];
  readonly #random: Random;
  readonly #recorder: Recorder;
  readonly #source: MessageSource;

  /** Takes the addresses of what to talk to, of which it draws one for each connection. */
  constructor(name: string, peer: Peer, urls: string[], random: Random, recorder: Recorder) {
    this.#name = name;
    this.#peer = peer;
    this.#urls = urls;
    this.#random = random;
    this.#recorder = recorder;
    this.#source = new MessageSource(name, random);
  }

  /** Does everything there is, on one connection after the other, until the signal aborts. */
  exercise(signal: AbortSignal): Promise<void> {
    return this.#repeat(signal, async (url) => {
      await this.#use(await this.#open(url), async (socket) => {
        if (url.endsWith("/close")) return await this.#beClosed(socket);
        const isSlow = url.endsWith("/slow");
        const count = 1 + this.#random.below(MAX_EXERCISES);
        for (let i = 0; i < count && !signal.aborted; i++) {
          await (isSlow ? this.#exerciseSlowly(socket) : this.#exercise(socket));
          await setTimeout(this.#random.below(MAX_REST_MS));
        }
        await this.#close(socket);
      });
    });
  }

  /** Echoes small messages on one connection until the signal aborts, with a rest behind each. */
  stay(restMs: number, signal: AbortSignal): Promise<void> {
    return this.#repeat(signal, async (url) => {
      await this.#use(await this.#open(url), async (socket) => {
        while (!signal.aborted) {
          await this.#echo("echo", socket, this.#source.small());
          await setTimeout(restMs);
        }
        await this.#close(socket);
      });
    });
  }

  /** Connects again and again until the signal aborts, each time for one echo, with a rest behind each. */
  visit(restMs: number, signal: AbortSignal): Promise<void> {
    return this.#repeat(signal, async (url) => {
      const arrive = async () => {
        const socket = await this.#open(url);
        return await this.#use(
          socket,
          () => this.#echo("first echo", socket, this.#source.small()),
        );
      };
      await this.#use(await this.#measure("arrival", arrive()), (socket) => this.#close(socket));
      await setTimeout(restMs);
    });
  }

  /** Does something until the signal aborts; what goes wrong is recorded, and begun again. */
  async #repeat(signal: AbortSignal, body: (url: string) => Promise<void>): Promise<void> {
    while (!signal.aborted) {
      const url = this.#random.pick(this.#urls);
      try {
        await body(url);
      } catch (error) {
        if (error instanceof TurnedAwayError) this.#recorder.turnAway();
        else {
          this.#recorder.fail(`${this.#name} at ${new URL(url).pathname}: ${error}`);
          await setTimeout(1_000);
        }
      }
    }
  }

  #open(url: string): Promise<PeerSocket> {
    return this.#measure("open", this.#peer.connect(url, {}));
  }

  /** Uses a connection, which is dropped where that fails. */
  async #use(
    socket: PeerSocket,
    body: (socket: PeerSocket) => Promise<void>,
  ): Promise<PeerSocket> {
    try {
      await body(socket);
      return socket;
    } catch (error) {
      socket.terminate();
      throw error;
    }
  }

  async #exercise(socket: PeerSocket): Promise<void> {
    const lot = this.#random.below(60);
    if (lot < 36) return await this.#echo("echo", socket, this.#source.small());
    if (lot < 44) return await this.#ping(socket);
    if (lot < 50) return await this.#burst(socket);
    if (lot < 59) return await this.#echoFragments(socket);
    return await this.#echoLarge(socket);
  }

  async #exerciseSlowly(socket: PeerSocket): Promise<void> {
    if (this.#random.below(4) === 0) return await this.#ping(socket);
    await this.#echo("slow", socket, this.#source.small());
  }

  async #echo(what: string, socket: PeerSocket, message: Message): Promise<void> {
    socket.send(message);
    checkEcho(what, await this.#measure(what, socket.receive()), message);
  }

  /** Memory may be short: then a client that holds much may be turned away, and no other. */
  async #echoLarge(socket: PeerSocket): Promise<void> {
    try {
      await this.#echo("large", socket, this.#source.large());
    } catch (error) {
      if (/^closed with 1013\b/.test((error as Error).message)) throw new TurnedAwayError();
      throw error;
    }
  }

  async #echoFragments(socket: PeerSocket): Promise<void> {
    const parts = this.#source.parts();
    socket.sendFragments(parts);
    checkEcho("fragments", await this.#measure("fragments", socket.receive()), join(parts));
  }

  /** Sends many messages without waiting: none may be lost, and each must be in its place. */
  async #burst(socket: PeerSocket): Promise<void> {
    const messages = Array.from({ length: BURST_SIZE }, () => this.#source.small());
    for (const message of messages) socket.send(message);
    for (const message of messages) {
      checkEcho("burst", await this.#measure("burst", socket.receive()), message);
    }
  }

  async #ping(socket: PeerSocket): Promise<void> {
    const payload = this.#source.ping();
    checkEcho("ping", await this.#measure("ping", socket.ping(payload)), payload);
  }

  async #close(socket: PeerSocket): Promise<void> {
    const closeCode = this.#random.pick(CLOSE_CODES);
    socket.close(closeCode, closeCode === undefined ? undefined : "Tschüs");
    const end = await this.#measure("close", socket.closed);
    checkEcho("close code", String(end.closeCode), String(closeCode ?? 1005));
    await expectNothing(socket);
  }

  /** Has the server close. */
  async #beClosed(socket: PeerSocket): Promise<void> {
    const expected: PeerClose = { closeCode: 3000 + this.#random.below(2000), reason: "世界 🥟" };
    socket.send(`close ${expected.closeCode} ${expected.reason}`);
    const { closeCode, reason } = await this.#measure("close", socket.closed);
    checkEcho("close", `${closeCode} ${reason}`, `${expected.closeCode} ${expected.reason}`);
    await expectNothing(socket);
  }

  #measure<T>(what: string, work: Promise<T>): Promise<T> {
    return this.#recorder.measure(what, inTime(what, work));
  }
}

function join(parts: string[] | Uint8Array[]): Message {
  return typeof parts[0] === "string" ? parts.join("") : concatBytes(parts as Uint8Array[]);
}

/** Checks that a connection that has ended brought no more than was taken. */
async function expectNothing(socket: PeerSocket): Promise<void> {
  const message = await socket.receive().catch(() => undefined);
  if (message !== undefined) throw new Error("got a message too much");
}
