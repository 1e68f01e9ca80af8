/** The words of a text, as a list: for tables of names, tokens and numbers without spaces. */
export function words({ raw }: TemplateStringsArray): string[] {
  return raw[0].trim().split(/\s+/);
}
