/** Encodes bytes, or the UTF-8 bytes of a string, as padded base64 (RFC 4648, section 4). */
export declare function encodeBase64(data: ArrayBuffer | Uint8Array | string): string;
/**
 * Decodes padded base64 (RFC 4648, section 4).
 *
 * @throws {TypeError} Where the input has a character outside the alphabet, or a wrong length.
 */
export declare function decodeBase64(b64: string): Uint8Array<ArrayBuffer>;
