/**
 * Section 13: what is offered of permessage-deflate, what may be answered, and what then holds
 * (RFC 7692, sections 5 and 7.1).
 *
 * @module
 */

import { type Negotiation, type Offer, offering } from "../agreement.ts";
import {
  binaryBack,
  type CaseInit,
  expect,
  type Expected,
  failing,
  group,
  nothingElse,
  passing,
  ping,
  pongBack,
  type Section,
  type Step,
  text,
  textBack,
  together,
} from "../case.ts";
import type { Compression } from "../compression.ts";
import { agreeing, compressed, compressedText } from "./compressed.ts";
import { CONTENTS, takeMessages } from "./compression_data.ts";

const [JSON_CONTENT, , PROSE, , NOISE] = CONTENTS;

/** Sends messages that tell by what comes back, and how, whether what was agreed upon holds. */
async function converse(compression: Compression): Promise<Step[]> {
  const { serverNoContextTakeover, serverMaxWindowBits } = compression.parameters;
  const steps: Step[] = [];
  const send = async (echo: Expected, fragmentSize?: number) => {
    steps.push(together(...await compressed(compression, echo, fragmentSize)), expect(echo));
  };

  // Small enough for every window, and not to be compressed without one.
  const [noise] = takeMessages(NOISE, 200, 1);
  for (let i = 0; i < 3; i++) {
    const echo = binaryBack(noise);
    if (i > 0 && !serverNoContextTakeover && serverMaxWindowBits >= 9) echo.maxWireSize = 60;
    await send(echo);
  }
  // Larger than the smallest windows: a repetition at this distance is out of their reach.
  for (const size of [700, 3000, 17_000]) {
    const [once] = takeMessages(NOISE, size, 1);
    await send(binaryBack(Uint8Array.from([...once, ...once])), size === 3000 ? 256 : undefined);
  }
  await send(textBack(""));
  await send(binaryBack());
  for (const payload of takeMessages(JSON_CONTENT, 1000, 4)) await send(textBack(payload));
  // What is not compressed is no part of the window.
  const [plain] = takeMessages(PROSE, 400, 1);
  steps.push(together(text(plain)), expect(textBack(plain)));
  await send(textBack(plain));
  // Pings may come between the fragments.
  const [long] = takeMessages(PROSE, 5000, 1);
  const [first, ...rest] = await compressed(compression, textBack(long), 256);
  steps.push(together(first, ping("between")), expect(pongBack("between")));
  steps.push(together(...rest), expect(textBack(long)));
  await send(binaryBack(noise));
  return [...steps, ...nothingElse()];
}

function conversing(name: string, negotiation: Negotiation): CaseInit {
  return agreeing(name, negotiation, converse);
}

// ---- Each combination ----

const combinations: Offer[] = [];
for (const serverNoContextTakeover of [undefined, true] as const) {
  for (const serverMaxWindowBits of [undefined, 9, 15]) {
    for (const clientNoContextTakeover of [undefined, true] as const) {
      for (const clientMaxWindowBits of [undefined, true, 9, 15] as const) {
        combinations.push({
          ...serverNoContextTakeover && { serverNoContextTakeover },
          ...clientNoContextTakeover && { clientNoContextTakeover },
          ...serverMaxWindowBits && { serverMaxWindowBits },
          ...clientMaxWindowBits && { clientMaxWindowBits },
        });
      }
    }
  }
}
for (const bits of [10, 11, 12, 13, 14]) {
  combinations.push({ serverMaxWindowBits: bits, clientMaxWindowBits: bits });
}

/** An offer, without the name that all have. */
function describeOffer(offer: Offer): string {
  return offering(offer).fields[0].replace(/^permessage-deflate(; )?/, "") || "no parameter";
}

const single = combinations.map((offer) => conversing(describeOffer(offer), offering(offer)));

// ---- Several offers ----

const strict: Offer = { serverNoContextTakeover: true, serverMaxWindowBits: 9 };

const several: CaseInit[] = [
  conversing(
    "from the strictest offer to the plainest",
    offering(
      { ...strict, clientMaxWindowBits: true },
      { serverNoContextTakeover: true, clientMaxWindowBits: true },
      { clientMaxWindowBits: true },
    ),
  ),
  conversing(
    "from the plainest offer to the strictest",
    offering(
      {},
      { clientNoContextTakeover: true },
      strict,
    ),
  ),
  conversing("offers in a field each", {
    fields: ["permessage-deflate; server_no_context_takeover", "permessage-deflate"],
    offers: [{ serverNoContextTakeover: true }, {}],
  }),
  conversing("an extension nobody knows, then an offer", {
    fields: ["x-unknown; a=1; b, permessage-deflate; server_max_window_bits=10"],
    offers: [{ serverMaxWindowBits: 10 }],
  }),
  conversing("an offer, then an extension nobody knows", {
    fields: ["permessage-deflate; server_max_window_bits=10, x-unknown"],
    offers: [{ serverMaxWindowBits: 10 }],
  }),
];

// ---- As others write it ----

const written: CaseInit[] = ([
  [`permessage-deflate;server_max_window_bits=12;client_max_window_bits`],
  [`permessage-deflate ;\tserver_max_window_bits=12 ; client_max_window_bits `],
  [`permessage-deflate; server_max_window_bits="12"; client_max_window_bits`],
  [`permessage-deflate; client_max_window_bits; server_max_window_bits="1\\2"`],
  [`, permessage-deflate; server_max_window_bits=12; client_max_window_bits,,`],
] as const).map((fields) =>
  conversing(fields.join(), {
    fields,
    offers: [{ serverMaxWindowBits: 12, clientMaxWindowBits: true }],
  })
);

// ---- What must be declined ----

/** Parameters that make an offer invalid, each by itself. */
const INVALID = [
  "unknown",
  "unknown=1",
  "server_no_context_takeover=1",
  "client_no_context_takeover=true",
  "server_max_window_bits",
  "server_max_window_bits=7",
  "server_max_window_bits=16",
  "server_max_window_bits=09",
  "server_max_window_bits=0x9",
  "server_max_window_bits=1e1",
  "server_max_window_bits=-9",
  "server_max_window_bits=9.0",
  "server_max_window_bits=999999999999999999999",
  "client_max_window_bits=7",
  "client_max_window_bits=16",
  "client_max_window_bits=010",
  "client_max_window_bits=ten",
  "server_no_context_takeover; server_no_context_takeover",
  "client_no_context_takeover; client_no_context_takeover",
  "server_max_window_bits=10; server_max_window_bits=10",
  "client_max_window_bits; client_max_window_bits=10",
];

const OTHERS = ["x-webkit-deflate-frame", "permessage-bzip2", "deflate-stream", "permessage"];

const declined: Negotiation[] = [
  ...INVALID.map((parameters) => `permessage-deflate; ${parameters}`),
  ...OTHERS,
].map((field) => ({ fields: [field], offers: [] }));

const declining: CaseInit[] = declined.flatMap((negotiation): CaseInit[] => [
  passing(`declined: ${negotiation.fields[0]}`, () => [
    together(text("as it is")),
    expect(textBack("as it is")),
    ...nothingElse(),
  ], { negotiation }),
]);

const declinedThenSent: CaseInit[] = [declined[0], declined.at(-1)!].map((negotiation) =>
  failing(`compressed after it was declined: ${negotiation.fields[0]}`, 1002, () => [
    together(text("before"), compressedText(Uint8Array.of(0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0))),
    expect(textBack("before")),
  ], { negotiation })
);

/** The offer behind one that is invalid counts. */
const behindInvalid: CaseInit[] = INVALID.map((parameters) =>
  conversing(`declined, and the next one taken: ${parameters}`, {
    fields: [
      `permessage-deflate; ${parameters}, permessage-deflate; server_no_context_takeover; ` +
      "server_max_window_bits=11",
    ],
    offers: [{ serverNoContextTakeover: true, serverMaxWindowBits: 11 }],
  })
);

export const compressionOffers: Section = {
  name: "13 Offers of compression",
  cases: [
    ...group("13.1", single),
    ...group("13.2", several),
    ...group("13.3", written),
    ...group("13.4", declining),
    ...group("13.5", declinedThenSent),
    ...group("13.6", behindInvalid),
  ],
};
