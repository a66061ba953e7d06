// What a run prints: a line for each test, each failure in full, and the totals as the last line.

import { inspect } from "node:util";

/** @param {AsyncIterable<{ type: string, data: any }>} events */
export default async function* report(events) {
  let passed = 0;
  let failed = 0;
  for await (const { type, data } of events) {
    if (type === "test:stderr" || type === "test:stdout") yield data.message;
    if (type !== "test:pass" && type !== "test:fail") continue;
    // A suite, or a file as a whole, is counted by the tests in it; what was not asked for is not counted.
    const cause = data.details?.error;
    if (data.skip !== undefined || data.details?.type === "suite" || cause?.failureType === "subtestsFailed") continue;
    const took = `${Math.round(data.details.duration_ms)} ms`;
    if (type === "test:pass") {
      passed++;
      yield `ok      ${data.name} (${took})\n`;
    } else {
      failed++;
      yield `FAILED  ${data.name} (${took})\n${inspect(cause?.cause ?? cause)}\n`;
    }
  }
  yield `${passed} passed, ${failed} failed\n`;
}
