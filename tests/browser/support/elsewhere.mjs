// A page of an origin that the site does not allow.

import { createServer } from "node:http";

/** @param {import("node:test").TestContext} t @param {string} node host:port @returns {Promise<string>} its URL */
export async function elsewhere(t, node) {
  const server = createServer((_, response) => {
    response.setHeader("content-type", "text/html; charset=utf-8");
    response.end(`<!doctype html><html lang="en"><meta name="viewport" content="width=device-width"><title>Elsewhere</title><main><h1>Elsewhere</h1></main>
      <script async src="http://${node}/widget/loader.js" data-site="shop" data-language="en"></script></html>`);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  t.after(() => server.close());
  return `http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (server.address()).port}/`;
}
