/** Fields of a head, and how they are changed. */

import type { Random } from "../codec/support.ts";
import { trim } from "./extensions.ts";

export type Fields = [name: string, value: string][];

const OTHER_CHARACTERS = [...' \t,;="\\/:@%\xe9\xff0aA=1'];

/**
 * Changes a field, leaves it out, or adds one.
 *
 * @param values The values of the fields there may be.
 * @param others The values of those that are not among them.
 */
export function mutateFields(
  fields: Fields,
  random: Random,
  values: Record<string, readonly string[]>,
  others: readonly string[],
): Fields {
  const changed = fields.slice();
  const at = random.below(changed.length);
  if (changed.length === 0) return changed;
  const [name, value] = changed[at];
  const other = random.pick(Object.keys(values));
  switch (random.below(6)) {
    case 0:
      changed.splice(at, 1);
      break;
    case 1:
      changed.push([random.pick([name, name.toUpperCase()]), value]);
      break;
    case 2:
      changed[at] = [name, random.pick(values[name] ?? others)];
      break;
    case 3:
      changed.splice(at, 0, [other, random.pick(values[other])]);
      break;
    case 4:
      changed[at] = [random.pick([name.toLowerCase(), `${name}x`, "X"]), value];
      break;
    default: {
      const place = random.below(value.length + 1);
      const text = value.slice(0, place) + random.pick(OTHER_CHARACTERS) +
        value.slice(place + random.below(2));
      // The parser gives no blanks around a value.
      changed[at] = [name, trim(text)];
    }
  }
  return changed;
}
