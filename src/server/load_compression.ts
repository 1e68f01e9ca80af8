import type { DeflateNegotiator } from "../extensions/deflate_negotiator.ts";
import type { AcceptSettings } from "./options.ts";

/**
 * Loads the negotiation of compression if an option asks for it.
 *
 * @throws {Error} If the runtime can't compress.
 */
export async function loadCompression<Data>(
  { compression }: AcceptSettings<Data, never>,
): Promise<DeflateNegotiator | undefined> {
  if (compression === undefined) return undefined;
  const { DeflateNegotiator } = await import("../extensions/deflate_negotiator.ts");
  return await DeflateNegotiator.create(compression);
}
