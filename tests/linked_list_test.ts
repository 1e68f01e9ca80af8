import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { countEach, LinkedList, Place } from "../src/linked_list.ts";

describe("a linked list", () => {
  it("keeps its order whichever places are removed", () => {
    const list = new LinkedList<string>();
    const [a, b, c, d] = ["a", "b", "c", "d"].map((value) => list.add(value));
    assertEquals([list.delete(b), [...list], list.size], [true, ["a", "c", "d"], 3]);
    assertEquals([list.delete(a), list.first?.value], [true, "c"]);
    assertEquals([list.delete(d), [...list]], [true, ["c"]]);
    assertEquals([list.delete(c), list.first, list.size], [true, undefined, 0]);
    list.append(a);
    assertEquals([...list], ["a"]);
  });

  it("removes a place once", () => {
    const list = new LinkedList<string>();
    const place = list.add("a");
    list.add("b");
    assertEquals([list.delete(place), list.delete(place), list.size], [true, false, 1]);
    assertEquals(list.delete(new Place("b")), false);
  });

  it("is gone through as it was when that began", () => {
    const list = new LinkedList<number>();
    const places = [1, 2, 3].map((value) => list.add(value));
    const seen: number[] = [];
    for (const value of list) {
      seen.push(value);
      for (const place of places) list.delete(place);
      list.add(4);
    }
    assertEquals([seen, [...list]], [[1, 2, 3], [4, 4, 4]]);
  });

  it("counts what belongs to each member", () => {
    const list = new LinkedList<number>();
    const doubles = countEach(list, (value) => value * 2);
    list.add(1);
    list.add(2);
    assertEquals([doubles.size, [...doubles]], [2, [2, 4]]);
  });
});
