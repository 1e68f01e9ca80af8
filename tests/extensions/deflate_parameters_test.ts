import { describe, it } from "node:test";
import { assertEquals, assertThrows } from "@std/assert";
import { WebSocketError } from "../../src/errors.ts";
import {
  acceptDeflateOffer,
  type DeflatePolicy,
  encodeDeflateOffer,
  readDeflateResponse,
} from "../../src/extensions/deflate_parameters.ts";
import { parseExtensions } from "../../src/http1/field_values.ts";

const NO_TAKEOVER: DeflatePolicy = {
  contextTakeover: false,
  serverMaxWindowBits: 15,
  clientMaxWindowBits: 15,
};
const TAKEOVER: DeflatePolicy = { ...NO_TAKEOVER, contextTakeover: true };
const SMALL: DeflatePolicy = {
  contextTakeover: true,
  serverMaxWindowBits: 11,
  clientMaxWindowBits: 10,
};

/** What is answered to an offer; undefined where it is declined. */
function answer(offer: string, policy: DeflatePolicy): string | undefined {
  return acceptDeflateOffer(parseExtensions(offer), policy)?.response.replaceAll(
    "permessage-deflate",
    "p-d",
  );
}

describe("an offer of permessage-deflate", () => {
  const both = "; server_no_context_takeover; client_no_context_takeover";
  const ROWS: [offer: string, policy: DeflatePolicy, answer: string][] = [
    ["permessage-deflate", NO_TAKEOVER, `p-d${both}`],
    ["permessage-deflate", TAKEOVER, "p-d"],
    ["permessage-deflate; server_no_context_takeover", TAKEOVER, "p-d; server_no_context_takeover"],
    ["permessage-deflate; client_no_context_takeover", TAKEOVER, "p-d; client_no_context_takeover"],
    ["permessage-deflate; client_max_window_bits", TAKEOVER, "p-d"],
    ["permessage-deflate; client_max_window_bits=15", TAKEOVER, "p-d"],
    ["permessage-deflate; client_max_window_bits=9", TAKEOVER, "p-d; client_max_window_bits=9"],
    ["permessage-deflate; client_max_window_bits=8", TAKEOVER, "p-d; client_max_window_bits=8"],
    ["permessage-deflate; server_max_window_bits=15", TAKEOVER, "p-d; server_max_window_bits=15"],
    ["permessage-deflate; server_max_window_bits=9", TAKEOVER, "p-d; server_max_window_bits=9"],
    [
      'permessage-deflate; server_max_window_bits="10"; client_max_window_bits="12"',
      NO_TAKEOVER,
      `p-d${both}; server_max_window_bits=10; client_max_window_bits=12`,
    ],
    [
      "permessage-deflate; client_max_window_bits",
      SMALL,
      "p-d; server_max_window_bits=11; client_max_window_bits=10",
    ],
    [
      "permessage-deflate; server_max_window_bits=9; client_max_window_bits=9",
      SMALL,
      "p-d; server_max_window_bits=9; client_max_window_bits=9",
    ],
    [
      "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12",
      SMALL,
      "p-d; server_max_window_bits=11; client_max_window_bits=10",
    ],
    // A client that can't be told to use a small window may keep none.
    ["permessage-deflate", SMALL, "p-d; client_no_context_takeover; server_max_window_bits=11"],
    // Of several, the first that fits.
    ["permessage-deflate; server_max_window_bits=8, permessage-deflate", TAKEOVER, "p-d"],
    [
      "x-other; a=1, permessage-deflate; unknown, permessage-deflate; server_max_window_bits=10," +
      " permessage-deflate",
      TAKEOVER,
      "p-d; server_max_window_bits=10",
    ],
  ];
  for (const [offer, policy, expected] of ROWS) {
    it(`${offer} is answered with ${expected}`, () =>
      assertEquals(answer(offer, policy), expected));
  }

  const DECLINED = [
    "unknown",
    "unknown=1",
    "Server_no_context_takeover",
    "server_no_context_takeover=1",
    "server_no_context_takeover=true",
    "client_no_context_takeover=0",
    "server_no_context_takeover; server_no_context_takeover",
    "client_no_context_takeover; client_no_context_takeover",
    "server_max_window_bits",
    "server_max_window_bits=8",
    "server_max_window_bits=7",
    "server_max_window_bits=16",
    "server_max_window_bits=0",
    "server_max_window_bits=010",
    "server_max_window_bits=0x9",
    "server_max_window_bits=9.0",
    "server_max_window_bits=1e1",
    "server_max_window_bits=+9",
    "server_max_window_bits=-9",
    "server_max_window_bits=99999999999999999999",
    "server_max_window_bits=10; server_max_window_bits=10",
    "client_max_window_bits=7",
    "client_max_window_bits=16",
    "client_max_window_bits=09",
    'client_max_window_bits="016"',
    "client_max_window_bits; client_max_window_bits",
    "client_max_window_bits=9; client_max_window_bits",
    "__proto__",
    "constructor=1",
    "toString",
  ];
  for (const parameters of DECLINED) {
    it(`with ${parameters} is declined`, () => {
      for (const policy of [TAKEOVER, NO_TAKEOVER, SMALL]) {
        assertEquals(answer(`permessage-deflate; ${parameters}`, policy), undefined);
      }
      // And nothing more than it.
      const offers =
        `permessage-deflate; ${parameters}, permessage-deflate; client_max_window_bits`;
      assertEquals(answer(offers, TAKEOVER), "p-d");
    });
  }

  it("of another name is none", () => {
    for (const name of ["permessage-deflat", "Permessage-Deflate", "x-webkit-deflate-frame"]) {
      assertEquals(answer(name, TAKEOVER), undefined);
    }
  });

  it("gives what the answer says", () => {
    const parametersOf = (offer: string, policy: DeflatePolicy) =>
      acceptDeflateOffer(parseExtensions(offer), policy)?.parameters;
    assertEquals(parametersOf("permessage-deflate", NO_TAKEOVER), {
      serverNoContextTakeover: true,
      clientNoContextTakeover: true,
      serverMaxWindowBits: 15,
      clientMaxWindowBits: 15,
    });
    assertEquals(parametersOf("permessage-deflate; client_max_window_bits", SMALL), {
      serverNoContextTakeover: false,
      clientNoContextTakeover: false,
      serverMaxWindowBits: 11,
      clientMaxWindowBits: 10,
    });
  });
});

describe("a client's offer", () => {
  it("says what is asked for", () => {
    assertEquals(encodeDeflateOffer({}), "permessage-deflate; client_max_window_bits");
    assertEquals(
      encodeDeflateOffer({
        serverNoContextTakeover: true,
        clientNoContextTakeover: true,
        serverMaxWindowBits: 10,
        clientMaxWindowBits: 12,
      }),
      "permessage-deflate; server_no_context_takeover; client_no_context_takeover; " +
        "server_max_window_bits=10; client_max_window_bits=12",
    );
  });

  it("is understood by the server", () => {
    for (const serverMaxWindowBits of [9, 12, 15]) {
      for (const clientMaxWindowBits of [9, 12, 15]) {
        for (const serverNoContextTakeover of [false, true]) {
          for (const clientNoContextTakeover of [false, true]) {
            const offer = {
              serverNoContextTakeover,
              clientNoContextTakeover,
              serverMaxWindowBits,
              clientMaxWindowBits,
            };
            const accepted = acceptDeflateOffer(
              parseExtensions(encodeDeflateOffer(offer)),
              TAKEOVER,
            )!;
            assertEquals(accepted.parameters, offer);
            const [response] = parseExtensions(accepted.response);
            assertEquals(readDeflateResponse(response, offer), offer);
          }
        }
      }
    }
  });
});

describe("a server's answer", () => {
  const read = (parameters: string, offer = {}) =>
    readDeflateResponse(parseExtensions(`permessage-deflate${parameters}`)[0], offer);
  const DEFAULTS = {
    serverNoContextTakeover: false,
    clientNoContextTakeover: false,
    serverMaxWindowBits: 15,
    clientMaxWindowBits: 15,
  };

  it("may ask for what was not offered, as far as the client can", () => {
    assertEquals(read(""), DEFAULTS);
    assertEquals(read("; server_no_context_takeover; client_no_context_takeover"), {
      ...DEFAULTS,
      serverNoContextTakeover: true,
      clientNoContextTakeover: true,
    });
    assertEquals(read("; server_max_window_bits=9; client_max_window_bits=9"), {
      ...DEFAULTS,
      serverMaxWindowBits: 9,
      clientMaxWindowBits: 9,
    });
  });

  it("leaves the client what it promised itself", () => {
    const offer = { clientNoContextTakeover: true, clientMaxWindowBits: 10 };
    // A server "may either ignore this value or use this value" (section 7.1.2.2).
    for (const answer of ["", "; client_max_window_bits=11", "; client_max_window_bits=15"]) {
      assertEquals(read(answer, offer), {
        ...DEFAULTS,
        clientNoContextTakeover: true,
        clientMaxWindowBits: 10,
      });
    }
  });

  const WRONG: [parameters: string, offer: object][] = [
    ["; unknown", {}],
    ["; server_no_context_takeover=1", {}],
    ["; server_no_context_takeover; server_no_context_takeover", {}],
    ["; server_max_window_bits", {}],
    ["; client_max_window_bits", {}],
    ["; client_max_window_bits=7", {}],
    ["; server_max_window_bits=012", {}],
    ["", { serverNoContextTakeover: true }],
    ["", { serverMaxWindowBits: 10 }],
    ["; server_max_window_bits=11", { serverMaxWindowBits: 10 }],
  ];
  for (const [parameters, offer] of WRONG) {
    it(`of "${parameters}" to ${JSON.stringify(offer)} is refused`, () => {
      assertThrows(() => read(parameters, offer), WebSocketError, "permessage-deflate has ");
    });
  }
});
