/**
 * Checks certificates. Runtimes differ in what they check, and some find out only with the first
 * connection.
 *
 * @module
 */

import { createPrivateKey, X509Certificate } from "node:crypto";
import type { TlsCertificate } from "../../transport/byte_channel.ts";

/** Creates the error for what is wrong with a certificate. */
export type ToError = (reason: string, cause?: unknown) => Error;

/** What runtimes ask of an RSA key, in bits; not all of them, and not all before a handshake. */
const smallestModulus = 2048;

/** Checks a certificate and its key. Throws what `toError` gives. */
export function checkCertificate(tls: TlsCertificate, toError: ToError): void {
  const attempt = <T>(run: () => T, reason: string) => {
    try {
      return run();
    } catch (error) {
      throw toError(reason, error);
    }
  };
  const certificate = attempt(
    () => new X509Certificate(tls.cert),
    `cert is not a PEM encoded certificate${hintFor(tls.cert)}`,
  );
  const key = attempt(
    () => createPrivateKey(tls.key),
    `key is not a PEM encoded, unencrypted private key${hintFor(tls.key)}`,
  );
  const { modulusLength = smallestModulus } = key.asymmetricKeyDetails ?? {};
  if (modulusLength < smallestModulus) {
    throw toError(`an RSA key needs at least ${smallestModulus} bits`);
  }
  const matches = attempt(
    () => certificate.checkPrivateKey(key),
    "the private key can't be compared with it",
  );
  if (!matches) throw toError("the private key belongs to another certificate");
}

/** Checks the certificates that are to be trusted. Throws what `toError` gives. */
export function checkAuthorities(ca: string | string[], toError: ToError): void {
  for (const text of [ca].flat()) {
    const parts = text.match(/-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----/g);
    try {
      // Runtimes pass over what they can't read, and then trust nobody.
      if (parts === null) throw new Error("There is no certificate");
      for (const part of parts) new X509Certificate(part);
    } catch (error) {
      throw toError(`ca is not a PEM encoded certificate${hintFor(text)}`, error);
    }
  }
}

/** Tells apart what is in a file and what looks like its name: a line with a slash or an ending. */
function hintFor(text: string): string {
  return /^[^\r\n]*([/\\]|\.\w+$)/.test(text) && !text.includes("-----")
    ? ": give what is in the file, not its name"
    : "";
}
