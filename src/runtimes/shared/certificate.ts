import { createPrivateKey, X509Certificate } from "node:crypto";
import type { TlsCertificate } from "../../transport/byte_channel.ts";

export type ToError = (reason: string, cause?: unknown) => Error;

/** The smallest RSA key, in bits. Some runtimes accept a smaller one, or refuse it only in a handshake. */
const MIN_RSA_BITS = 2048;

/** Throws an error of `toError`. Runtimes check different things, and some fail only at the first connection. */
export function checkCertificate(tls: TlsCertificate, toError: ToError): void {
  const orThrow = <T>(run: () => T, reason: string) => {
    try {
      return run();
    } catch (error) {
      throw toError(reason, error);
    }
  };
  const certificate = orThrow(
    () => new X509Certificate(tls.cert),
    `cert is not a PEM encoded certificate${hintFor(tls.cert)}`,
  );
  const key = orThrow(
    () => createPrivateKey(tls.key),
    `key is not a PEM encoded, unencrypted private key${hintFor(tls.key)}`,
  );
  const { modulusLength = MIN_RSA_BITS } = key.asymmetricKeyDetails ?? {};
  if (modulusLength < MIN_RSA_BITS) {
    throw toError(`an RSA key needs at least ${MIN_RSA_BITS} bits, this one has ${modulusLength}`);
  }
  const matches = orThrow(
    () => certificate.checkPrivateKey(key),
    "the private key can't be compared with it",
  );
  if (!matches) throw toError("the private key belongs to another certificate");
}

/** Checks the certificates to trust. Throws an error of `toError`. */
export function checkAuthorities(ca: string | string[], toError: ToError): void {
  for (const text of [ca].flat()) {
    const parts = text.match(/-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----/g);
    try {
      // Runtimes ignore text that they can't parse, and then trust no certificate.
      if (parts === null) throw new Error("There is no certificate");
      for (const part of parts) new X509Certificate(part);
    } catch (error) {
      throw toError(`ca is not a PEM encoded certificate${hintFor(text)}`, error);
    }
  }
}

/** Gives a hint if a text looks like the name of a file: one line with a slash or an extension. */
function hintFor(text: string): string {
  return /^[^\r\n]*([/\\]|\.\w+$)/.test(text) && !text.includes("-----")
    ? ": give the contents of the file, not its name"
    : "";
}
