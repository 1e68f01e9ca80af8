import type { toRequest } from "./request.ts";
import { RequestHead } from "./request_head.ts";

// None of these can be part of a method, a target, a field name or a value.
const SEPARATOR = "\n";

/**
 * The memory of a `Request` besides its text, and of each of its header fields, in bytes: 1,500 to 2,500,
 * and 90 to 150, measured on Node 22, Node 26, Deno and Bun. Its strings are slices of the head's text, and
 * keep that in memory.
 */
const REQUEST_COST = 1800;
const FIELD_COST = 135;

/**
 * Up to this size, a head and its `Request` count as part of the few KiB of every connection. Most are
 * smaller.
 */
const ORDINARY_SIZE = 4 * 1024;

/**
 * The request of an accepted handshake, retained while the connection is open. It is one string, from which
 * a `Request` is created on first use: most programs never use it.
 */
export class RetainedRequest {
  readonly #secure: boolean;
  #text: string;
  #request: Request | undefined;
  readonly #requestSize: number;
  #heldSize: number;

  /** Retains a request. `request` is what was created from the head already, if anything. */
  constructor(head: RequestHead, secure: boolean, request?: Request) {
    this.#secure = secure;
    this.#request = request;
    this.#requestSize = sizeOfRequest(head);
    this.#text = request === undefined ? textOf(head) : "";
    this.#heldSize = request === undefined ? beyondOrdinary(this.#text.length) : this.#requestSize;
  }

  /** The memory held, in bytes, apart from the few KiB of every connection. */
  get heldSize(): number {
    // A field, since it is read on every read of the channel: the text would be a cache miss.
    return this.#heldSize;
  }

  /** Gets the request, the same object every time. `create` is `toRequest`. */
  get(create: typeof toRequest): Request {
    if (this.#request === undefined) {
      const [method = "", target = "", ...rest] = this.#text.split(SEPARATOR);
      const fields: [name: string, value: string][] = [];
      for (let i = 0; i < rest.length; i += 2) fields.push([rest[i]!, rest[i + 1]!]);
      this.#request = create(new RequestHead(method, target, fields), { secure: this.#secure });
      this.#text = "";
      this.#heldSize = this.#requestSize;
    }
    return this.#request;
  }
}

/** Joins the parts of a head to a text that does not keep the head in memory. */
function textOf({ method, target, fields }: RequestHead): string {
  const parts = [method, target];
  for (const [name, value] of fields) parts.push(name, value);
  return parts.join(SEPARATOR);
}

/** The memory of a head and its `Request`, in bytes, apart from the few KiB of every connection. */
export function sizeOfRequest({ method, target, fields }: RequestHead): number {
  let size = REQUEST_COST + fields.length * FIELD_COST + method.length + target.length;
  for (const [name, value] of fields) size += name.length + value.length;
  return beyondOrdinary(size);
}

function beyondOrdinary(size: number): number {
  return size <= ORDINARY_SIZE ? 0 : size;
}
