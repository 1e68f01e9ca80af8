import { isErrorObject } from "../values.ts";

/** Creates an error that says what failed, and has the code of its cause, if any. */
export function toBrokerError(what: string, cause: unknown): Error {
  const error = new Error(`${what}: ${reasonOf(cause)}`, { cause });
  const { code } = Object(cause) as { code?: unknown };
  return code === undefined ? error : Object.assign(error, { code });
}

/** Removes user and password from an address, for error messages. */
export function withoutUser(address: string): string {
  const [, scheme = "", rest = ""] = /^([a-z][a-z0-9+.-]*:\/\/)?([^]*)$/i.exec(address) ?? [];
  return scheme + rest.slice(rest.lastIndexOf("@") + 1);
}

/** The message of an error. If all addresses of a name fail, Node's error has no message, but their errors. */
function reasonOf(error: unknown): string {
  if (!isErrorObject(error)) return String(error);
  const { errors, code } = error as { errors?: unknown; code?: unknown };
  if (error.message !== "") return error.message;
  if (Array.isArray(errors) && errors.length > 0) return errors.map(reasonOf).join(", ");
  return typeof code === "string" ? code : error.name;
}

/** The broker refused a message for good: see {@linkcode KeepingBroker.append}. */
export class RefusedError extends Error {
  override readonly name: string = "RefusedError";
  readonly isRefused: true = true;

  constructor(topic: string, reason: string, cause?: unknown) {
    super(`Cannot retain a message of ${JSON.stringify(topic)}: ${reason}`, { cause });
  }
}
