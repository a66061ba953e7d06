// A page with the widget costs its visitors nothing before the first click, and little after it.

import assert from "node:assert/strict";
import { Chat } from "./support/chat.mjs";
import { scene, stage } from "./support/stage.mjs";

const set = stage({ scripted: true });

const LOADER_BYTES = 2 * 1024;
const PANEL_BYTES = 30 * 1024;

scene("before the first click nothing is asked for but the loader, and nothing is stored", async (t) => {
  const visitor = await set.visitor(t);
  const page = await visitor.context.newPage();
  /** @type {string[]} */
  const asked = [];
  page.on("request", (request) => asked.push(request.url()));
  page.on("websocket", (socket) => asked.push(socket.url()));
  await page.goto(set.frontdesk.shop, { waitUntil: "networkidle" });
  await new Chat(page).bubble.waitFor();
  await page.mouse.move(10, 10);
  await new Chat(page).bubble.hover();
  assert.deepEqual(asked.filter((url) => url.includes(set.frontdesk.node)), [`http://${set.frontdesk.node}/widget/loader.js`]);
  assert.deepEqual(await stored(visitor.context, page), { cookies: 0, local: [], session: [], databases: [], caches: [] });

  // The same look sees what the chat keeps once it is used: a token, in localStorage; and never a cookie.
  const chat = await new Chat(page).open();
  await chat.send("Hello");
  await chat.answered("complete");
  const after = await stored(visitor.context, page);
  assert.ok(after.local.includes("frontdesk:shop:token"), after.local.join());
  assert.deepEqual([after.cookies, after.databases, after.caches], [0, [], []]);
});

scene("the loader is at most 2 KB and the panel at most 30 KB, as they come over the network", async (t) => {
  const visitor = await set.visitor(t);
  const page = await visitor.context.newPage();
  const loader = page.waitForResponse(/loader\.js$/);
  const panel = page.waitForResponse(/panel-[0-9a-f]+\.js$/);
  await page.goto(set.frontdesk.shop);
  await new Chat(page).open();
  for (const [response, most] of /** @type {const} */ ([[await loader, LOADER_BYTES], [await panel, PANEL_BYTES]])) {
    const bytes = Number(response.headers()["content-length"]);
    assert.ok(bytes > 0 && bytes <= most, `${response.url()}: ${bytes} bytes, limit ${most}`);
  }
});

scene("another tab takes the panel from the browser's cache", async (t) => {
  const { chat } = await set.conversation(t);
  const page = await chat.page.context().newPage();
  const devtools = await chat.page.context().newCDPSession(page);
  await devtools.send("Network.enable");
  const panel = new Promise((resolve) =>
    devtools.on("Network.responseReceived", ({ response }) => {
      if (/panel-[0-9a-f]+\.js$/.test(response.url)) resolve(response);
    }),
  );
  await page.goto(`${set.frontdesk.shop}/en/returns.html`);
  await new Chat(page).bubble.click();
  assert.equal(/** @type {any} */ (await panel).fromDiskCache, true);
});

/** @param {import("playwright-core").BrowserContext} context @param {import("playwright-core").Page} page */
async function stored(context, page) {
  const cookies = (await context.cookies()).length;
  const rest = await page.evaluate(async () => ({
    local: Object.keys(localStorage),
    session: Object.keys(sessionStorage),
    databases: (await indexedDB.databases()).map(({ name }) => name),
    caches: await caches.keys(),
  }));
  return { cookies, ...rest };
}
