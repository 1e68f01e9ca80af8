/** The members of one group. */
interface Group<T> {
  readonly name: string;
  /** In the order in which they were added. */
  readonly members: Set<T>;
}

/**
 * A queue whose members are in groups, and of which the first is the oldest member of the largest group. All
 * operations take constant time.
 */
export class GroupedQueue<T> {
  readonly #groups: Map<string, Group<T>> = new Map();
  readonly #bySize: Map<number, Set<Group<T>>> = new Map();
  #largestSize = 0;
  #size = 0;

  /** The number of members. */
  get size(): number {
    return this.#size;
  }

  /** The number of members of the largest group. */
  get largestSize(): number {
    return this.#largestSize;
  }

  /** Adds a member to a group, as its last. */
  add(name: string, member: T): void {
    let group = this.#groups.get(name);
    if (group === undefined) this.#groups.set(name, group = { name, members: new Set() });
    const { size } = group.members;
    group.members.add(member);
    this.#size++;
    if (size === this.#largestSize) this.#largestSize++;
    this.#move(group, size);
  }

  /** Removes a member from a group. */
  delete(name: string, member: T): void {
    const group = this.#groups.get(name);
    if (!group?.members.delete(member)) return;
    this.#size--;
    const { size } = group.members;
    if (size === 0) this.#groups.delete(name);
    this.#move(group, size + 1);
    // If it was the only group of its size, it is still the largest, with one member less.
    if (size + 1 === this.#largestSize && !this.#bySize.has(size + 1)) this.#largestSize--;
  }

  /** The oldest member of the largest group; of several such groups, of the one that was so first. */
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
