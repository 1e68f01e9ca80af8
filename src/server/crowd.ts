/** What those of one group have in common. */
interface Group<T> {
  readonly name: string;
  /** In the order in which they came. */
  readonly members: Set<T>;
}

/**
 * Those who wait, by groups, of which the largest is known at any time. All operations take constant
 * time, however many there are.
 */
export class Crowd<T> {
  readonly #groups: Map<string, Group<T>> = new Map();
  /** The groups by their size. */
  readonly #bySize: Map<number, Set<Group<T>>> = new Map();
  #largestSize = 0;
  #size = 0;

  /** How many there are. */
  get size(): number {
    return this.#size;
  }

  /** How many the largest group has. */
  get largestSize(): number {
    return this.#largestSize;
  }

  /** Adds somebody, as the last of a group. */
  add(name: string, member: T): void {
    let group = this.#groups.get(name);
    if (group === undefined) this.#groups.set(name, group = { name, members: new Set() });
    const { size } = group.members;
    group.members.add(member);
    this.#size++;
    if (size === this.#largestSize) this.#largestSize++;
    this.#move(group, size);
  }

  /** Removes somebody. */
  delete(name: string, member: T): void {
    const group = this.#groups.get(name);
    if (!group?.members.delete(member)) return;
    this.#size--;
    const { size } = group.members;
    if (size === 0) this.#groups.delete(name);
    this.#move(group, size + 1);
    // It was the only one of its size: it is one smaller, and still the largest.
    if (size + 1 === this.#largestSize && !this.#bySize.has(size + 1)) this.#largestSize--;
  }

  /** Whoever of the largest group came first; of several such groups, of the one that was so first. */
  get first(): T | undefined {
    const group = this.#bySize.get(this.#largestSize)?.values().next().value;
    return group?.members.values().next().value;
  }

  #move(group: Group<T>, sizeBefore: number): void {
    const before = this.#bySize.get(sizeBefore);
    if (before?.delete(group) && before.size === 0) this.#bySize.delete(sizeBefore);
    const { size } = group.members;
    if (size === 0) return;
    const now = this.#bySize.get(size);
    if (now === undefined) this.#bySize.set(size, new Set([group]));
    else now.add(group);
  }
}
