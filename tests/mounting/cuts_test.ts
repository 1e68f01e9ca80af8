import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { closeFrame, textFrame, utf8 } from "../support/raw_client.ts";
import { concatBytes } from "../support/reference_frames.ts";
import { upgradeRequest } from "../support/requests.ts";
import { settle } from "../support/turn.ts";
import { eventually } from "../support/waiter.ts";
import { type MountSetup, STAGES } from "./harness.ts";

const REQUEST = utf8(upgradeRequest());
const BYTES = concatBytes([REQUEST, textFrame("x".repeat(300)), textFrame("y"), closeFrame(1000)]);
/** In the request, at its end, and in the frames behind it. */
const CUTS = [1, 20, REQUEST.length - 1, REQUEST.length, REQUEST.length + 1, REQUEST.length + 200]
  .concat(BYTES.length - 9, BYTES.length - 1, BYTES.length);

for (const { name, withMounted } of STAGES) {
  describe(`connections to what is mounted on ${name} that are cut off`, () => {
    for (const how of ["FIN", "RST"]) {
      it(`by ${how}, in the request and behind it, leave nothing`, () => {
        let open = 0;
        const setup: MountSetup<undefined> = {
          closeTimeoutMs: 500,
          upgrade: () => settle(1).then(() => ({})),
          open: (conn) => {
            open++;
            void conn.send("z".repeat(100_000));
          },
          message: (conn, data) => conn.send(data),
          close: () => void open--,
        };
        return withMounted(setup, async (server) => {
          await Promise.all(CUTS.flatMap((cut) =>
            [0, 1, 3].map(async (turns) => {
              const client = await server.connect();
              client.send(BYTES.subarray(0, cut));
              await settle(turns);
              if (how === "RST") client.socket.reset();
              else client.socket.end();
            })
          ));
          await eventually("all to be over", () => {
            const { connections, handshakes } = server.server.stats();
            return connections === 0 && handshakes === 0;
          });
          assertEquals(open, 0);
        });
      });
    }
  });
}
