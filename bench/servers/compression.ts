/**
 * How messages are compressed (RFC 7692), where they are.
 *
 * @module
 */

/** Whether each message begins with an empty window, in both directions, or with that of those before. */
export type Compression = "no-takeover" | "takeover";

/** Compression that a server has on for nothing: clients don't offer it, or send what is too small. */
export type UnusedCompression = "not-offered" | "offered";

/** What a server does: as the workload wants it, by its defaults, or not at all. */
export type ServerCompression = Compression | "defaults" | "off";

/** What a client offers, so that it gets what the workload is about; with takeover as browsers do. */
export const OFFERS: Record<Compression, string> = {
  "no-takeover": "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
  "takeover": "permessage-deflate; client_max_window_bits",
};

/** What all servers that compress are told, but where it is about the memory that their own choice takes. */
export const LEVEL = 6;
export const MEMORY_LEVEL = 8;
export const WINDOW_BITS = 15;
