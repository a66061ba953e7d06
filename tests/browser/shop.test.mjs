// What is there with nothing configured: the demo shop, and the scripted model that answers from the shop's own texts.

import assert from "node:assert/strict";
import { visitor_texts } from "./support/log.mjs";
import { scene, stage } from "./support/stage.mjs";
import { until } from "./support/until.mjs";

const shop = stage({ scripted: true });

scene("the demo shop answers word by word, with nothing configured", async (t) => {
  const { visitor, chat } = await shop.conversation(t);
  const record = await chat.record_answers();
  await chat.send("How long does shipping take?");
  await chat.answered("complete");
  const seen = await record();
  const growing = seen.filter(([, state]) => state === "writing").map(([text]) => text);
  assert.ok(growing.length >= 5, `the answer came in ${growing.length} pieces`);
  growing.reduce((before, text) => {
    assert.ok(text.length >= before.length, `"${text}" after "${before}"`);
    return text;
  });
  assert.deepEqual(visitor_texts(await visitor.log(chat)), ["How long does shipping take?"]);
  assert.match(seen.at(-1)?.[0] ?? "", /days/);
});

for (const [language, path, question, link] of /** @type {const} */ ([
  ["en", "/", "How much does shipping cost?", "/en/shipping.html"],
  ["zh", "/zh/", "运费是多少？", "/zh/shipping.html"],
])) {
  scene(`a source opens the page that it is from (${language})`, async (t) => {
    const visitor = await shop.visitor(t);
    const chat = await (await visitor.tab(path)).open();
    await chat.send(question);
    await chat.answered("complete");
    const source = chat.panel.locator(".sources").getByRole("link").first();
    const opened = visitor.context.waitForEvent("page");
    await source.click();
    const page = await opened;
    await until("the page of the source", () => page.url(), `${shop.frontdesk.shop}${link}`);
    await page.getByRole("heading", { level: 1 }).waitFor();
  });
}

scene("the shop's suggestions ask with one click", async (t) => {
  const { chat } = await shop.conversation(t);
  await chat.button("Can I return opened tea?").click();
  const answer = await chat.answered("complete");
  assert.deepEqual(await chat.texts("visitor"), ["Can I return opened tea?"]);
  assert.match(answer?.text ?? "", /refund/);
});

scene("the Chinese shop speaks Chinese", async (t) => {
  const visitor = await shop.visitor(t, { locale: "zh-CN" });
  const chat = await (await visitor.tab("/zh/")).open();
  await chat.send("绿茶怎么泡？");
  const answer = await chat.answered("complete");
  assert.match(answer?.text ?? "", /水/);
  assert.equal(await chat.field.getAttribute("placeholder"), "输入消息…");
});
