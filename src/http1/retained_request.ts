import { toRequest } from "./request.ts";
import { RequestHead } from "./request_head.ts";

// None of these can be part of a method, a target, a field name or a value.
const SEPARATOR = "\n";

/**
 * What a `Request` takes beside its text, and what each of its header fields does, in bytes: between
 * 1,500 and 2,500, and 90 and 150, on Node 22, Node 26, Deno and Bun. Its strings are parts of the
 * head, which they keep.
 */
const REQUEST_COST = 1800;
const FIELD_COST = 135;

/**
 * Up to this size a head, with the `Request` made of it, is a part of the few KiB that a connection
 * takes in any case. Ordinary ones are smaller.
 */
const ORDINARY_SIZE = 4 * 1024;

/**
 * The request of an accepted handshake, for as long as the connection lives: one string, of which a
 * `Request` is made when somebody asks for it. Most connections are never asked.
 */
export class KeptRequest {
  readonly #secure: boolean;
  #text: string;
  #request: Request | undefined;
  readonly #requestSize: number;
  #heldSize: number;

  /**
   * Keeps a request.
   *
   * @param request The `Request` that was made of the head already, if one was: it stays the same.
   */
  constructor(head: RequestHead, secure: boolean, request?: Request) {
    this.#secure = secure;
    this.#request = request;
    this.#requestSize = sizeOfRequest(head);
    this.#text = request === undefined ? textOf(head) : "";
    this.#heldSize = request === undefined ? unlessOrdinary(this.#text.length) : this.#requestSize;
  }

  /** The bytes that it takes, beyond what every connection does. */
  get heldSize(): number {
    // Asked for with each read, where the text would be memory that nothing else needs.
    return this.#heldSize;
  }

  /** Gives the request, the same every time. */
  get(): Request {
    if (this.#request === undefined) {
      const [method = "", target = "", ...rest] = this.#text.split(SEPARATOR);
      const fields: [name: string, value: string][] = [];
      for (let i = 0; i < rest.length; i += 2) fields.push([rest[i]!, rest[i + 1]!]);
      this.#request = toRequest(new RequestHead(method, target, fields), { secure: this.#secure });
      this.#text = "";
      this.#heldSize = this.#requestSize;
    }
    return this.#request;
  }
}

/** Joins the parts of a head to a text of its own. */
function textOf({ method, target, fields }: RequestHead): string {
  const parts = [method, target];
  for (const [name, value] of fields) parts.push(name, value);
  return parts.join(SEPARATOR);
}

/** The bytes that a head and the `Request` made of it take, beyond what those of every connection do. */
export function sizeOfRequest({ method, target, fields }: RequestHead): number {
  let size = REQUEST_COST + fields.length * FIELD_COST + method.length + target.length;
  for (const [name, value] of fields) size += name.length + value.length;
  return unlessOrdinary(size);
}

function unlessOrdinary(size: number): number {
  return size <= ORDINARY_SIZE ? 0 : size;
}
