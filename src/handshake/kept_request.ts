import { toRequest } from "./request.ts";
import { RequestHead } from "./request_head.ts";

// None of these can be part of a method, a target, a field name or a value.
const SEPARATOR = "\n";

/**
 * The request of an accepted handshake, for as long as the connection lives: one string, of which a
 * `Request` is made when somebody asks for it. Most connections are never asked.
 */
export class KeptRequest {
  readonly #secure: boolean;
  #text: string;
  #request: Request | undefined;

  /**
   * Keeps a request.
   *
   * @param request The `Request` that was made of the head already, if one was: it stays the same.
   */
  constructor(head: RequestHead, secure: boolean, request?: Request) {
    this.#secure = secure;
    this.#request = request;
    const parts = request === undefined ? [head.method, head.target, ...head.fields.flat()] : [];
    this.#text = parts.join(SEPARATOR);
  }

  /** Gives the request, the same every time. */
  get(): Request {
    if (this.#request === undefined) {
      const [method, target, ...rest] = this.#text.split(SEPARATOR);
      const fields: [name: string, value: string][] = [];
      for (let i = 0; i < rest.length; i += 2) fields.push([rest[i], rest[i + 1]]);
      this.#request = toRequest(new RequestHead(method, target, fields), { secure: this.#secure });
      this.#text = "";
    }
    return this.#request;
  }
}
