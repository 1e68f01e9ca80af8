import { loadConnectionParts } from "../connection/load_parts.ts";
import type { DeflateNegotiator } from "../extensions/deflate_negotiator.ts";
import type { AcceptSettings } from "./settings.ts";

/** The parts of a server that are loaded only if an option asks for them. */
export interface ServerParts {
  readonly compression: DeflateNegotiator | undefined;
  readonly resume: typeof import("../resume/server_layer.ts") | undefined;
}

/** What handshakes and servers come to only sometimes. Set once it is loaded. */
export let rest: typeof import("./rest.ts");

/**
 * Loads what is not loaded from the beginning, before anything is accepted: what options ask for, and the rest.
 * Throws if there is to be compression, and the runtime has none.
 */
export async function loadParts<Data>(
  settings: AcceptSettings<Data, never>,
  isResumable: boolean,
): Promise<ServerParts> {
  const [compression, resume] = await Promise.all([
    loadCompression(settings),
    isResumable ? import("../resume/server_layer.ts") : undefined,
    loadConnectionParts(settings.connection, settings.callbacks !== undefined, isResumable),
    loadRest(),
  ]);
  return { compression, resume };
}

export async function loadRest(): Promise<void> {
  rest = await import("./rest.ts");
}

async function loadCompression<Data>(
  { compression }: AcceptSettings<Data, never>,
): Promise<DeflateNegotiator | undefined> {
  if (compression === undefined) return undefined;
  const { DeflateNegotiator } = await import("./compression.ts");
  return await DeflateNegotiator.create(compression);
}
