// The network goes and comes back; nodes and functions are killed. Nothing is lost, nothing comes twice.

import assert from "node:assert/strict";
import { Cable } from "./support/cable.mjs";
import { Chat } from "./support/chat.mjs";
import { answers, visitor_texts } from "./support/log.mjs";
import { scene, stage } from "./support/stage.mjs";
import { until } from "./support/until.mjs";

const set = stage();

scene("three messages asked offline arrive once, in order, when the cable is back", async (t) => {
  const cable = await Cable.lay();
  t.after(() => cable.remove());
  const { visitor, chat } = await set.conversation(t, { proxy: cable.proxy });
  await chat.send("Before");
  await chat.answered("complete");

  cable.pull();
  await visitor.context.setOffline(true);
  await chat.text("You are offline.").waitFor();
  for (const text of ["One", "Two", "Three"]) await chat.send(text);
  await chat.text("Waiting to be sent").last().waitFor();
  await until("the queue", () => states(chat), ["stored", "pending", "pending", "pending"]);
  assert.deepEqual(visitor_texts(await visitor.log(chat)), ["Before"], "nothing can have come through");

  cable.plug_in();
  await visitor.context.setOffline(false);
  await all_arrive(visitor, chat, ["Before", "One", "Two", "Three"]);
});

scene("messages asked offline survive a reload of the page", async (t) => {
  const cable = await Cable.lay();
  t.after(() => cable.remove());
  const { visitor, chat } = await set.conversation(t, { proxy: cable.proxy });
  // The node's sockets end, but the page can still be loaded: from the shop, and the widget from the browser's cache.
  let up = false;
  await chat.page.routeWebSocket(/connect/, (socket) => (up ? socket.connectToServer() : socket.close()));
  cable.pull();
  cable.plug_in();
  await chat.text("Connection lost").waitFor();
  for (const text of ["One", "Two", "Three"]) await chat.send(text);
  await chat.page.reload();
  await until("the queue", () => chat.texts("visitor"), ["One", "Two", "Three"]);
  assert.deepEqual(await states(chat), ["pending", "pending", "pending"]);
  up = true;
  await all_arrive(visitor, chat, ["One", "Two", "Three"]);
});

scene("a network that only stalls hands out what it held back", async (t) => {
  const { visitor, chat } = await set.conversation(t);
  await visitor.context.setOffline(true);
  for (const text of ["One", "Two", "Three"]) await chat.send(text);
  await chat.text("You are offline.").waitFor();
  await visitor.context.setOffline(false);
  await chat.text("You are offline.").waitFor({ state: "hidden" });
  await all_arrive(visitor, chat, ["One", "Two", "Three"]);
});

scene("an answer that the cable cut goes on where it was", async (t) => {
  const cable = await Cable.lay();
  t.after(() => cable.remove());
  const { visitor, chat } = await set.conversation(t, { proxy: cable.proxy });
  const reply = set.model.reply();
  await chat.send("Count");
  await reply.write("One, two, ");
  await chat.shows("One, two,");
  cable.pull();
  await chat.text("Connection lost").waitFor();
  await reply.write("three, four, ");
  assert.deepEqual(await chat.newest_answer(), { who: "assistant", state: "writing", text: "One, two," });
  const record = await chat.record_answers();
  cable.plug_in();
  await chat.shows("One, two, three, four,");
  await (await reply.write("five.")).end();
  await chat.answered("complete");
  assert.deepEqual(answers(await visitor.log(chat)).map(({ text }) => text), ["One, two, three, four, five."]);
  for (const [text] of await record()) assert.ok(text.startsWith("One, two,"), `"${text}" was shown`);
});

scene("kill -9 of the node in mid-answer: it comes back, and the answer is written to its end", async (t) => {
  const { visitor, chat } = await set.conversation(t);
  const cut = set.model.reply();
  await chat.send("Count");
  await cut.write("A first try that nobody will ");
  await chat.shows("A first try that nobody will");
  const second = set.model.reply();
  const back = await set.frontdesk.kill_node();
  await back();
  await second.write("The second try, ");
  await chat.shows("The second try,");
  await (await second.write("to its end.")).end();
  assert.equal((await chat.answered("complete"))?.text, "The second try, to its end.");
  const log = await visitor.log(chat);
  assert.deepEqual(visitor_texts(log), ["Count"]);
  assert.deepEqual(answers(log).map(({ text }) => text), ["The second try, to its end."]);
});

scene("messages sent while the node is killed arrive once, in order", async (t) => {
  const { visitor, chat } = await set.conversation(t);
  await chat.send("One");
  const back = await set.frontdesk.kill_node();
  await chat.send("Two");
  await chat.send("Three");
  await back();
  await all_arrive(visitor, chat, ["One", "Two", "Three"]);
});

scene("a message that a hanging node never acknowledged is stored once after the node's death", async (t) => {
  const { visitor, chat } = await set.conversation(t);
  const thaw = await set.frontdesk.freeze_node();
  t.after(thaw);
  await chat.send("One");
  await until("the message on its way", () => states(chat), ["pending"]);
  const back = await set.frontdesk.kill_node();
  await back();
  await all_arrive(visitor, chat, ["One"]);
});

scene("kill -9 of the function in mid-answer: what was written stays, marked as broken off", async (t) => {
  const { visitor, chat } = await set.conversation(t);
  const reply = set.model.reply();
  await chat.send("Count");
  await reply.write("One, two, ");
  await chat.shows("One, two,");
  await set.frontdesk.kill_answering_function();
  assert.equal((await chat.answered("interrupted"))?.text, "One, two,");
  await chat.text("The answer broke off here.").waitFor();
  const [answer] = answers(await visitor.log(chat));
  assert.deepEqual([answer?.end, answer?.text], ["ANSWER_END_INTERRUPTED", "One, two,"]);
  await chat.send("And now?");
  assert.equal((await chat.answered("complete"))?.text, "You said: And now?");
});

scene("a short break, as when a node restarts as planned, is not announced; a longer one is, and its end", async (t) => {
  const visitor = await set.visitor(t);
  const page = await visitor.context.newPage();
  await page.clock.install();
  // The wait before a try is random.
  await page.addInitScript(() => (Math.random = () => 0));
  const line = await cut_as_told(page);
  await page.goto(set.frontdesk.shop);
  const chat = await new Chat(page).open();
  await until("a welcome", () => line.welcomes, 1);
  await page.clock.pauseAt(new Date(Date.now() + 60_000));
  const said = await record_trouble(chat);

  line.cut();
  // From the other try on, nothing of the page's time goes by, however long the node takes.
  await until("another try", () => page.clock.runFor(1).then(() => line.tries), 2);
  await until("a second welcome", () => line.welcomes, 2);
  await page.clock.runFor(10_000);
  assert.deepEqual(await said(), { bars: [], heard: [], states: [] });

  line.up = false;
  line.cut();
  await until("the bar", () => page.clock.runFor(500).then(() => chat.panel.locator(".bar").count()), 1);
  line.up = true;
  await until("no bar", () => page.clock.runFor(500).then(() => chat.panel.locator(".bar").count()), 0);
  await until("what is heard", () => page.clock.runFor(500).then(async () => (await said()).heard), [
    "Connection lost. Trying again…",
    "Connected again.",
  ]);
  assert.deepEqual(await said(), {
    bars: ["Connection lost. Trying again…Try now"],
    heard: ["Connection lost. Trying again…", "Connected again."],
    states: ["Not connected", "AI assistant, answers at once"],
  });
});

/**
 * A line to the node that a test cuts, as a node does that stops.
 * @param {import("playwright-core").Page} page
 */
async function cut_as_told(page) {
  const line = { up: true, tries: 0, welcomes: 0, cut: () => {} };
  await page.routeWebSocket(/connect/, (socket) => {
    line.tries++;
    if (!line.up) return void socket.close({ code: 4000 });
    const node = socket.connectToServer();
    let welcomed = false;
    node.onMessage((frame) => {
      socket.send(frame);
      if (!welcomed) line.welcomes++;
      welcomed = true;
    });
    line.cut = () => void socket.close({ code: 4000 });
  });
  return line;
}

/**
 * Whatever is said of the connection from now on: in the bar, to screen readers, and in the header.
 * @param {Chat} chat
 * @returns {Promise<() => Promise<{ bars: string[], heard: string[], states: string[] }>>}
 */
async function record_trouble(chat) {
  await chat.panel.evaluate((panel) => {
    /** @type {Record<string, string[]>} */
    const record = { bars: [], heard: [], states: [] };
    const state = () => panel.querySelector(".status")?.textContent ?? "";
    let last = state();
    const look = (/** @type {MutationRecord[]} */ changes) => {
      for (const { addedNodes } of changes) {
        for (const node of addedNodes) {
          const element = /** @type {Element} */ (node);
          if (element.matches?.(".bar")) record.bars?.push(element.textContent ?? "");
          if (element.matches?.("[aria-live] *")) record.heard?.push(element.textContent ?? "");
        }
      }
      if (state() !== last) record.states?.push((last = state()));
    };
    new MutationObserver(look).observe(panel, { subtree: true, childList: true, characterData: true });
    Object.assign(window, { trouble_seen: record });
  });
  return () => chat.page.evaluate(() => /** @type {any} */ (window).trouble_seen);
}

/** @param {import("./support/chat.mjs").Chat} chat */
const states = async (chat) => (await chat.messages()).filter(({ who }) => who === "visitor").map(({ state }) => state);

/**
 * The messages are stored, and page and log agree: each once, in order; and the last turn is answered.
 * @param {import("./support/stage.mjs").Visitor} visitor @param {import("./support/chat.mjs").Chat} chat @param {string[]} texts
 */
async function all_arrive(visitor, chat, texts) {
  await chat.stored(texts.length);
  await chat.answered("complete");
  assert.deepEqual(await chat.texts("visitor"), texts);
  assert.deepEqual(visitor_texts(await visitor.log(chat)), texts);
}
