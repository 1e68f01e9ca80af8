import { turn } from "./turn.ts";

/** How long something may take. It only decides how soon a failure is seen. */
const DEADLINE_MS = 30_000;

/** Waits until something holds, looking again whenever it is woken. */
export class Waiter {
  readonly #waiting = new Set<() => void>();

  /** Says that something happened. */
  wake(): void {
    for (const look of this.#waiting) look();
  }

  /** Waits until `isDone` holds. `what` says, where it does not, what was waited for. */
  until(what: string, isDone: () => boolean, deadlineMs: number = DEADLINE_MS): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = () => {
        try {
          if (!isDone()) return;
          resolve();
        } catch (error) {
          reject(error);
        }
        clearTimeout(timer);
        this.#waiting.delete(look);
      };
      const timer = setTimeout(() => {
        this.#waiting.delete(look);
        reject(new Error(`Waited for ${what}, which did not come`));
      }, deadlineMs);
      this.#waiting.add(look);
      look();
    });
  }
}

/** Waits until something holds that nobody tells about, looking again on each turn of the event loop. */
export async function eventually(what: string, isDone: () => boolean): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  while (!isDone()) {
    if (performance.now() > deadline) throw new Error(`Waited for ${what}, which did not come`);
    await turn();
  }
}
