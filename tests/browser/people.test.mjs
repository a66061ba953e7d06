// From the assistant to people, to the end of the conversation and to the next one.

import assert from "node:assert/strict";
import { answers, visitor_texts } from "./support/log.mjs";
import { scene, stage } from "./support/stage.mjs";
import { until } from "./support/until.mjs";

const set = stage();

scene("who asks for a person waits for one, and the assistant is silent from then on", async (t) => {
  const { visitor, chat } = await set.conversation(t);
  const reply = set.model.reply();
  await chat.send("Hello");
  await reply.write("I was about to ");
  await chat.shows("I was about to");
  await chat.button("Talk to a person").click();
  await chat.text("You asked for a person").waitFor();
  await chat.text("Somebody will be with you").waitFor();
  await chat.text("Waiting for a person").waitFor();

  const asked = set.model.requests.length;
  await (await reply.write("say more.")).end();
  await chat.send("Is anybody there?");
  await chat.stored(2);
  await chat.page.reload();
  await chat.text("Somebody will be with you").waitFor();
  const log = await until("the queue's turn", () => visitor.log(chat), (events) => events.some(({ assigned }) => assigned));
  assert.deepEqual(visitor_texts(log), ["Hello", "Is anybody there?"]);
  const handover = log.findIndex((event) => event.handover);
  assert.equal(log[handover]?.handover?.reason, "HANDOVER_REASON_VISITOR_ASKED");
  assert.deepEqual(answers(log.slice(handover)), []);
  assert.equal(set.model.requests.length, asked, "the model was asked after the handover");
  assert.deepEqual(await chat.texts("assistant"), answers(log).map(({ text }) => text?.trim()));
});

scene("a conversation is ended, rated, and followed by the next one", async (t) => {
  const { visitor, chat } = await set.conversation(t);
  await chat.send("Hello");
  await chat.answered("complete");
  await end(chat);
  await chat.text("You ended the conversation").waitFor();
  await chat.panel.getByRole("radio", { name: "4 of 5" }).check({ force: true });
  await chat.panel.getByRole("textbox", { name: /Anything you would like to add/ }).fill("Quick & friendly");
  await chat.button("Send rating").click();
  await chat.text("Thank you for your rating.").waitFor();
  const rated = async () => (await visitor.log(chat)).at(-1)?.rated;
  await until("the rating", rated, { score: 4, comment: "Quick & friendly" });
  assert.ok((await visitor.log(chat)).some(({ closed }) => closed?.by === "CLOSED_BY_VISITOR"));

  await chat.button("Start a new conversation").click();
  await until("an empty conversation", () => chat.messages(), []);
  await chat.send("Once more");
  assert.equal((await chat.answered("complete"))?.text, "You said: Once more");
  const log = await visitor.log(chat);
  assert.deepEqual(visitor_texts(log), ["Once more"]);
  assert.equal(log[0]?.seq, 1);
  const { messages } = set.model.requests.at(-1)?.body;
  assert.ok(!JSON.stringify(messages).includes("Hello"), "the model was told of the conversation before");
});

scene("what was written into a conversation that another tab had ended fails, and Try again starts the next one", async (t) => {
  const { visitor, chat: one } = await set.conversation(t);
  await one.send("Hello");
  await one.answered("complete");
  const two = await (await visitor.tab()).open();
  await until("the history", () => two.texts("visitor"), ["Hello"]);
  let up = false;
  await one.page.routeWebSocket(/connect/, (socket) => (up ? socket.connectToServer() : socket.close()));
  await one.page.reload();
  await one.text("Connection lost").waitFor();
  await one.send("Too late");
  await end(two);
  await two.text("You ended the conversation").waitFor();
  up = true;
  await until("the refusal", async () => (await one.messages()).at(-1), { who: "visitor", state: "failed", text: "Too late" });
  await one.text("Not sent. This conversation has ended.").waitFor();
  await one.button("Try again").click();
  await one.stored(1);
  assert.equal((await one.answered("complete"))?.text, "You said: Too late");
  assert.deepEqual(visitor_texts(await visitor.log(one)), ["Too late"]);
});

scene("a message that was not sent can be thrown away", async (t) => {
  const { visitor, chat } = await set.conversation(t);
  await chat.send("Hello");
  await chat.answered("complete");
  const two = await (await visitor.tab()).open();
  await until("the history", () => two.texts("visitor"), ["Hello"]);
  let up = false;
  await two.page.routeWebSocket(/connect/, (socket) => (up ? socket.connectToServer() : socket.close()));
  await two.page.reload();
  await two.text("Connection lost").waitFor();
  await two.send("Never mind");
  await end(chat);
  await chat.text("You ended the conversation").waitFor();
  up = true;
  await two.button("Delete").click();
  await until("the rest", () => two.texts("visitor"), ["Hello"]);
  assert.deepEqual(visitor_texts(await visitor.log(two)), ["Hello"]);
});

/** @param {import("./support/chat.mjs").Chat} chat */
async function end(chat) {
  await chat.button("More options").click();
  await chat.button("End conversation").click();
  await chat.button("End conversation").click();
}
