// "Do you mean A or B?": a choice is a tap.

import assert from "node:assert/strict";
import { violations } from "./support/accessibility.mjs";
import { answers, visitor_texts } from "./support/log.mjs";
import { scene, stage } from "./support/stage.mjs";
import { until } from "./support/until.mjs";

const set = stage();

/**
 * The page, what is asked there, what it may mean, and the widget's own words.
 * @type {Record<"en" | "zh", { page: string, question: string, choices: string[], list: string, offer: string }>}
 */
const ASKED = {
  en: {
    page: "/",
    question: "the parcel",
    choices: ["A lost or damaged parcel", "Changing the delivery address"],
    list: "Choose what you mean",
    offer: "Talk to a person",
  },
  zh: { page: "/zh/", question: "多少钱", choices: ["运费", "怎么泡茶"], list: "请选择您的意思", offer: "转人工" },
};

/**
 * Somebody whose question may mean two things, while no model answers.
 * @param {import("node:test").TestContext} t
 * @param {"en" | "zh"} language
 * @param {import("playwright-core").BrowserContextOptions} [options]
 */
async function asked_back(t, language, options) {
  const { page, question, list } = ASKED[language];
  const visitor = await set.visitor(t, options);
  const chat = await (await visitor.tab(page)).open();
  const { otherwise } = set.model;
  const recover = () => void (set.model.otherwise = otherwise);
  t.after(recover);
  set.model.otherwise = (_, reply) => reply.refuse();
  await chat.send(question);
  await chat.answered("fallback");
  return { visitor, chat, recover, list: chat.panel.getByRole("list", { name: list }) };
}

for (const language of /** @type {const} */ (["en", "zh"])) {
  const { question, choices, offer } = ASKED[language];

  scene(`a choice is sent with the keyboard as the visitor's own words, and then there is none any more (${language})`, async (t) => {
    const { visitor, chat, recover, list } = await asked_back(t, language);
    await list.waitFor();
    assert.deepEqual(await list.getByRole("button").allTextContents(), choices);
    await chat.panel.locator(".message.fallback").getByRole("button", { name: offer }).waitFor();
    assert.deepEqual(await violations(chat.page), []);
    assert.deepEqual(answers(await visitor.log(chat)).at(-1)?.choices, choices);

    recover();
    await list.getByRole("button").first().focus();
    await chat.page.keyboard.press("Enter");
    await until("no choices", () => list.count(), 0);
    assert.equal((await chat.answered("complete", 2))?.text, `You said: ${choices[0]}`);
    assert.deepEqual(visitor_texts(await visitor.log(chat)), [question, choices[0]]);
    assert.equal(await list.count(), 0);
    assert.ok(await chat.field.evaluate((field) => field.matches(":focus")), "the focus is where one goes on");
  });

  scene(`a choice is answered by its intent while no model is there (${language})`, async (t) => {
    const { chat, list } = await asked_back(t, language, { colorScheme: "dark", viewport: { width: 320, height: 640 } });
    assert.deepEqual(await violations(chat.page), [], "at night, on a small screen");
    for (const button of await list.getByRole("button").all()) {
      const box = await button.boundingBox();
      assert.ok(box && box.height >= 44 && box.x >= 0 && box.x + box.width <= 320, JSON.stringify(box));
    }
    await list.getByRole("button").last().click();
    assert.ok((await chat.answered("intent", 2))?.text);
    assert.equal(await list.count(), 0);
  });
}

scene("choices stay over a reload, and go when something else is said", async (t) => {
  const { chat, list, recover } = await asked_back(t, "en");
  await list.waitFor();
  await chat.page.reload();
  await list.waitFor();
  assert.deepEqual(await list.getByRole("button").allTextContents(), ASKED.en.choices);
  recover();
  await chat.send("Neither of them");
  await until("no choices", () => list.count(), 0);
  await chat.answered("complete", 2);
  assert.equal(await list.count(), 0);
});

scene("choices go when a person is asked for", async (t) => {
  const { chat, list } = await asked_back(t, "en");
  await list.waitFor();
  await chat.panel.locator(".message.fallback").getByRole("button", { name: ASKED.en.offer }).click();
  await until("no choices", () => list.count(), 0);
  await chat.text("You asked for a person").waitFor();
});
