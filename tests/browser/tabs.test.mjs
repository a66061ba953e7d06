// Several tabs of one visitor.

import assert from "node:assert/strict";
import { answers, visitor_texts } from "./support/log.mjs";
import { scene, stage } from "./support/stage.mjs";
import { until } from "./support/until.mjs";

const set = stage();

scene("a message from one tab shows once in the other, and both see the answer being written", async (t) => {
  const { visitor, chat: one } = await set.conversation(t);
  const two = await (await visitor.tab("/en/shipping.html")).open();
  const reply = set.model.reply();
  await one.send("Hello from one");
  await reply.write("Hello to ");
  for (const tab of [one, two]) {
    await until("the turn in both tabs", () => tab.messages(), [
      { who: "visitor", state: "stored", text: "Hello from one" },
      { who: "assistant", state: "writing", text: "Hello to" },
    ]);
  }
  await (await reply.write("both.")).end();
  for (const tab of [one, two]) assert.equal((await tab.answered("complete"))?.text, "Hello to both.");

  await two.send("Hello from two");
  for (const tab of [one, two]) {
    await tab.stored(2);
    await tab.answered("complete", 2);
    assert.deepEqual(await tab.texts("visitor"), ["Hello from one", "Hello from two"]);
  }
  assert.deepEqual(visitor_texts(await visitor.log(one)), ["Hello from one", "Hello from two"]);
});

scene("Stop in one tab stops the answer in both", async (t) => {
  const { visitor, chat: one } = await set.conversation(t);
  const two = await (await visitor.tab()).open();
  const reply = set.model.reply();
  await one.send("Count");
  await reply.write("One, ");
  await two.shows("One,");
  await two.button("Stop").click();
  for (const tab of [one, two]) assert.equal((await tab.answered("stopped"))?.text, "One,");
  assert.equal(answers(await visitor.log(one)).length, 1);
});

scene("somebody new who opens two tabs at once is one visitor", async (t) => {
  const visitor = await set.visitor(t);
  const [one, two] = await Promise.all([visitor.tab(), visitor.tab("/en/visit.html")]);
  // Neither gets through to the node before both are on their way.
  let on_their_way = 0;
  let go = () => {};
  const both = new Promise((resolve) => (go = () => resolve(undefined)));
  for (const { page } of [one, two]) {
    await page.routeWebSocket(/connect/, async (socket) => {
      if (++on_their_way === 2) go();
      await both;
      socket.connectToServer();
    });
    await page.reload();
  }
  await Promise.all([one.open(), two.open()]);
  await one.send("From one");
  await until("the other tab's message", () => two.texts("visitor"), ["From one"]);
  await two.send("From two");
  for (const tab of [one, two]) await until("both messages", () => tab.texts("visitor"), ["From one", "From two"]);
  assert.deepEqual(visitor_texts(await visitor.log(one)), ["From one", "From two"]);
});

scene("what a closed tab had not yet sent, another tab sends", async (t) => {
  const { visitor, chat: one } = await set.conversation(t);
  const two = await (await visitor.tab()).open();
  await one.page.routeWebSocket(/connect/, (socket) => socket.close());
  await one.page.reload();
  await one.text("Connection lost").waitFor();
  await one.send("Left behind");
  await until("the entry in the other tab", () => two.texts("visitor"), ["Left behind"]);
  await one.page.close();
  await two.stored(1);
  await two.answered("complete");
  assert.deepEqual(await two.texts("visitor"), ["Left behind"]);
  assert.deepEqual(visitor_texts(await visitor.log(two)), ["Left behind"]);
});

scene("the next conversation that one tab begins is the other one's too", async (t) => {
  const { visitor, chat: one } = await set.conversation(t);
  const two = await (await visitor.tab("/en/visit.html")).open();
  await one.send("First");
  for (const tab of [one, two]) await tab.answered("complete");
  await one.button("More options").click();
  await one.button("End conversation").click();
  await one.button("End conversation").click();
  for (const tab of [one, two]) await tab.button("Start a new conversation").waitFor();

  await one.button("Start a new conversation").click();
  for (const tab of [one, two]) await until("an empty transcript", () => tab.messages(), []);
  await two.send("Second");
  for (const tab of [one, two]) {
    await tab.stored(1);
    await tab.answered("complete");
    assert.deepEqual(await tab.texts("visitor"), ["Second"]);
  }
  assert.deepEqual(visitor_texts(await visitor.log(one)), ["Second"]);
});

scene("the chat stays open from page to page, and is the same conversation", async (t) => {
  const { chat } = await set.conversation(t);
  await chat.send("Hello");
  await chat.answered("complete");
  await chat.page.goto(`${set.frontdesk.shop}/en/returns.html`);
  await until("the conversation on the next page", () => chat.messages(), [
    { who: "visitor", state: "stored", text: "Hello" },
    { who: "assistant", state: "complete", text: "You said: Hello" },
  ]);
});

scene("answers that come while the panel is closed are counted on the bubble", async (t) => {
  const { chat } = await set.conversation(t);
  const reply = set.model.reply();
  await chat.send("Hello");
  await reply.asked();
  await chat.bubble.click();
  await chat.panel.waitFor({ state: "hidden" });
  await (await reply.write("Here I am.")).end();
  await until("the badge", () => chat.bubble.textContent(), "1");
  assert.equal(await chat.bubble.getAttribute("aria-label"), "Open chat, 1 new message");
  await chat.bubble.click();
  await until("no badge", () => chat.bubble.locator(".badge").isHidden(), true);
});
