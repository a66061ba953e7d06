// Deleting: what a visitor wrote goes from the node and from the browser, in every tab.

import assert from "node:assert/strict";
import { visitor_texts } from "./support/log.mjs";
import { scene, stage } from "./support/stage.mjs";
import { until } from "./support/until.mjs";

const set = stage({ scripted: true });

/** Everything that the page keeps. @param {import("./support/chat.mjs").Chat} chat */
const kept = (chat) => chat.page.evaluate(() => JSON.stringify(localStorage));

scene("a visitor deletes the conversation, here, in the other tab, and on the node", async (t) => {
  const { visitor, chat } = await set.conversation(t);
  await chat.send("My secret is 4711");
  await chat.answered("complete");
  const other = await (await visitor.tab()).open();
  await until("the words in the other tab", () => other.texts("visitor"), ["My secret is 4711"]);
  const token = await chat.kept_token();
  await until("the log in the page's storage", () => kept(chat), (text) => text.includes("4711"));

  await ask_to_delete(chat);
  await chat.button("Delete").click();

  for (const tab of [chat, other]) {
    await until("an empty transcript", () => tab.messages(), []);
    await until("another visitor", () => tab.kept_token(), (now) => now !== undefined && now !== token);
  }
  assert.ok(!(await kept(chat)).includes("4711"));
  // The old token leads to an empty conversation, and everybody can go on.
  assert.deepEqual(visitor_texts(await visitor.log_of(token)), []);
  await chat.send("Hello");
  await chat.answered("complete");
  assert.deepEqual(visitor_texts(await visitor.log(chat)), ["Hello"]);
  await until("the words in the other tab", () => other.texts("visitor"), ["Hello"]);
});

scene("deleting can be thought better of, and done with the keyboard", async (t) => {
  const { chat } = await set.conversation(t);
  await chat.send("My secret is 4711");
  await chat.answered("complete");
  await ask_to_delete(chat);
  await chat.page.keyboard.press("Escape");
  await chat.button("Delete").waitFor({ state: "detached" });
  assert.equal(await focused(chat), "More options");

  await chat.page.keyboard.press("Enter");
  for (let stops = 0; (await focused(chat)) !== "Delete all I wrote"; stops++) {
    assert.ok(stops < 5, "the keyboard does not get there");
    await chat.page.keyboard.press("Tab");
  }
  await chat.page.keyboard.press("Enter");
  await until("the question", () => focused(chat), "Delete");
  await chat.page.keyboard.press("Enter");
  await until("an empty transcript", () => chat.messages(), []);
  await until("the focus where one goes on", () => focused(chat), "Your message");
});

scene("what is read out about it is not to be seen, also where it ends a conversation that was closed", async (t) => {
  const { chat } = await set.conversation(t);
  await chat.send("My secret is 4711");
  await chat.answered("complete");
  await chat.button("More options").click();
  await chat.button("End conversation").click();
  await chat.button("End conversation").click();
  await chat.button("Start a new conversation").waitFor();
  // What is read out goes after a moment; here it stays.
  await chat.live.evaluate((live) => {
    live.append(Object.assign(document.createElement("p"), { textContent: "read out" }));
  });
  await ask_to_delete(chat);
  await chat.button("Delete").click();
  await until("an empty transcript", () => chat.messages(), []);
  assert.ok((await chat.live.textContent())?.includes("read out"));
  assert.equal(await chat.text("read out").count(), 0);
});

scene("deleting that does not work says so and leaves everything", async (t) => {
  const { chat } = await set.conversation(t);
  await chat.send("My secret is 4711");
  await chat.answered("complete");
  await chat.page.route("**/visitors/me", (route) => route.fulfill({ status: 503 }));
  await ask_to_delete(chat);
  await chat.button("Delete").click();

  await chat.text("That did not work. Please try again.").waitFor();
  assert.deepEqual(await chat.texts("visitor"), ["My secret is 4711"]);
  await chat.page.unrouteAll();
  await ask_to_delete(chat);
  await chat.button("Delete").click();
  await until("an empty transcript", () => chat.messages(), []);
});

/** @param {import("./support/chat.mjs").Chat} chat */
async function ask_to_delete(chat) {
  await chat.button("More options").click();
  await chat.button("Delete all I wrote").click();
}

/** What has the focus, by its name. @param {import("./support/chat.mjs").Chat} chat */
const focused = (chat) =>
  chat.page.evaluate(() => {
    const element = document.querySelector("frontdesk-chat")?.shadowRoot?.activeElement;
    return element?.ariaLabel ?? element?.textContent;
  });
