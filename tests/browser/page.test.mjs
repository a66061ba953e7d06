// What a page can do with the widget: commands, events, who the visitor is.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { answers, visitor_texts } from "./support/log.mjs";
import { scene, stage } from "./support/stage.mjs";
import { until } from "./support/until.mjs";

const SECRET = "a secret between the shop's back end and the node";
const set = stage({
  env: { FRONTDESK_SITES_SHOP_IDENTITY_KEYS: `[{ algorithm = "HS256", secret = "${SECRET}" }]` },
});

/** The page's own queue, as the README gives it, with commands before the loader has come. */
const QUEUE = () => {
  const page = /** @type {any} */ (window);
  page.frontdesk = function () {
    (page.frontdesk.q = page.frontdesk.q || []).push(arguments);
  };
  page.seen = [];
  for (const name of ["ready", "open", "close", "message", "unread", "error"]) {
    page.frontdesk("on", name, (/** @type {any} */ detail) => page.seen.push([name, detail]));
  }
};
/** @param {import("./support/chat.mjs").Chat} chat @param {string} name */
const seen = (chat, name) =>
  chat.page.evaluate((name) => /** @type {any} */ (window).seen.filter((/** @type {any} */ event) => event[0] === name).map((/** @type {any} */ event) => event[1]), name);
/** @param {import("./support/chat.mjs").Chat} chat @param {unknown[]} command */
const call = (chat, ...command) => chat.page.evaluate((command) => /** @type {any} */ (window).frontdesk(...command), command);

scene("commands queued before the loader has come are carried out, and events tell what happens", async (t) => {
  const visitor = await set.visitor(t);
  await visitor.context.addInitScript(QUEUE);
  await visitor.context.addInitScript(() => /** @type {any} */ (window).frontdesk("open"));
  const chat = await visitor.tab();
  await chat.connected();
  assert.equal((await seen(chat, "open")).length, 1);
  const [{ visitor: name }] = await until("ready", () => seen(chat, "ready"), (events) => events.length === 1);
  assert.match(name, /\S/);

  await chat.send("Hello");
  await chat.answered("complete");
  assert.deepEqual(await seen(chat, "message"), [
    { from: "visitor", text: "Hello", seq: 1 },
    { from: "assistant", text: "You said: Hello", seq: 2 },
  ]);

  await call(chat, "close");
  await chat.panel.waitFor({ state: "hidden" });
  assert.equal((await seen(chat, "close")).length, 1);
  const reply = set.model.reply();
  await call(chat, "open");
  await chat.send("More");
  await reply.asked();
  await call(chat, "close");
  await (await reply.write("Here.")).end();
  await until("the unread answer", async () => (await seen(chat, "unread")).at(-1), 1);
});

scene("a listener that is taken off hears nothing more, and one that throws spoils nothing", async (t) => {
  const visitor = await set.visitor(t);
  await visitor.context.addInitScript(QUEUE);
  const chat = await visitor.tab();
  await chat.bubble.waitFor();
  await chat.page.evaluate(() => {
    const page = /** @type {any} */ (window);
    const count = () => (page.count = (page.count ?? 0) + 1);
    page.frontdesk("on", "open", () => {
      throw new Error("the page's own mistake");
    });
    page.frontdesk("on", "open", count);
    page.frontdesk("open");
    page.off = () => page.frontdesk("off", "open", count);
  });
  await chat.connected();
  await chat.page.evaluate(() => /** @type {any} */ (window).off());
  await call(chat, "close");
  await call(chat, "open");
  await until("both openings", async () => (await seen(chat, "open")).length, 2);
  assert.equal(await chat.page.evaluate(() => /** @type {any} */ (window).count), 1);
});

scene("a visitor whom the shop names is the same one in another browser, and logout leaves nothing", async (t) => {
  const jwt = identity("customer-7");
  const { visitor, chat } = await identified(t, jwt);
  await chat.send("It is me");
  await chat.answered("complete");

  const elsewhere = await identified(t, jwt);
  await until("the conversation in the other browser", () => elsewhere.chat.messages(), [
    { who: "visitor", state: "stored", text: "It is me" },
    { who: "assistant", state: "complete", text: "You said: It is me" },
  ]);
  await elsewhere.chat.send("Here too");
  await until("the other browser's message", () => chat.texts("visitor"), ["It is me", "Here too"]);
  assert.deepEqual(visitor_texts(await visitor.log(chat)), ["It is me", "Here too"]);

  await call(chat, "logout");
  await chat.panel.waitFor({ state: "hidden" });
  const kept = await chat.page.evaluate(() => [...Object.keys(localStorage), ...Object.keys(sessionStorage)]);
  assert.deepEqual(kept.filter((key) => !/:tab:?/.test(key)), []);
  await chat.open();
  assert.deepEqual(await chat.messages(), []);
  await chat.send("I am new here");
  await chat.answered("complete");
  assert.equal(answers(await elsewhere.visitor.log(elsewhere.chat)).length, 2);
});

scene("an identity that the shop has not signed is refused, and a good one is taken after it", async (t) => {
  const visitor = await set.visitor(t);
  const chat = await visitor.tab();
  await chat.bubble.waitFor();
  await call(chat, "identify", identity("customer-8", "another secret that is as long as the right one"));
  await chat.bubble.click();
  await chat.text("Your sign-in was not accepted.").waitFor();
  assert.equal(await chat.kept_token(), undefined);
  await call(chat, "identify", identity("customer-8"));
  await chat.connected();
  await chat.send("Now");
  assert.equal((await chat.answered("complete"))?.text, "You said: Now");
});

/** @param {import("node:test").TestContext} t @param {string} jwt */
async function identified(t, jwt) {
  const visitor = await set.visitor(t);
  const chat = await visitor.tab();
  await chat.bubble.waitFor();
  await call(chat, "identify", jwt);
  return { visitor, chat: await chat.open() };
}

/** What the shop's back end signs. @param {string} sub */
function identity(sub, secret = SECRET) {
  const part = (/** @type {object} */ value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part({ sub, exp: Math.floor(Date.now() / 1000) + 600 })}`;
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
}
