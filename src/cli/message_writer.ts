import { concatBytes } from "../codec/byte_collector.ts";
import type { IncomingMessage } from "../connection/connection.ts";
import type { Io } from "./io.ts";
import { MAX_SHOWN_BYTES, toHexDump, toPrintable } from "./printable.ts";

const LINE_END = Uint8Array.of(0x0a);

/** Writes a message while it arrives, with backpressure. `isRaw`: without line ends between messages. */
export function writeMessage(message: IncomingMessage, isRaw: boolean, io: Io): Promise<void> {
  return io.isOutputShown ? showMessage(message, io) : copyMessage(message, isRaw, io);
}

async function copyMessage({ body }: IncomingMessage, isRaw: boolean, io: Io): Promise<void> {
  // Writes each chunk when the next one arrives, so that the last one is written together with the line end.
  let held: Uint8Array = new Uint8Array(0);
  for await (const chunk of chunksOf(body)) {
    if (held.length > 0) await io.writeOutput(held);
    held = chunk;
  }
  await io.writeOutput(isRaw ? held : concatBytes([held, LINE_END], held.length + 1));
}

/** Writes to a terminal, which the server's bytes must not control. */
async function showMessage({ type, body }: IncomingMessage, io: Io): Promise<void> {
  if (type === "text") {
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    for await (const chunk of chunksOf(body)) {
      await io.writeOutput(toPrintable(decoder.decode(chunk, { stream: true })));
    }
    await io.writeOutput("\n");
    return;
  }
  const shown = new Uint8Array(MAX_SHOWN_BYTES);
  let size = 0;
  for await (const chunk of chunksOf(body)) {
    if (size < shown.length) shown.set(chunk.subarray(0, shown.length - size), size);
    size += chunk.length;
  }
  await io.writeOutput(`${toHexDump(shown.subarray(0, Math.min(size, shown.length)), size)}\n`);
}

async function* chunksOf(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) {
    yield value!;
  }
}
