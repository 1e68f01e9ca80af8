// @engines: all of it happens in memory.

import { describe, it } from "node:test";
import { assertEquals, assertThrows } from "@std/assert";
import { WebSocketError } from "../../src/errors.ts";
import {
  acceptDeflateOffer,
  encodeDeflateOffer,
  readDeflateResponse,
} from "../../src/extensions/deflate_parameters.ts";
import { parseExtensions } from "../../src/http1/field_values.ts";

// What a server answers to an offer is held against the RFC's rules by the fuzzer: `deflate_offers.ts`.

const TAKEOVER = { contextTakeover: true, serverMaxWindowBits: 15, clientMaxWindowBits: 15 };
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
