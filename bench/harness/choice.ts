/**
 * Picks what `--only` asks for.
 *
 * @module
 */

/**
 * Makes the test for what is chosen: each choice is words with commas between them, of which a cell has to
 * have one.
 *
 * @throws {RangeError} If no cell has one of the words.
 */
export function chooser<Cell>(
  only: readonly string[],
  all: readonly Cell[],
  wordsOf: (cell: Cell) => string[],
  listWords: () => string,
): (cell: Cell) => boolean {
  const choices = only.map((words) => words.toLowerCase().split(",").map((word) => word.trim()));
  const known = new Set(all.flatMap(wordsOf));
  for (const word of choices.flat()) {
    if (!known.has(word)) throw new RangeError(`--only: there is no "${word}"\n${listWords()}`);
  }
  return (cell) => {
    const words = wordsOf(cell);
    return choices.every((choice) => choice.some((word) => words.includes(word)));
  };
}
