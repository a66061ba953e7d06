// Every state that a visitor can see: without a fault for axe-core, within the page's content security policy, and as a
// picture to look at in tests/browser/screenshots.

import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { Chat } from "./support/chat.mjs";
import { violations } from "./support/accessibility.mjs";
import { elsewhere } from "./support/elsewhere.mjs";
import { PHRASES } from "./support/phrases.mjs";
import { scene, stage } from "./support/stage.mjs";
import { until } from "./support/until.mjs";
import { LOWER_LIMIT, with_higher_limit } from "./support/welcome.mjs";

const PICTURES = new URL("screenshots/", import.meta.url).pathname;
const set = stage({
  env: {
    ...LOWER_LIMIT,
    FRONTDESK_LIMITS_MESSAGES_PER_VISITOR_BURST: "100",
    FRONTDESK_SITES_SHOP_LANGUAGES: "en,zh,ar",
    FRONTDESK_SITES_SHOP_GREETING_AR: "مرحبًا! اسألني عن الشاي والأباريق والشحن والإرجاع.",
    FRONTDESK_SITES_SHOP_SUGGESTIONS_AR: '["كم يستغرق الشحن؟", "هل أستطيع إرجاع شاي مفتوح؟", "كيف أحضّر الشاي الأخضر؟"]',
    FRONTDESK_SITES_SHOP_FALLBACK_EN: "I cannot answer that right now. Shall I fetch somebody from the shop?",
    FRONTDESK_SITES_SHOP_FALLBACK_ZH: "我现在回答不了。要为您转接店里的同事吗？",
    FRONTDESK_SITES_SHOP_FALLBACK_AR: "لا أستطيع الإجابة الآن. هل أنادي أحدًا من المتجر؟",
  },
});

/**
 * @typedef {object} Variant
 * @property {keyof typeof PHRASES} language
 * @property {string} page
 * @property {import("playwright-core").BrowserContextOptions} context
 */
const WINDOW = { width: 1000, height: 760 };
const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true };
/** @type {Record<string, Variant>} */
const VARIANTS = {
  light: { language: "en", page: "/", context: { viewport: WINDOW, colorScheme: "light" } },
  dark: { language: "en", page: "/", context: { viewport: WINDOW, colorScheme: "dark" } },
  "right-to-left": { language: "ar", page: "/", context: { viewport: WINDOW, locale: "ar" } },
  "right-to-left-dark": { language: "ar", page: "/", context: { viewport: WINDOW, locale: "ar", colorScheme: "dark" } },
  chinese: { language: "zh", page: "/zh/", context: { viewport: WINDOW, locale: "zh-CN" } },
  phone: { language: "en", page: "/", context: PHONE },
  "phone-dark": { language: "en", page: "/", context: { ...PHONE, colorScheme: "dark" } },
};

for (const [name, variant] of Object.entries(VARIANTS)) {
  scene(`axe-core finds nothing in any state: ${name}`, async (t) => {
    /** @type {string[]} */
    const faults = [];
    const look = async (/** @type {Chat} */ chat, /** @type {string} */ state) => {
      await come_to_rest(chat);
      faults.push(...(await violations(chat.page)).map((fault) => `${state}: ${fault}`));
      await chat.page.screenshot({ path: `${PICTURES}${name}/${state}.png` });
    };
    await mkdir(`${PICTURES}${name}`, { recursive: true });
    await walk(t, variant, look);
    assert.deepEqual(faults, []);
  });
}

scene("axe-core sees into the widget", async (t) => {
  const { chat } = await set.conversation(t);
  await chat.panel.evaluate((panel) => panel.append(document.createElement("button")));
  const [fault] = await violations(chat.page);
  assert.match(fault ?? "", /^button-name: frontdesk-chat >> /);
});

/**
 * One conversation from state to state.
 * @param {import("node:test").TestContext} t
 * @param {Variant} variant
 * @param {(chat: Chat, state: string) => Promise<void>} look
 */
async function walk(t, { language, page, context }, look) {
  const visitor = await set.visitor(t, { ...context, reducedMotion: "reduce" });
  if (language === "ar") await visitor.alter_pages({ language });
  const { question, answer, cut_off, unanswerable, offline, person, buttons } = PHRASES[language];
  const chat = new Chat(await visitor.context.newPage());
  const node = await hold_back(chat.page);
  await chat.page.goto(set.frontdesk.shop + page);
  await chat.bubble.waitFor();
  await look(chat, "01-closed");

  await chat.bubble.click();
  await until("the skeleton", () => chat.panel.locator(".skeleton").evaluate((it) => getComputedStyle(it).opacity), "1");
  await look(chat, "02-connecting");
  node.let_through();
  await chat.connected();
  await look(chat, "03-empty");

  const first = set.model.reply();
  await chat.send(question);
  await first.asked();
  await chat.answered("thinking");
  await look(chat, "04-thinking");
  await first.write(...answer.slice(0, 2));
  await until("the second piece", async () => (await chat.newest_answer())?.text.includes("200"), true);
  await look(chat, "05-streaming");
  await (await first.write(...answer.slice(2))).end();
  await chat.answered("complete");
  await look(chat, "06-answered");

  const [stop, broken] = cut_off;
  const second = set.model.reply();
  await chat.send(stop?.[0] ?? "");
  await second.write(stop?.[1] ?? "");
  await chat.answered("writing", 2);
  await chat.button(buttons.stop).click();
  await chat.answered("stopped");
  await look(chat, "07-stopped");

  const third = set.model.reply();
  await chat.send(broken?.[0] ?? "");
  await third.write(broken?.[1] ?? "");
  await chat.answered("writing", 3);
  await third.break_off();
  await chat.answered("interrupted");
  await look(chat, "08-interrupted");

  const { otherwise } = set.model;
  set.model.otherwise = (_, reply) => reply.refuse(); // However often it is asked.
  await chat.send(unanswerable);
  await chat.answered("fallback");
  set.model.otherwise = otherwise;
  await look(chat, "09-fallback");

  await visitor.context.setOffline(true);
  await until("the bar", () => chat.panel.locator(".bar").count(), 1);
  for (const text of offline) await chat.send(text);
  await look(chat, "10-offline");
  set.model.otherwise = async (_, reply) => (await reply.write("👍")).end();
  await visitor.context.setOffline(false);
  await chat.stored(4 + offline.length);
  await until("the last turn", async () => (await chat.messages()).at(-1)?.text, "👍");
  await chat.answered("complete");

  await chat.field.fill("茶".repeat(1400));
  await look(chat, "11-too-long");
  await chat.field.fill("");
  await chat.send("🍵".repeat(60));
  await until("the refusal", async () => (await chat.messages()).at(-1)?.state, "failed");
  await look(chat, "12-failed");
  await chat.panel.locator(".message.failed").getByRole("button").last().click();

  await chat.button(buttons.options).click();
  await look(chat, "13-options");
  await chat.panel.locator(".menu").getByRole("button", { name: buttons.talk }).click();
  await until("the waiting", () => chat.panel.locator(".waiting").count(), 1);
  await chat.send(person);
  await until("the last message", async () => (await chat.messages()).at(-1)?.state, "stored");
  await look(chat, "14-waiting-for-a-person");

  await chat.button(buttons.options).click();
  await chat.button(buttons.end).click();
  await look(chat, "15-end");
  await chat.button(buttons.end).click();
  await chat.panel.getByRole("radio").first().waitFor({ state: "attached" });
  await look(chat, "16-ended");
  await chat.panel.getByRole("radio").nth(3).check({ force: true });
  await chat.panel.getByRole("textbox").fill(person);
  await look(chat, "17-rating");
  await chat.panel.locator("form button").click();
  await chat.panel.locator("form").waitFor({ state: "detached" });
  await look(chat, "18-rated");

  await chat.button(buttons.options).click();
  await chat.button(buttons.erase).click();
  await look(chat, "20-delete");
  await chat.button(buttons.erase_yes).click();
  await until("an empty transcript", () => chat.messages(), []);
  await chat.connected();
  await look(chat, "21-deleted");

  const stranger = await set.visitor(t, { ...context, reducedMotion: "reduce" });
  await stranger.alter_pages({ language });
  const foreign = new Chat(await stranger.context.newPage());
  await foreign.page.goto(await elsewhere(t, set.frontdesk.node));
  await foreign.bubble.click();
  await until("the refusal", () => foreign.panel.locator("textarea").count(), 0);
  await look(foreign, "19-forbidden");
}

/**
 * The node's answers do not come before they are let through; and then its limit is not what the page believes.
 * @param {import("playwright-core").Page} page
 */
async function hold_back(page) {
  let let_through = () => {};
  const held = new Promise((resolve) => (let_through = () => resolve(undefined)));
  await page.route(/\/v1\/sites\//, async (route) => {
    await held;
    await route.continue();
  });
  await page.routeWebSocket(/connect/, async (socket) => {
    await held;
    const node = socket.connectToServer();
    node.onMessage((frame) => socket.send(with_higher_limit(/** @type {Buffer} */ (frame))));
  });
  return { let_through };
}

/** Whatever still moves has come to its end. @param {Chat} chat */
const come_to_rest = (chat) =>
  chat.page.evaluate(async () => {
    const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
    await frame();
    const animations = document.querySelector("frontdesk-chat")?.shadowRoot?.getAnimations() ?? [];
    const ending = animations.filter((animation) => animation.effect?.getComputedTiming().endTime !== Infinity);
    await Promise.allSettled(ending.map((animation) => animation.finished));
    await frame();
  });
