// How long to wait before connecting again.

const BASE_MS = 500;
const CAP_MS = 30_000;
const FIRST_MS = 1_000;

/**
 * Full jitter ("Exponential Backoff And Jitter", AWS Architecture Blog, 2015). The first try after a drop comes within
 * a second, because most drops are short.
 * @param failures tries that failed since the last good connection
 * @param random a number in [0, 1)
 */
export function backoff_ms(failures: number, random: number): number {
  const ceiling = failures === 0 ? FIRST_MS : Math.min(CAP_MS, BASE_MS * 2 ** Math.min(failures, 16));
  return Math.floor(random * ceiling);
}
