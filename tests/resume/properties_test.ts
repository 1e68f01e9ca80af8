// @engines: all of it happens in memory.

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import process from "node:process";
import { type Outcome, play } from "./chaos.ts";

/** How many games are played; more with `RESUME_GAMES=1000`, from another one on with `RESUME_SEED`. */
const GAMES = Number(process.env.RESUME_GAMES ?? 4);
const FIRST_SEED = Number(process.env.RESUME_SEED ?? 1);

async function playAll(windowSize: number): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (let seed = FIRST_SEED; seed < FIRST_SEED + GAMES; seed++) {
    try {
      outcomes.push(await play(seed, windowSize));
    } catch (error) {
      throw new Error(`seed ${seed}: ${(error as Error).message}`, { cause: error });
    }
  }
  return outcomes;
}

function sum(outcomes: Outcome[], key: keyof Outcome): number {
  return outcomes.reduce((sum, outcome) => sum + outcome[key], 0);
}

describe("clients that resume, by lot", () => {
  it("get everything once and in order, whatever happens to their connections", async () => {
    const outcomes = await playAll(Infinity);
    assertEquals(sum(outcomes, "lost"), 0);
    assert(sum(outcomes, "connections") > 4 * GAMES, `${sum(outcomes, "connections")}`);
    assert(sum(outcomes, "received") > sum(outcomes, "published"));
  });

  it("are told where there is a gap, and get the rest once and in order", async () => {
    const outcomes = await playAll(1_200);
    assert(sum(outcomes, "lost") > GAMES / 4, `${sum(outcomes, "lost")}`);
    assert(sum(outcomes, "received") > GAMES);
  });
});
