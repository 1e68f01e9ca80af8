/**
 * Why TLS failed, in the same words on every runtime: Node has OpenSSL, Bun BoringSSL, and Deno rustls,
 * whose errors it gives codes like those of OpenSSL.
 *
 * @module
 */

/** The codes that TLS libraries give their errors. */
const tlsCode = /^ERR_SSL_(.+)$/;
/** Those that stand for an alert of the peer; of some, OpenSSL leaves out that they do. */
const alertCode = /^(?:(?:SSLV3|TLSV1|TLSV13|SSL\/TLS)_ALERT|TLSV1|TLSV13)_(.+)$/;
/** How rustls tells of an alert, and of a record that is none. */
const rustlsAlert = /^received fatal alert: (\w+)/;
const rustlsRecord = /^received corrupt message of type (\w+)/;

/** Whether an error is one of a TLS library, and not of the connection below it. */
export function isTlsFailure(error: unknown): boolean {
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === "string" && tlsCode.test(code);
}

/** Says why TLS failed. */
export function describeTlsFailure(error: unknown): string {
  const { code, message } = error as { code?: unknown; message?: unknown };
  const text = String(message);
  const [, name = ""] = tlsCode.exec(String(code)) ?? [];
  const alert = rustlsAlert.exec(text)?.[1] ?? alertCode.exec(name)?.[1];
  if (alert !== undefined) return describeAlert(toWords(alert));
  const record = rustlsRecord.exec(text)?.[1];
  const isPlain = record === undefined ? name === "WRONG_VERSION_NUMBER" : /Type$/.test(record);
  if (isPlain) return "the server does not speak TLS";
  return record === undefined && name === "" ? text : toWords(record ?? name);
}

function describeAlert(alert: string): string {
  const what = `the server sent the alert "${alert.replace("unrecognised", "unrecognized")}"`;
  return alert === "certificate required" ? `${what}: it asks for a client certificate` : what;
}

/** Makes words of a name in snake case, as of OpenSSL, or in camel case, as of rustls. */
export function toWords(name: string): string {
  return name.replace(/([a-z])([A-Z])/g, "$1 $2").replaceAll("_", " ").toLowerCase();
}
