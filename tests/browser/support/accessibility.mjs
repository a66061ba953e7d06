// What axe-core finds on a page, widget included: it looks into open shadow roots.

import axe from "axe-core";

/** WCAG 2.2 up to AA, and what axe-core's authors recommend beyond it. */
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

/**
 * @param {import("playwright-core").Page} page
 * @returns {Promise<string[]>} a line for each violation; empty is good
 */
export async function violations(page) {
  // By the debugger, not by a script element: the page's content security policy stays as it is.
  if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(`${axe.source};undefined`);
  const found = await page.evaluate(
    (rules) => /** @type {any} */ (window).axe.run(document, { runOnly: rules, resultTypes: ["violations"] }),
    RULES,
  );
  return found.violations.flatMap((/** @type {import("axe-core").Result} */ { id, nodes }) =>
    nodes.map(({ target, failureSummary, html }) => `${id}: ${target.flat().join(" >> ")}: ${html}\n${failureSummary}`),
  );
}
