/** The validation of a 101, and of what it agrees to: valid ones, changed field by field. */

import { UnexpectedResponseError, WebSocketError } from "../../src/errors.ts";
import { readDeflateResponse } from "../../src/extensions/deflate_parameters.ts";
import { ResponseHead } from "../../src/handshake/mod.ts";
import { validateUpgradeResponse } from "../../src/handshake/validate_response.ts";
import { type Fields, mutateFields } from "./fields.ts";
import { type Asked, readUpgradeAnswer } from "./reference_answer.ts";
import { check, type Target } from "./target.ts";

const ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
const FIELDS: Record<string, readonly string[]> = {
  Upgrade: ["websocket", "WebSocket", "websocket, h2c", "websockets", "", "web socket", "h2c"],
  Connection: ["Upgrade", "keep-alive, upgrade", "upgraded", "close", "", "Upgrade;", ",UPGRADE,"],
  "Sec-WebSocket-Accept": [ACCEPT, ACCEPT.toLowerCase(), ACCEPT.slice(1), `${ACCEPT}=`, ""]
    .concat([`"${ACCEPT}"`, `${ACCEPT}, ${ACCEPT}`, `${ACCEPT.slice(0, -1)}\xff`]),
  "Sec-WebSocket-Protocol": ["a", "b", "A", "a, b", "", "c", "a,", '"a"'],
  "Sec-WebSocket-Extensions": [
    "permessage-deflate",
    "permessage-deflate; server_no_context_takeover",
    "permessage-deflate; server_max_window_bits=10; client_max_window_bits=9",
    'permessage-deflate;client_no_context_takeover;server_max_window_bits="8"',
    "permessage-deflate; client_max_window_bits",
    "permessage-deflate; server_max_window_bits",
    "permessage-deflate; server_max_window_bits=16",
    "permessage-deflate; server_max_window_bits=010",
    "permessage-deflate; server_no_context_takeover=1",
    "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
    "permessage-deflate; __proto__",
    "permessage-deflate, permessage-deflate",
    "Permessage-Deflate",
    "x-other",
    "permessage-deflate, x-other",
    "permessage-deflate;",
    "",
    ",",
  ],
  "Content-Length": ["0", "00", "5", "", "0, 0", "-0"],
  "Transfer-Encoding": ["chunked", "identity", ""],
  Server: ["x"],
  __proto__: ["x"],
};

/** A response with status 101, and what was asked for. */
export interface UpgradeResponseInput {
  minorVersion: number;
  fields: Fields;
  asked: Asked;
}

export const UPGRADE_RESPONSES: Target<UpgradeResponseInput> = {
  make(random) {
    const subprotocols = random.pick([[], ["a"], ["a", "b"]]);
    const isOffered = random.below(2) === 0;
    let fields: Fields = ["Upgrade", "Connection", "Sec-WebSocket-Accept"]
      .map((name) => [name, FIELDS[name][0]]);
    if (subprotocols.length > 0) fields.push(["Sec-WebSocket-Protocol", random.pick(subprotocols)]);
    if (isOffered && random.below(3) > 0) {
      const values = FIELDS["Sec-WebSocket-Extensions"];
      const value = random.pick(random.below(3) > 0 ? values.slice(0, 4) : values);
      fields.push(["Sec-WebSocket-Extensions", value]);
    }
    for (let count = random.below(5) - 2; count > 0; count--) {
      fields = mutateFields(fields, random, FIELDS, ["x"]);
    }
    const bits = () => random.pick([8, 9, 10, 15, 15]);
    return {
      minorVersion: random.below(20) === 0 ? 0 : 1,
      fields,
      asked: {
        accept: ACCEPT,
        subprotocols,
        deflate: isOffered
          ? {
            serverNoContextTakeover: random.below(4) === 0,
            clientNoContextTakeover: random.below(4) === 0,
            serverMaxWindowBits: bits(),
            clientMaxWindowBits: bits(),
          }
          : undefined,
      },
    };
  },

  check({ minorVersion, fields, asked }) {
    const head = new ResponseHead(minorVersion, 101, "", fields);
    const expected = readUpgradeAnswer({ minorVersion, fields }, asked);
    const actual = validate(head, asked);
    const message = () =>
      `${JSON.stringify(actual)} instead of ${JSON.stringify(expected)}: ` +
      JSON.stringify({ minorVersion, fields, asked });
    if ("faults" in expected) {
      check("message" in actual && /^[^\r\n]+$/.test(actual.message ?? ""), message);
      return "refused";
    }
    check(JSON.stringify(actual) === JSON.stringify(expected), message);
    return expected.deflate === undefined ? "accepted" : "compressed";
  },
};

/** Validates as a client does. */
function validate(head: ResponseHead, { accept, subprotocols, deflate }: Asked) {
  try {
    const extensions = deflate === undefined ? [] : ["permessage-deflate"];
    const expected = { accept, subprotocols, extensions };
    const { accepted, ...upgrade } = validateUpgradeResponse(head, expected);
    // The attempt refuses more than one itself: what makes of them a connection takes one.
    if (accepted.length > 1) return { message: "more than one" };
    const agreed = accepted.length === 0 ? undefined : readDeflateResponse(accepted[0], deflate!);
    return { ...upgrade, deflate: agreed };
  } catch (error) {
    if (!(error instanceof WebSocketError)) throw error;
    if (error instanceof UnexpectedResponseError) check(error.status === 101, () => `${error}`);
    return { message: error.message };
  }
}
