// Without a mouse, with a screen reader, with an input method, on a phone.

import assert from "node:assert/strict";
import { scene, stage } from "./support/stage.mjs";
import { until } from "./support/until.mjs";

const set = stage();

/** What has the focus, inside the widget or outside of it. @param {import("./support/chat.mjs").Chat} chat */
const focused = (chat) =>
  chat.page.evaluate(() => {
    const element = document.activeElement?.shadowRoot?.activeElement ?? document.activeElement;
    return element?.getAttribute("aria-label") || element?.textContent?.trim() || element?.nodeName;
  });

scene("everything goes by keyboard: open, ask, Stop, close, and the focus returns", async (t) => {
  const chat = await (await set.visitor(t)).tab();
  const { keyboard } = chat.page;
  await chat.bubble.waitFor();
  await until("the bubble's turn", async () => (await keyboard.press("Tab"), await focused(chat)), "Open chat");
  await keyboard.press("Enter");
  await until("the focus in the field", () => focused(chat), "Your message");
  const reply = set.model.reply();
  await keyboard.type("Hello");
  await keyboard.press("Shift+Enter");
  await keyboard.type("there");
  await keyboard.press("Enter");
  await reply.write("One, two, ");
  await chat.shows("One, two,");
  assert.deepEqual(await chat.texts("visitor"), ["Hello\nthere"]);
  assert.equal(await focused(chat), "Your message", "the focus stays in the field after sending");

  await until("Stop's turn", async () => (await keyboard.press("Tab"), await focused(chat)), "Stop");
  await keyboard.press("Enter");
  await chat.answered("stopped");
  await until("the focus back in the field", () => focused(chat), "Your message");

  await keyboard.press("Escape");
  await chat.panel.waitFor({ state: "hidden" });
  assert.equal(await focused(chat), "Open chat");
});

scene("Escape closes a menu before it closes the panel, and each gives the focus back", async (t) => {
  const { chat } = await set.conversation(t);
  await chat.send("Hello");
  await chat.answered("complete");
  await chat.button("More options").focus();
  await chat.page.keyboard.press("Enter");
  await chat.button("End conversation").waitFor();
  await chat.page.keyboard.press("Escape");
  await chat.button("End conversation").waitFor({ state: "detached" });
  assert.equal(await focused(chat), "More options");
  assert.ok(await chat.panel.isVisible());
  await chat.page.keyboard.press("Escape");
  await chat.panel.waitFor({ state: "hidden" });
  assert.equal(await focused(chat), "Open chat");
});

scene("Tab goes on from the menu's end, and the menu is gone", async (t) => {
  const { chat } = await set.conversation(t);
  await chat.send("Hello");
  await chat.answered("complete");
  await chat.button("More options").focus();
  await chat.page.keyboard.press("Enter");
  for (const name of ["Talk to a person", "End conversation", "Delete all I wrote", "Close chat"]) {
    await chat.page.keyboard.press("Tab");
    assert.equal(await focused(chat), name);
  }
  await chat.panel.locator(".menu").waitFor({ state: "detached" });
  assert.equal(await focused(chat), "Close chat");
});

scene("the focus never moves when messages come, wherever it is", async (t) => {
  const { visitor, chat } = await set.conversation(t);
  const other = await (await visitor.tab()).open();
  const reply = set.model.reply();
  await chat.send("Hello");
  await reply.asked();
  const places = [chat.button("Close chat"), chat.panel.getByRole("log"), chat.page.getByRole("link", { name: "Shipping", exact: true })];
  for (const [i, place] of places.entries()) {
    await place.focus();
    const before = await focused(chat);
    await reply.write(`Piece ${i}. `);
    await chat.shows(reply.text.trim());
    assert.equal(await focused(chat), before);
  }
  const before = await focused(chat);
  await reply.end();
  await chat.answered("complete");
  await other.send("From elsewhere");
  await chat.answered("complete", 2);
  assert.equal(await focused(chat), before);
});

scene("Enter that chooses a word of an input method sends nothing", async (t) => {
  const { visitor, chat } = await set.conversation(t);
  const input = await visitor.context.newCDPSession(chat.page);
  await chat.field.focus();
  await input.send("Input.imeSetComposition", { text: "ni hao", selectionStart: 6, selectionEnd: 6 });
  // As Chromium reports a key that an input method takes.
  await input.send("Input.dispatchKeyEvent", { type: "rawKeyDown", key: "Enter", code: "Enter", windowsVirtualKeyCode: 229 });
  assert.deepEqual(await chat.messages(), []);
  // And the Enter whose keydown is still part of the composition.
  await chat.field.evaluate((field) =>
    field.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", isComposing: true, bubbles: true, composed: true })),
  );
  assert.deepEqual(await chat.messages(), []);
  await input.send("Input.insertText", { text: "你好" });
  assert.equal(await chat.field.inputValue(), "你好");
  await chat.page.keyboard.press("Enter");
  await until("the message", () => chat.texts("visitor"), ["你好"]);
});

scene("a screen reader hears a finished answer once, and never its pieces", async (t) => {
  const { chat } = await set.conversation(t);
  await chat.live.evaluate((region) => {
    /** @type {string[]} */
    const heard = [];
    new MutationObserver((changes) => {
      for (const { addedNodes, type, target } of changes) {
        if (type === "characterData") heard.push(`changed: ${target.textContent}`);
        for (const node of addedNodes) heard.push(node.textContent ?? "");
      }
    }).observe(region, { subtree: true, childList: true, characterData: true });
    Object.assign(window, { heard });
  });
  const heard = () => chat.page.evaluate(() => /** @type {any} */ (window).heard);
  const reply = set.model.reply();
  await chat.send("Hello");
  for (const word of ["This ", "is **one** ", "answer."]) {
    await reply.write(word);
    await chat.shows(reply.text.trim().replaceAll("*", ""));
  }
  assert.deepEqual(await heard(), []);
  await reply.end();
  await chat.answered("complete");
  await until("the announcement", heard, ["Assistant: This is one answer."]);
  await until("its end", () => chat.live.textContent(), "");
  assert.deepEqual(await heard(), ["Assistant: This is one answer."]);
  assert.equal(await chat.panel.getByRole("log").getAttribute("aria-live"), "off");
});

scene("history is not read out after a reload", async (t) => {
  const { chat } = await set.conversation(t);
  await chat.send("Hello");
  await chat.answered("complete");
  await chat.page.reload();
  await chat.connected();
  await until("the history", () => chat.texts("visitor"), ["Hello"]);
  assert.equal(await chat.live.textContent(), "");
});

scene("on a phone the panel fills the screen, holds the focus, and nothing makes the browser zoom", async (t) => {
  const { chat } = await set.conversation(t, { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });
  await until("the whole screen", () => chat.panel.boundingBox(), { x: 0, y: 0, width: 390, height: 844 });
  assert.equal(await chat.panel.getAttribute("aria-modal"), "true");
  assert.equal(await chat.field.evaluate((field) => getComputedStyle(field).fontSize), "16px");
  for (const button of await chat.panel.getByRole("button").all()) {
    const { width, height } = (await button.boundingBox()) ?? { width: 0, height: 0 };
    assert.ok(width >= 24 && height >= 24, `${await button.textContent()} is ${width} × ${height}`);
  }
  for (let i = 0; i < 12; i++) {
    await chat.page.keyboard.press("Tab");
    assert.ok(await chat.page.evaluate(() => document.activeElement?.localName === "frontdesk-chat"), "the focus left the panel");
  }
  await chat.button("Close chat").click();
  await chat.panel.waitFor({ state: "hidden" });
  assert.ok(await chat.bubble.isVisible());
});

scene("on a screen that is enlarged to four times its size everything can be read and reached", async (t) => {
  // WCAG 2.2, 1.4.10: 1280 × 1024 at 400 %.
  const { chat } = await set.conversation(t, { viewport: { width: 320, height: 256 } });
  const top = async () => (await chat.panel.locator(".scroll").evaluate((scroller) => scroller.scrollTop));
  assert.equal(await top(), 0, "a greeting is read from its beginning");
  await chat.send("Hello");
  await chat.answered("complete");
  assert.ok((await top()) > 0, "and an answer where it ends");
  await chat.button("More options").click();
  await chat.button("End conversation").click();
  await chat.button("End conversation").click();
  await chat.panel.getByRole("radio").nth(3).check({ force: true });
  for (const name of ["Send rating", "Start a new conversation"]) {
    await chat.button(name).scrollIntoViewIfNeeded();
    const { y, height } = (await chat.button(name).boundingBox()) ?? { y: -1, height: 0 };
    assert.ok(y >= 0 && y + height <= 256, `"${name}" is from ${y} to ${y + height}`);
  }
  await chat.button("Start a new conversation").click();
  await until("an empty transcript", () => chat.messages(), []);
  await until("the greeting's beginning", top, 0);
});

scene("with the colours forced, the focus is still to be seen, and where buttons end", async (t) => {
  const { chat } = await set.conversation(t, { forcedColors: "active" });
  const style = (/** @type {string} */ selector, /** @type {string} */ name) =>
    chat.page.locator(`frontdesk-chat ${selector}`).evaluate((it, name) => getComputedStyle(it).getPropertyValue(name), name);
  assert.equal(await style(".field", "outline-style"), "solid");
  assert.equal(await style(".bubble", "border-style"), "solid");
  await chat.panel.locator(".icon-button").last().focus();
  assert.equal(await style(".field", "outline-style"), "none");
  await chat.send("Hello");
  await chat.answered("complete");
  await chat.button("More options").click();
  await chat.button("End conversation").click();
  await chat.button("End conversation").click();
  assert.equal(await style(".button", "border-style"), "solid");
});

scene("who wants less motion sees none", async (t) => {
  const { chat } = await set.conversation(t, { reducedMotion: "reduce" });
  const reply = set.model.reply();
  await chat.send("Hello");
  await chat.answered("thinking");
  assert.deepEqual(await moving(chat), []);
  await reply.write("One, ");
  await chat.shows("One,");
  assert.deepEqual(await moving(chat), []);
  await reply.end();

  const { chat: lively } = await set.conversation(t, { reducedMotion: "no-preference" });
  const other = set.model.reply();
  await lively.send("Hello");
  await lively.answered("thinking");
  assert.notDeepEqual(await moving(lively), [], "the look for motion finds none where there is some");
  await other.end();
});

scene("dark is followed, also while the page is open, and a page may decide it", async (t) => {
  const { visitor, chat } = await set.conversation(t, { colorScheme: "dark" });
  const brightness = () => chat.panel.evaluate((panel) => Number(/\d+/.exec(getComputedStyle(panel).backgroundColor)?.[0]));
  assert.ok((await brightness()) < 64, "dark from the start");
  await chat.page.emulateMedia({ colorScheme: "light" });
  await until("light", brightness, (value) => value > 192);
  await visitor.alter_pages({ theme: "dark" });
  await chat.page.reload();
  await chat.connected();
  assert.ok((await brightness()) < 64, "dark because the page says so");
});

scene("right to left, the panel is mirrored", async (t) => {
  const visitor = await set.visitor(t, { locale: "ar" });
  await visitor.alter_pages({ language: "ar" });
  const chat = await (await visitor.tab()).open();
  const middle = (chat.page.viewportSize()?.width ?? 0) / 2;
  const left = async (/** @type {import("playwright-core").Locator} */ locator) => ((await locator.boundingBox())?.x ?? NaN) < middle;
  assert.ok(await left(chat.bubble), "the bubble is on the left");
  assert.ok(await left(chat.panel), "the panel is on the left");
  await chat.send("مرحبا");
  await chat.answered("complete");
  const side = async (/** @type {string} */ selector) => {
    const [message, panel] = await Promise.all([chat.panel.locator(selector).boundingBox(), chat.panel.boundingBox()]);
    assert.ok(message && panel);
    return message.x - panel.x < panel.x + panel.width - message.x - message.width ? "left" : "right";
  };
  assert.equal(await side(".message.visitor .bubble-text"), "left");
  assert.equal(await side(".message.assistant .bubble-text"), "right");
  assert.equal(await chat.field.getAttribute("placeholder"), "اكتب رسالة…");
});

/** Animations and transitions that run in the widget. @param {import("./support/chat.mjs").Chat} chat @returns {Promise<string[]>} */
const moving = (chat) =>
  chat.page.evaluate(() =>
    (document.querySelector("frontdesk-chat")?.shadowRoot?.getAnimations() ?? [])
      .filter((animation) => animation.playState === "running" && Number(animation.effect?.getComputedTiming().duration) > 1)
      .map((animation) => /** @type {any} */ (animation).animationName ?? /** @type {any} */ (animation).transitionProperty),
  );
