// Whatever a visitor or a model writes stays text. The page's content security policy is switched off here, so that
// nothing but the widget itself stands between a text and its execution.

import assert from "node:assert/strict";
import { injections } from "./support/injections.mjs";
import { visitor_texts } from "./support/log.mjs";
import { scene, stage } from "./support/stage.mjs";
import { until } from "./support/until.mjs";

const set = stage({
  env: {
    FRONTDESK_LIMITS_MESSAGES_PER_VISITOR_BURST: "1000",
    FRONTDESK_LIMITS_FRAMES_PER_CONNECTION_BURST: "10000",
  },
});

/** What an answer's Markdown and the widget's own pictures are made of. */
const ELEMENTS = "a blockquote br button code del div em h3 hr i li ol p path pre span strong svg table tbody td th thead time tr ul".split(" ");
const ATTRIBUTES = "aria-disabled aria-expanded aria-hidden aria-label class d datetime dir href rel role scope start tabindex target type viewBox".split(" ");
const SCHEMES = ["http:", "https:", "mailto:"];

for (const { kind, texts } of injections) {
  scene(`${texts.length} texts stay text, from a visitor and from a model: ${kind.replaceAll("_", " ")}`, async (t) => {
    const visitor = await set.visitor(t, { bypassCSP: true });
    const foreign = foreign_requests(visitor.context);
    const chat = await (await visitor.tab()).open();
    await watch(chat);
    // A paragraph before it: of some texts the function ai lets nothing through, and an answer without a word is none.
    set.model.otherwise = (_, reply) => in_pieces(reply, `Here it is.\n\n${texts[asked++] ?? ""}`);
    let asked = 0;
    for (const [i, text] of texts.entries()) {
      await chat.send(text);
      await chat.stored(i + 1);
      await chat.answered("complete", i + 1);
    }
    const shown = texts.map((text) => text.trim());
    assert.deepEqual(await chat.texts("visitor"), shown);
    assert.deepEqual(visitor_texts(await visitor.log(chat)), shown);
    await touch_everything(chat);
    assert.deepEqual(await found(chat), { executed: 0, strange: [] });
    assert.deepEqual(foreign, []);
    assert.equal(chat.page.url(), `${set.frontdesk.shop}/`);

    // And once more from what the page has kept.
    await chat.page.reload();
    await watch(chat);
    await until("the history", () => chat.texts("visitor"), shown);
    assert.deepEqual(await found(chat), { executed: 0, strange: [] });
    assert.deepEqual(foreign, []);
  });
}

scene("the watch sees what it looks for", async (t) => {
  const visitor = await set.visitor(t, { bypassCSP: true });
  const chat = await (await visitor.tab()).open();
  await watch(chat);
  await chat.panel.evaluate((panel) => {
    panel.insertAdjacentHTML("beforeend", '<img src="data:," onerror="executed()"><a href="javascript:executed()">x</a><p style="top:0">x</p>');
  });
  const { executed, strange } = await until("the harm", () => found(chat), (seen) => seen.executed > 0);
  assert.equal(executed, 1);
  assert.deepEqual(strange, ["<img>", "<img src>", "<img onerror>", "<a> to javascript:executed()", "<p style>"]);
});

/** Small pieces cut anywhere, also inside of constructs. @param {import("./support/model.mjs").Reply} reply @param {string} text */
async function in_pieces(reply, text) {
  const letters = [...text];
  const size = Math.max(3, Math.ceil(letters.length / 200));
  for (let at = 0; at < letters.length; at += size) {
    await reply.write(letters.slice(at, at + size).join(""));
    // Out of its own packet, so that the page sees the unfinished construct.
    await new Promise((resolve) => setImmediate(resolve));
  }
  await reply.end();
}

/** Looks at every element that is ever put into the transcript, also for a moment. @param {import("./support/chat.mjs").Chat} chat */
async function watch(chat) {
  await chat.connected();
  await chat.panel.evaluate(
    (panel, { ELEMENTS, ATTRIBUTES, SCHEMES }) => {
      const seen = { executed: 0, strange: /** @type {string[]} */ ([]) };
      Object.assign(window, { seen, executed: () => seen.executed++, alert: () => seen.executed++ });
      const in_field = (/** @type {Element} */ element) => element.closest("footer, header") !== null;
      const look = (/** @type {Element} */ element) => {
        if (in_field(element)) return;
        if (!ELEMENTS.includes(element.localName)) seen.strange.push(`<${element.localName}>`);
        for (const { name } of element.attributes) if (!ATTRIBUTES.includes(name)) seen.strange.push(`<${element.localName} ${name}>`);
        const href = element.getAttribute("href");
        if (href !== null && !SCHEMES.includes(new URL(href, "about:blank").protocol)) seen.strange.push(`<${element.localName}> to ${href}`);
      };
      const look_inside = (/** @type {Node} */ node) => {
        if (!(node instanceof Element)) return;
        look(node);
        node.querySelectorAll("*").forEach(look);
      };
      panel.querySelectorAll(".message *").forEach(look);
      new MutationObserver((changes) => {
        for (const { type, target, addedNodes } of changes) {
          if (type === "attributes" && target instanceof Element && target.closest(".message")) look(target);
          for (const node of addedNodes) look_inside(node);
        }
      }).observe(panel, { subtree: true, childList: true, attributes: true });
    },
    { ELEMENTS, ATTRIBUTES, SCHEMES },
  );
}

/** Moves over and presses every link and every element with a handler's name. @param {import("./support/chat.mjs").Chat} chat */
const touch_everything = (chat) =>
  chat.panel.locator(".message").evaluateAll((messages) => {
    // A link to another site may be followed; it is no harm, and would end the test.
    const stay = (/** @type {Event} */ event) => {
      const link = event.target instanceof Element ? event.target.closest("a") : null;
      if (link?.protocol.startsWith("http")) event.preventDefault();
    };
    messages[0]?.parentElement?.addEventListener("click", stay, true);
    for (const element of messages.flatMap((message) => [...message.querySelectorAll("*")])) {
      for (const name of ["mouseover", "pointerenter", "focus"]) element.dispatchEvent(new Event(name, { bubbles: true }));
      if (!element.closest("button")) element.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true, composed: true }));
    }
  });

/** @param {import("./support/chat.mjs").Chat} chat @returns {Promise<{ executed: number, strange: string[] }>} */
const found = (chat) => chat.page.evaluate(() => /** @type {any} */ (window).seen);

/** Requests to anywhere but this machine, as they come. @param {import("playwright-core").BrowserContext} context */
function foreign_requests(context) {
  /** @type {string[]} */
  const foreign = [];
  context.on("request", (request) => {
    if (!/^(http|ws):\/\/127\.0\.0\.1:|^data:/.test(request.url())) foreign.push(request.url());
  });
  return foreign;
}
