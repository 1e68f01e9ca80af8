import { isErrorObject } from "../values.ts";

/**
 * Says of which broker an error is, and what can't be done: the packages' own errors often don't. The error
 * has the code of its cause, such as `"ECONNREFUSED"`, if that has one.
 */
export function toBrokerError(what: string, cause: unknown): Error {
  return createError(`Cannot ${what}`, cause);
}

/** Says that the connection to a broker was lost, which there was. */
export function toLostError(where: string, cause: unknown): Error {
  return createError(`The connection to ${where} was lost`, cause);
}

function createError(what: string, cause: unknown): Error {
  const error = new Error(`${what}: ${reasonOf(cause)}`, { cause });
  const { code } = Object(cause) as { code?: unknown };
  return code === undefined ? error : Object.assign(error, { code });
}

/** Gives an address without the user and the password in it, for messages. */
export function withoutUser(address: string): string {
  const [, scheme = "", rest = ""] = /^([a-z][a-z0-9+.-]*:\/\/)?([^]*)$/i.exec(address) ?? [];
  return scheme + rest.slice(rest.lastIndexOf("@") + 1);
}

/** Node's error where several addresses of a name fail has no message, but their errors. */
function reasonOf(error: unknown): string {
  if (!isErrorObject(error)) return String(error);
  const { errors, code } = error as { errors?: unknown; code?: unknown };
  if (error.message !== "") return error.message;
  if (Array.isArray(errors) && errors.length > 0) return errors.map(reasonOf).join(", ");
  return typeof code === "string" ? code : error.name;
}
