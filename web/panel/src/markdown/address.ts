// Which addresses an answer may link to.

const ALLOWED = ["http:", "https:", "mailto:"];

/** The absolute address, or `undefined` if it is not of a kind that is allowed. Relative ones belong to the page. */
export function safe_address(href: string, base: string): string | undefined {
  try {
    const url = new URL(href, base);
    return ALLOWED.includes(url.protocol) ? url.href : undefined;
  } catch {
    return undefined;
  }
}
