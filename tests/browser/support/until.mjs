// Waiting for a condition, never for a time.

import { isDeepStrictEqual } from "node:util";

/** So long a condition may take before the test counts as hung. No test depends on how long it really takes. */
export const PATIENCE_MS = 20_000;
const LOOK_AGAIN_MS = 25;

/**
 * Looks until `wanted` is seen, and gives what was seen.
 * @template T
 * @param {string} what is waited for, for the error
 * @param {() => T | Promise<T>} look
 * @param {T | ((seen: T) => boolean)} wanted a value, or what decides
 * @returns {Promise<T>}
 */
export async function until(what, look, wanted) {
  const enough = typeof wanted === "function" ? wanted : (/** @type {T} */ seen) => isDeepStrictEqual(seen, wanted);
  const give_up = Date.now() + PATIENCE_MS;
  for (;;) {
    const seen = await look();
    if (/** @type {(seen: T) => boolean} */ (enough)(seen)) return seen;
    if (Date.now() > give_up) throw new Error(`${what}: not seen. Last seen: ${JSON.stringify(seen, null, 1)}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
  }
}
