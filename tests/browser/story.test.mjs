// What a person can do: ask, read along, stop, reload in the middle of an answer, write again.

import assert from "node:assert/strict";
import { answers, visitor_texts } from "./support/log.mjs";
import { scene, stage } from "./support/stage.mjs";
import { until } from "./support/until.mjs";

const set = stage();

/** Words that can be told apart: "1 2 3 … ". @param {number} from @param {number} to */
const numbers = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => `${from + i} `);

scene("every piece is shown before the next one comes", async (t) => {
  const { chat } = await set.conversation(t);
  const reply = set.model.reply();
  await chat.send("Count");
  await chat.answered("thinking");
  for (const word of numbers(1, 6)) {
    await reply.write(word);
    await chat.shows(reply.text.trim());
  }
  assert.equal((await chat.newest_answer())?.state, "writing");
  await reply.end();
  assert.equal((await chat.answered("complete"))?.text, "1 2 3 4 5 6");
});

scene("Stop ends the answer, and what was written stays", async (t) => {
  const { visitor, chat } = await set.conversation(t);
  const reply = set.model.reply();
  await chat.send("Count");
  await reply.write(...numbers(1, 5));
  await chat.shows("1 2 3 4 5");
  await chat.button("Stop").click();
  assert.equal((await chat.answered("stopped"))?.text, "1 2 3 4 5");
  assert.ok(await chat.text("Stopped", { exact: true }).isVisible());
  await chat.button("Stop").waitFor({ state: "hidden" });
  const [answer] = answers(await visitor.log(chat));
  assert.deepEqual([answer?.end, answer?.text?.trim()], ["ANSWER_END_STOPPED", "1 2 3 4 5"]);
});

scene("a page reloaded in mid-answer shows the history at once, and the answer goes on", async (t) => {
  const { visitor, chat } = await set.conversation(t);
  await chat.send("Before");
  await chat.answered("complete");
  const reply = set.model.reply();
  await chat.send("Count");
  await reply.write(...numbers(1, 20));
  await chat.shows(reply.text.trim());
  await until("the answer in the page's storage", () => kept_log(chat), (log) => log.includes("20"));

  // At once: before the node has said anything on the new connection.
  let let_through = () => {};
  const held = new Promise((resolve) => (let_through = () => resolve(undefined)));
  await chat.page.routeWebSocket(/connect/, async (socket) => {
    await held;
    socket.connectToServer();
  });
  await chat.page.reload();
  await until("the history", () => chat.messages(), [
    { who: "visitor", state: "stored", text: "Before" },
    { who: "assistant", state: "complete", text: "You said: Before" },
    { who: "visitor", state: "stored", text: "Count" },
    { who: "assistant", state: "writing", text: reply.text.trim() },
  ]);
  const record = await chat.record_answers();
  let_through();

  await reply.write(...numbers(21, 30));
  await chat.shows(reply.text.trim());
  await (await reply.write(...numbers(31, 40))).end();
  const answer = await chat.answered("complete");
  assert.equal(answer?.text, reply.text.trim());
  for (const [text] of await record()) assert.ok(reply.text.startsWith(text.slice(0, -1)), `"${text}" was shown`);
  const log = await visitor.log(chat);
  assert.deepEqual(visitor_texts(log), ["Before", "Count"]);
  assert.deepEqual(answers(log).map(({ text }) => text), ["You said: Before", reply.text]);
});

scene("a message written before the first word joins the turn; one written after it waits for its own", async (t) => {
  const { visitor, chat } = await set.conversation(t);
  const never = set.model.reply();
  await chat.send("One");
  await never.asked();
  const both = set.model.reply();
  await chat.send("Two");
  await both.write("For both. ");
  await chat.shows("For both.");
  const third = set.model.reply();
  await chat.send("Three");
  await chat.stored(3);
  await both.end();
  await (await third.write("For the third.")).end();
  const texts = async () => (await chat.messages()).map(({ text }) => text);
  await until("both answers", texts, ["One", "Two", "For both.", "Three", "For the third."]);
  const log = answers(await visitor.log(chat));
  assert.deepEqual(log.map(({ text }) => text?.trim()), ["For both.", "For the third."]);
});

/** @param {import("./support/chat.mjs").Chat} chat */
const kept_log = (chat) => chat.page.evaluate(() => localStorage.getItem("frontdesk:shop:log") ?? "");
