// What is refused: a text that is too long, too many messages at once, a page that is not the site's.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { Chat } from "./support/chat.mjs";
import { visitor_texts } from "./support/log.mjs";
import { scene, stage } from "./support/stage.mjs";
import { until } from "./support/until.mjs";

const set = stage({
  env: {
    FRONTDESK_LIMITS_MAX_TEXT_BYTES: "200",
    FRONTDESK_LIMITS_MESSAGES_PER_VISITOR_BURST: "2",
    FRONTDESK_LIMITS_MESSAGES_PER_VISITOR_PER_MINUTE: "40",
  },
});

scene("a text over the limit is counted, kept in the field, and not sent until it is shorter", async (t) => {
  const { visitor, chat } = await set.conversation(t);
  const long = "é".repeat(105);
  await chat.send(long);
  await chat.panel.getByText("5 characters too many").waitFor();
  assert.equal(await chat.field.inputValue(), long);
  assert.equal(await chat.field.getAttribute("aria-invalid"), "true");
  await chat.button("Send").click({ force: true });
  assert.equal(await chat.field.inputValue(), long);
  assert.deepEqual(await chat.messages(), []);

  await chat.send("é".repeat(100));
  await chat.stored(1);
  assert.deepEqual(visitor_texts(await visitor.log(chat)), ["é".repeat(100)]);
});

scene("a limit that the page does not know of fails the message by name", async (t) => {
  const visitor = await set.visitor(t);
  const chat = await visitor.tab();
  // A node may lower its limit while a page is open: the page believes in 4,000 bytes, the node takes 200.
  await chat.page.routeWebSocket(/connect/, (socket) => {
    const node = socket.connectToServer();
    node.onMessage((frame) => socket.send(with_higher_limit(/** @type {Buffer} */ (frame))));
  });
  await chat.page.reload();
  await chat.open();
  await chat.send("x".repeat(201));
  await until("the refusal", async () => (await chat.messages()).at(-1)?.state, "failed");
  await chat.panel.getByText("Not sent. The message is too long.").waitFor();
  await chat.button("Delete").click();
  await until("an empty transcript", () => chat.messages(), []);
});

scene("messages over the rate wait in sight and go by themselves, once and in order", async (t) => {
  const { visitor, chat } = await set.conversation(t);
  await chat.page.evaluate(() => Object.assign(window, { refusals: [] }));
  await chat.page.evaluate(() => {
    const { frontdesk, refusals } = /** @type {any} */ (window);
    frontdesk("on", "error", (/** @type {{ code: number }} */ { code }) => refusals.push(code));
  });
  const texts = ["One", "Two", "Three", "Four"];
  for (const text of texts) await chat.send(text);
  await chat.panel.getByText(/Sent again in \d+ s/).waitFor();
  await chat.stored(4);
  await chat.answered("complete");
  assert.deepEqual(await chat.texts("visitor"), texts);
  assert.deepEqual(visitor_texts(await visitor.log(chat)), texts);
  const rate_limited = 50;
  assert.ok((await chat.page.evaluate(() => /** @type {any} */ (window).refusals)).includes(rate_limited));
});

scene("a page that the site does not allow says that there is no chat, and does not try again", async (t) => {
  const server = createServer((_, response) => {
    response.setHeader("content-type", "text/html");
    response.end(`<!doctype html><title>Elsewhere</title><script async src="http://${set.frontdesk.node}/widget/loader.js" data-site="shop" data-language="en"></script>`);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  t.after(() => server.close());
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());

  const visitor = await set.visitor(t);
  const page = await visitor.context.newPage();
  let sockets = 0;
  page.on("websocket", () => sockets++);
  await page.goto(`http://127.0.0.1:${port}/`);
  const chat = new Chat(page);
  await chat.bubble.click();
  await chat.panel.getByText("The chat is not set up for this page.").waitFor();
  assert.equal(await chat.panel.locator("textarea").count(), 0);
  await page.evaluate(() => dispatchEvent(new Event("online")));
  assert.equal(sockets, 1);
});

/** The welcome with `max_text_bytes` (field 6, a varint) 4000 in place of 200. @param {Buffer} frame */
function with_higher_limit(frame) {
  const [low, high] = [Buffer.from([0x30, 0xc8, 0x01]), Buffer.from([0x30, 0xa0, 0x1f])];
  return frame.subarray(-3).equals(low) ? Buffer.concat([frame.subarray(0, -3), high]) : frame;
}
