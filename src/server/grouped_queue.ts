import { LinkedList, Place } from "../linked_list.ts";

interface Group<T> {
  readonly name: string;
  /** In the order in which they were added. */
  readonly members: LinkedList<T>;
  /** Its place among the groups of its size; set once it has a member. */
  place?: Place<Group<T>>;
}

export class GroupPlace<T> extends Place<T> {
  readonly group: Group<T>;

  constructor(value: T, group: Group<T>) {
    super(value);
    this.group = group;
  }
}

/**
 * A queue whose members are in groups, and of which the first is the oldest member of the largest group. All
 * operations take constant time.
 */
export class GroupedQueue<T> {
  readonly #groups: Map<string, Group<T>> = new Map();
  /** The groups with one member, with two, and so on; the last list is that of the largest. */
  readonly #bySize: LinkedList<Group<T>>[] = [];
  size = 0;

  get largestSize(): number {
    return this.#bySize.length;
  }

  add(name: string, member: T): GroupPlace<T> {
    let group = this.#groups.get(name);
    if (group === undefined) this.#groups.set(name, group = { name, members: new LinkedList() });
    const place = new GroupPlace(member, group);
    group.members.append(place);
    this.size++;
    this.#move(group, group.members.size - 1);
    return place;
  }

  delete(place: GroupPlace<T>): void {
    const { group } = place;
    if (!group.members.delete(place)) return;
    this.size--;
    const { size } = group.members;
    if (size === 0) this.#groups.delete(group.name);
    this.#move(group, size + 1);
  }

  /** The oldest member of the largest group; of several such groups, of the one that was so first. */
  get first(): T | undefined {
    return this.#bySize.at(-1)?.first?.value.members.first?.value;
  }

  /** Puts a group that has one member more, or one less, with those of its size. */
  #move(group: Group<T>, sizeBefore: number): void {
    const bySize = this.#bySize;
    const { size } = group.members;
    group.place ??= new Place(group);
    if (sizeBefore > 0) bySize[sizeBefore - 1]!.delete(group.place);
    if (size > 0) (bySize[size - 1] ??= new LinkedList()).append(group.place);
    // Only the last list can have become empty as the last one: behind it there is the group now, or none.
    if (bySize.at(-1)?.size === 0) bySize.pop();
  }
}
