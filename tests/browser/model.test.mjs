// Any OpenAI-compatible server answers; and when it does not, the visitor hears of it and is offered a person.

import assert from "node:assert/strict";
import { answers } from "./support/log.mjs";
import { scene, stage } from "./support/stage.mjs";

const KEY = "sk-of-this-test";
const SORRY = { en: "Sorry, our assistant is out for tea. Shall we fetch somebody?", zh: "抱歉，助手暂时不在。要为您转人工吗？" };
const set = stage({
  env: {
    OPENAI_API_KEY: KEY,
    FRONTDESK_SITES_SHOP_FALLBACK_EN: SORRY.en,
    FRONTDESK_SITES_SHOP_FALLBACK_ZH: SORRY.zh,
    FRONTDESK_SITES_SHOP_ALLOWED_LINKS: "shop.example",
  },
});

scene("the server is asked as OpenAI's is: key, model, stream, instructions, the conversation so far", async (t) => {
  const { chat } = await set.conversation(t);
  await chat.send("First");
  await chat.answered("complete");
  await chat.send("Second");
  assert.equal((await chat.answered("complete", 2))?.text, "You said: Second");
  const { authorization, body } = set.model.requests.at(-1) ?? {};
  assert.equal(authorization, `Bearer ${KEY}`);
  assert.equal(body.model, "test-model");
  assert.equal(body.stream, true);
  const [instructions, ...rest] = body.messages;
  assert.equal(instructions.role, "system");
  assert.match(instructions.content, /Hollow Hill Tea/);
  assert.deepEqual(rest, [
    { role: "user", content: "First" },
    { role: "assistant", content: "You said: First" },
    { role: "user", content: "Second" },
  ]);
});

const OFFERS = /** @type {const} */ ([
  ["en", "/", "What is the capital of Mongolia?", "Talk to a person", "You asked for a person"],
  ["zh", "/zh/", "蒙古国的首都是哪里？", "转人工", "您要求转人工"],
]);
for (const [language, page, question, offer, asked] of OFFERS) {
  scene(`a server that refuses leads to the site's own words and an offer of a person (${language})`, async (t) => {
    const visitor = await set.visitor(t);
    const chat = await (await visitor.tab(page)).open();
    // However often it is asked: with fewer wishes, too.
    const { otherwise } = set.model;
    t.after(() => (set.model.otherwise = otherwise));
    set.model.otherwise = (_, reply) => reply.refuse();
    await chat.send(question);
    assert.equal((await chat.answered("fallback"))?.text, SORRY[language]);
    const [answer] = answers(await visitor.log(chat));
    assert.deepEqual([answer?.end, answer?.offerPerson], ["ANSWER_END_FALLBACK", true]);
    await chat.panel.locator(".message.fallback").getByRole("button", { name: offer }).click();
    await chat.text(asked).waitFor();
    assert.equal(await chat.panel.locator(".message.fallback").getByRole("button").count(), 0);
  });
}

scene("a server that breaks off in mid-answer leaves what it had written, marked", async (t) => {
  const { visitor, chat } = await set.conversation(t);
  const reply = set.model.reply();
  await chat.send("Count");
  await reply.write("One, two, ");
  await chat.shows("One, two,");
  await reply.break_off();
  assert.equal((await chat.answered("interrupted"))?.text, "One, two,");
  assert.equal(answers(await visitor.log(chat))[0]?.end, "ANSWER_END_INTERRUPTED");
});

scene("an answer's Markdown grows into headings, lists, tables, code and links", async (t) => {
  const { chat } = await set.conversation(t);
  const markdown = [
    "## Brewing\n\n", "1. **Warm** the pot\n", "2. Wait *two* minutes\n\n", "| tea | °C |\n|---|---|\n", "| green | 80 |\n\n",
    "```sh\nboil --to 80\n```\n\n", "See [shipping](https://shop.example/shipping) or ", "`ask`.",
  ];
  const reply = set.model.reply();
  await chat.send("How?");
  for (const piece of markdown) for (const letter of piece.match(/.{1,3}/gsu) ?? []) await reply.write(letter);
  await reply.end();
  await chat.answered("complete");
  const answer = chat.panel.locator(".message.assistant .bubble-text");
  assert.deepEqual(await answer.locator("li").allTextContents(), ["Warm the pot", "Wait two minutes"]);
  assert.deepEqual(await answer.locator("td").allTextContents(), ["green", "80"]);
  assert.match((await answer.locator("pre").textContent()) ?? "", /boil --to 80/);
  const link = answer.getByRole("link");
  assert.equal(await link.getAttribute("href"), "https://shop.example/shipping");
  assert.match((await link.getAttribute("rel")) ?? "", /noopener/);
  assert.equal(await link.getAttribute("target"), "_blank");
});
