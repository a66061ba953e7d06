// Tells screen readers what has come: finished messages only, one at a time, in a live region apart from the
// transcript. Each is removed after a moment, so that nobody finds it when reading on.

import type { Clock } from "../desk/clock.ts";

const STAYS_MS = 1_000;

export class Announcer {
  readonly #waiting: string[] = [];
  #busy = false;

  constructor(
    private readonly region: () => HTMLElement | null,
    private readonly clock: Clock,
  ) {}

  say(text: string): void {
    this.#waiting.push(text);
    if (!this.#busy) this.#next();
  }

  #next(): void {
    const text = this.#waiting.shift();
    const region = this.region();
    this.#busy = text !== undefined && region !== null;
    if (text === undefined || !region) return;
    const line = document.createElement("p");
    line.textContent = text;
    region.append(line);
    this.clock.after(STAYS_MS, () => {
      line.remove();
      this.#next();
    });
  }
}
