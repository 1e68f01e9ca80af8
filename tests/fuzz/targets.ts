/** What there is to be fuzzed, by name. */

import { ANSWER_HEADS } from "./answer_heads.ts";
import { CLIENTS } from "./clients.ts";
import { CLOSE_PAYLOADS, CLOSE_STATUSES } from "./close_payloads.ts";
import { DECODER_STREAM } from "./codec_streams.ts";
import { COMPRESSED_STREAMS } from "./compressed_streams.ts";
import { DEFLATE_OFFERS } from "./deflate_offers.ts";
import { DEFLATERS } from "./deflaters.ts";
import { EXTENSIONS, TOKEN_LISTS } from "./extensions.ts";
import { FRAME_DECODER, FRAME_STREAMS } from "./frame_streams.ts";
import { PROGRESS } from "./progress.ts";
import { REQUEST_HEADS } from "./request_heads.ts";
import { RESPONSE_HEADS } from "./response_heads.ts";
import { RESUME_HELLOS, RESUME_MESSAGES } from "./resume_messages.ts";
import { FRAME_ENCODER, ROUND_TRIPS } from "./round_trips.ts";
import { SERVERS } from "./servers.ts";
import type { Target } from "./target.ts";
import { UPGRADE_REQUESTS } from "./upgrade_requests.ts";
import { UPGRADE_RESPONSES } from "./upgrade_responses.ts";
import { UTF8 } from "./utf8.ts";

/** The targets by their names. An execution is made by a seed alone, so that it can be repeated. */
// deno-lint-ignore no-explicit-any -- each takes its own input, which only it makes
export const TARGETS: Record<string, Target<any>> = {
  "request head": REQUEST_HEADS,
  "upgrade request": UPGRADE_REQUESTS,
  "response head": RESPONSE_HEADS,
  "answer head": ANSWER_HEADS,
  "upgrade response": UPGRADE_RESPONSES,
  "extensions": EXTENSIONS,
  "token lists": TOKEN_LISTS,
  "frame stream": FRAME_STREAMS,
  "frame decoder": FRAME_DECODER,
  "frame encoder": FRAME_ENCODER,
  "round trip": ROUND_TRIPS,
  "UTF-8": UTF8,
  "close payload": CLOSE_PAYLOADS,
  "close status": CLOSE_STATUSES,
  "decoder stream": DECODER_STREAM,
  "compressed stream": COMPRESSED_STREAMS,
  "deflater": DEFLATERS,
  "deflate offers": DEFLATE_OFFERS,
  "resume hello": RESUME_HELLOS,
  "resume message": RESUME_MESSAGES,
  "server": SERVERS,
  "client": CLIENTS,
  "progress": PROGRESS,
};
