// Time and chance, passed in, so that tests can step through them.

export interface Clock {
  /** Unix milliseconds. */
  now(): number;
  /** A number in [0, 1). */
  random(): number;
  /** Runs once after `ms`; the result cancels it. */
  after(ms: number, run: () => void): () => void;
}

export const browser_clock: Clock = {
  now: () => Date.now(),
  random: () => Math.random(),
  after(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};
