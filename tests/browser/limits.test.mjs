// What is refused: a text that is too long, too many messages at once, a page that is not the site's.

import assert from "node:assert/strict";
import { Chat } from "./support/chat.mjs";
import { elsewhere } from "./support/elsewhere.mjs";
import { visitor_texts } from "./support/log.mjs";
import { scene, stage } from "./support/stage.mjs";
import { until } from "./support/until.mjs";
import { believe_in_higher_limit, LOWER_LIMIT } from "./support/welcome.mjs";

const set = stage({
  env: {
    ...LOWER_LIMIT,
    FRONTDESK_LIMITS_MESSAGES_PER_VISITOR_BURST: "2",
    FRONTDESK_LIMITS_MESSAGES_PER_VISITOR_PER_MINUTE: "40",
  },
});

scene("a text over the limit is counted, kept in the field, and not sent until it is shorter", async (t) => {
  const { visitor, chat } = await set.conversation(t);
  const long = "é".repeat(105);
  await chat.send(long);
  await chat.text("5 characters too many").waitFor();
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
  await believe_in_higher_limit(chat.page);
  await chat.page.reload();
  await chat.open();
  await chat.send("x".repeat(201));
  await until("the refusal", async () => (await chat.messages()).at(-1)?.state, "failed");
  await chat.text("Not sent. The message is too long.").waitFor();
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
  await chat.text(/Sent again in \d+ s/).waitFor();
  await chat.stored(4);
  await chat.answered("complete");
  assert.deepEqual(await chat.texts("visitor"), texts);
  assert.deepEqual(visitor_texts(await visitor.log(chat)), texts);
  const rate_limited = 50;
  assert.ok((await chat.page.evaluate(() => /** @type {any} */ (window).refusals)).includes(rate_limited));
});

scene("a page that the site does not allow says that there is no chat, and does not try again", async (t) => {
  const visitor = await set.visitor(t);
  const page = await visitor.context.newPage();
  let sockets = 0;
  page.on("websocket", () => sockets++);
  await page.goto(await elsewhere(t, set.frontdesk.node));
  const chat = new Chat(page);
  await chat.bubble.click();
  await chat.panel.getByRole("heading", { name: "The chat is not set up for this page." }).waitFor();
  assert.equal(await chat.text("How can we help?").count(), 0, "nobody is invited to what is not there");
  assert.equal(await chat.panel.locator("textarea").count(), 0);
  await page.evaluate(() => dispatchEvent(new Event("online")));
  assert.equal(sockets, 1);
});
