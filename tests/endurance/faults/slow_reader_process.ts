/**
 * Clients that read slowly and send all the while: a helper process, of Node whichever runtime the tests
 * run on.
 *
 * @module
 */

import { connect, type Socket } from "node:net";
import process from "node:process";
import { connect as connectTls } from "node:tls";
import { answerRequests } from "../../support/helper_process.ts";
import { upgradeRequest } from "../../support/requests.ts";
import { clientFrame, closeFrame, textFrame } from "../../support/raw_client.ts";
import { FrameReader } from "../rig/frame_reader.ts";
import { PatternChecker } from "../rig/pattern.ts";

/** What a client is to do. */
export interface Job {
  port: number;
  tls: boolean;
  /** How much it reads at once, in bytes; over TLS it is what a record holds. */
  readSize: number;
  /** How long it rests after each read, in milliseconds. */
  restMs: number;
  /** What it asks the server for. */
  text: string;
  /** Whether it sends a Close frame as soon as it has asked. */
  closesFirst: boolean;
}

/** What became of it. */
export interface Outcome {
  /** The bytes of payload that arrived, which were the pattern. */
  size: number;
  /** What arrived that was not the pattern, if so; else null. */
  fault: string | null;
  /** The code of the Close frame; null where none came. */
  closeCode: number | null;
  /** Whether FIN came. */
  hasEnded: boolean;
  /** The code of the error, such as ECONNRESET; null where there was none. */
  error: string | null;
  /** The frames that were sent. */
  sent: number;
}

const SEND_EVERY_MS = 3;
const REST_BEFORE_MS = 200;

const frames = [
  textFrame("still here"),
  clientFrame({ opcode: 9, payload: new Uint8Array(20) }),
  clientFrame({ opcode: 2, payload: new Uint8Array(3_000) }),
];

function run(job: Job): Promise<Outcome> {
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  const outcome: Outcome = {
    size: 0,
    fault: null,
    closeCode: null,
    hasEnded: false,
    error: null,
    sent: 0,
  };
  const checker = new PatternChecker();
  let closePayload: number[] = [];
  let hasSentClose = false;
  const reader = new FrameReader(
    (piece, opcode) => {
      if (opcode === 8) closePayload.push(...piece);
      if (opcode !== 2) return;
      checker.check(piece);
      outcome.size += piece.length;
    },
    (opcode) => {
      if (opcode !== 8) return;
      outcome.closeCode = closePayload[0] * 256 + closePayload[1];
      closePayload = [];
      if (!hasSentClose) send(closeFrame(outcome.closeCode));
      hasSentClose = true;
    },
  );
  let head = "";
  const take = (bytes: Uint8Array) => {
    if (!head.endsWith("\r\n\r\n")) {
      const text = head + new TextDecoder("latin1").decode(bytes);
      const end = text.indexOf("\r\n\r\n");
      head = end < 0 ? text : text.slice(0, end + 4);
      if (end < 0) return;
      bytes = bytes.subarray(bytes.length - (text.length - head.length));
      ask();
    }
    try {
      reader.push(bytes);
    } catch (error) {
      outcome.fault ??= String(error);
    }
  };

  const target = { host: "127.0.0.1", port: job.port, allowHalfOpen: true, noDelay: true };
  let isWaiting = true;
  const rest = (socket: Socket) => {
    socket.pause();
    setTimeout(() => socket.resume(), isWaiting ? REST_BEFORE_MS : job.restMs);
    isWaiting = false;
  };
  let socket: Socket;
  if (job.tls) {
    socket = connectTls({ socket: connect(target), rejectUnauthorized: false });
    socket.allowHalfOpen = true;
    socket.on("data", (bytes: Uint8Array) => {
      take(new Uint8Array(bytes));
      rest(socket);
    });
  } else {
    const buffer = new Uint8Array(job.readSize);
    const callback = (size: number) => {
      take(buffer.slice(0, size));
      rest(socket);
      return true;
    };
    socket = connect({ ...target, onread: { buffer, callback } });
  }
  const send = (bytes: Uint8Array) => {
    if (socket.writable) socket.write(bytes);
  };
  let timer: ReturnType<typeof setInterval> | undefined;
  const ask = () => {
    send(textFrame(job.text));
    if (job.closesFirst) send(closeFrame(1000));
    hasSentClose = job.closesFirst;
    // Behind its Close frame what it sends is no frame any more, but bytes all the same.
    timer = setInterval(() => send(frames[outcome.sent++ % frames.length]), SEND_EVERY_MS);
  };
  socket.on(job.tls ? "secureConnect" : "connect", () => socket.write(upgradeRequest()));
  socket.on("end", () => {
    outcome.hasEnded = true;
    clearInterval(timer);
    socket.end();
  });
  socket.on(
    "error",
    (error: NodeJS.ErrnoException) => outcome.error ??= error.code ?? error.message,
  );
  socket.on("close", () => {
    clearInterval(timer);
    resolve(outcome);
  });
  return promise;
}

await answerRequests(run);
process.exit();
