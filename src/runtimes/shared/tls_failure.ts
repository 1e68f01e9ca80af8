const TLS_CODE = /^ERR_SSL_(.+)$/;
/** The codes for an alert from the peer. OpenSSL omits "ALERT" in some. */
const ALERT_CODE = /^(?:(?:SSLV3|TLSV1|TLSV13|SSL\/TLS)_ALERT|TLSV1|TLSV13)_(.+)$/;
/** The messages of rustls for an alert, and for an invalid record. */
const RUSTLS_ALERT = /^received fatal alert: (\w+)/;
const RUSTLS_RECORD = /^received corrupt message of type (\w+)/;

/** Whether an error is from a TLS library, and not from the connection below it. */
export function isTlsFailure(error: unknown): boolean {
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === "string" && TLS_CODE.test(code);
}

/** Describes a TLS error alike for OpenSSL (Node), BoringSSL (Bun) and rustls (Deno, which adds codes to it). */
export function describeTlsFailure(error: unknown): string {
  const { code, message } = error as { code?: unknown; message?: unknown };
  const text = String(message);
  const [, name = ""] = TLS_CODE.exec(String(code)) ?? [];
  const alert = RUSTLS_ALERT.exec(text)?.[1] ?? ALERT_CODE.exec(name)?.[1];
  if (alert !== undefined) return describeAlert(toWords(alert));
  const record = RUSTLS_RECORD.exec(text)?.[1];
  const isPlain = record === undefined ? name === "WRONG_VERSION_NUMBER" : /Type$/.test(record);
  if (isPlain) return "the server does not speak TLS";
  return record === undefined && name === "" ? text : toWords(record ?? name);
}

function describeAlert(alert: string): string {
  const reason = `the server sent the alert "${alert.replace("unrecognised", "unrecognized")}"`;
  return alert === "certificate required" ? `${reason}: it asks for a client certificate` : reason;
}

/** Splits a name in snake case (OpenSSL) or camel case (rustls) into words. */
export function toWords(name: string): string {
  return name.replace(/([a-z])([A-Z])/g, "$1 $2").replaceAll("_", " ").toLowerCase();
}
