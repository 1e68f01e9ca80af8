/**
 * Lets happen what is about to happen, for tests that say what must *not* happen. What must happen is
 * waited for by name instead.
 *
 * @module
 */

export { runTurns as settle, turn } from "../../src/testing/turn.ts";
