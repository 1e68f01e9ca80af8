/** Encodes bytes, or the UTF-8 bytes of a string, as lower-case hexadecimal digits. */
export declare function encodeHex(src: string | Uint8Array | ArrayBuffer): string;
/**
 * Decodes hexadecimal digits.
 *
 * @throws {TypeError} Where the input has another character, or an odd length.
 */
export declare function decodeHex(src: string): Uint8Array<ArrayBuffer>;
