import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { Protocol } from "../../src/protocol/mod.ts";
import { concatBytes } from "../support/reference_frames.ts";
import { cutAt, cuts, PARAMETERS, roles, texts } from "../codec/arbitraries.ts";
import { peerOf, utf8 } from "../codec/support.ts";
import { describeMessage } from "./events.ts";
import { receivePlainly } from "./reference_receiver.ts";
import { EventLog, receivePieces } from "./support.ts";

const LIMITS = { maxMessageSize: 1024 * 1024, maxFragments: 1024 };

const messages = fc.array(fc.oneof(texts, fc.uint8Array({ maxLength: 300 })), { maxLength: 6 });

function describeAll(data: (string | Uint8Array)[]): string[] {
  return data.map((message) =>
    typeof message === "string"
      ? describeMessage("text", message.toWellFormed())
      : describeMessage("binary", message)
  );
}

describe("for all messages", () => {
  it("what one side sends, the other receives: lone surrogates as U+FFFD", () => {
    fc.assert(
      fc.property(roles, messages, cuts, fc.boolean(), (role, data, places, streaming) => {
        const sender = new Protocol(peerOf(role), new EventLog());
        for (const message of data) sender.sendMessage(message);
        const pieces = cutAt(concatBytes(sender.takeOutput()), places);
        const { events, closeCode } = receivePieces(role, pieces, { streaming });
        assertEquals(closeCode, undefined);
        assertEquals(events, describeAll(data));
      }),
      PARAMETERS,
    );
  });

  it("what is sent in fragments, cut anywhere, is received whole", () => {
    fc.assert(
      fc.property(roles, messages, cuts, cuts, (role, data, places, wirePlaces) => {
        const sender = new Protocol(peerOf(role), new EventLog());
        for (const message of data) {
          const isText = typeof message === "string";
          const fragments = cutAt(isText ? utf8(message) : message, places);
          fragments.forEach((fragment, i) => {
            const fin = i === fragments.length - 1;
            sender.sendFragment(isText ? "text" : "binary", fragment, fin);
            sender.sendPing(utf8(`${i}`));
          });
        }
        const bytes = concatBytes(sender.takeOutput());
        const { events, closeCode } = receivePieces(role, cutAt(bytes, wirePlaces));
        assertEquals(closeCode, undefined);
        assertEquals(events.filter((line) => !line.startsWith("ping")), describeAll(data));
        const masked = role === "server";
        assertEquals(receivePlainly(bytes, { masked, ...LIMITS }).events, events);
      }),
      PARAMETERS,
    );
  });
});

describe("for all close statuses that may be sent", () => {
  it("the status arrives", () => {
    const codes = fc.oneof(fc.constantFrom(1000, 1001, 1014), fc.integer({ min: 3000, max: 4999 }));
    const reasons = fc.string({ unit: "binary", maxLength: 123 })
      .filter((reason) => utf8(reason).length <= 123);
    fc.assert(
      fc.property(roles, codes, reasons, cuts, (role, closeCode, reason, places) => {
        const sender = new Protocol(peerOf(role), new EventLog());
        assert(sender.sendClose({ closeCode, reason }));
        const pieces = cutAt(concatBytes(sender.takeOutput()), places);
        const { events } = receivePieces(role, pieces);
        assertEquals(events, [`close ${closeCode} ${JSON.stringify(reason)}`]);
      }),
      PARAMETERS,
    );
  });
});
