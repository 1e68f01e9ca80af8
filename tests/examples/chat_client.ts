import type { Person, ServerMessage } from "../../examples/chat/messages.ts";
import { WebSocketClient } from "./web_socket_client.ts";

type MessageOf<Type> = Extract<ServerMessage, { type: Type }>;

/** A client that speaks the chat's protocol. */
export class ChatClient extends WebSocketClient {
  /** @param address That of the page. */
  constructor(address: URL, room?: string) {
    const url = new URL("/chat", address.href.replace("http", "ws"));
    if (room !== undefined) url.searchParams.set("room", room);
    super(url);
  }

  /** Takes messages up to the next one of `type`, and returns it; those before are passed over. */
  async next<Type extends ServerMessage["type"]>(type: Type): Promise<MessageOf<Type>> {
    for (;;) {
      const message = JSON.parse(await this.receive() as string) as ServerMessage;
      if (message.type === type) return message as MessageOf<Type>;
    }
  }

  sendJson(message: unknown): void {
    this.send(JSON.stringify(message));
  }

  async join(name: string): Promise<Person> {
    this.sendJson({ type: "name", name });
    return (await this.next("you")).person;
  }
}
