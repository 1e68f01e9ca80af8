/** What TCP alone costs on Node: what arrives goes back. */

import { type AddressInfo, createServer } from "node:net";
import { announce } from "./arguments.ts";

const server = createServer({ noDelay: true }, (socket) => {
  socket.on("data", (bytes) => void socket.write(bytes));
  socket.on("error", () => socket.destroy());
});
server.listen(0, "127.0.0.1", () => announce((server.address() as AddressInfo).port));
