/** Splits UTF-8 into lines, which end with LF or CR LF. The last line needs no line end. */
export async function* splitLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  let pieces: string[] = [];
  for await (const chunk of chunks) {
    const [first = "", ...rest] = decoder.decode(chunk, { stream: true }).split("\n");
    pieces.push(first);
    for (const next of rest) {
      yield pieces.join("").replace(/\r$/, "");
      pieces = [next];
    }
  }
  pieces.push(decoder.decode());
  const last = pieces.join("");
  if (last !== "") yield last.replace(/\r$/, "");
}
