// What an answer rests on, what no model wrote, and what visitors never get.

import assert from "node:assert/strict";
import { violations } from "./support/accessibility.mjs";
import { scene, stage } from "./support/stage.mjs";

const set = stage();

/**
 * Has the node's next answers say more than it would: a tab's socket is bent in the page, as schema.ts knows it.
 * @param {import("./support/stage.mjs").Visitor} visitor
 * @param {Change} change
 *
 * @typedef {{ end?: number, sources?: { title: string, url?: string }[] }} Change
 */
async function bend(visitor, change) {
  await visitor.context.routeWebSocket(/\/v1\/connect/, (socket) => {
    const server = socket.connectToServer();
    server.onMessage((frame) => socket.send(typeof frame === "string" ? frame : bent(frame, change)));
  });
}

/** An answer's frame with `change` added to it. @param {Buffer} frame @param {Change} change */
function bent(frame, { end, sources = [] }) {
  const event = field(frame, 3);
  const answer = event && field(event, 4);
  if (!event || !answer) return frame;
  const added = [
    ...(end === undefined ? [] : [Buffer.from([3 << 3, end])]),
    ...sources.map(({ title, url = "" }) => wrapped(5, Buffer.concat([wrapped(1, Buffer.from(title)), wrapped(2, Buffer.from(url))]))),
  ];
  // Later fields win, and messages are read one into the other, so that adding is enough at each level but the last.
  return wrapped(3, Buffer.concat([without(event, 4), wrapped(4, Buffer.concat([answer, ...added]))]));
}

/** @param {number} number @param {Buffer} bytes */
const wrapped = (number, bytes) => Buffer.concat([Buffer.from([(number << 3) | 2, ...varint(bytes.length)]), bytes]);

/** @param {number} value @returns {number[]} */
const varint = (value) => (value > 127 ? [(value & 127) | 128, ...varint(value >> 7)] : [value]);

/** The parts of a message: number, where it starts and ends, and its bytes if it is delimited. @param {Buffer} bytes */
function* parts(bytes) {
  let at = 0;
  const number = () => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[at++] ?? 0;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const start = at;
    const tag = number();
    const length = number();
    const content = (tag & 7) === 2 ? bytes.subarray(at, (at += length)) : undefined;
    yield { number: tag >> 3, start, end: at, content };
  }
}

/** @param {Buffer} bytes @param {number} wanted */
const field = (bytes, wanted) => [...parts(bytes)].find(({ number }) => number === wanted)?.content;

/** @param {Buffer} bytes @param {number} unwanted */
const without = (bytes, unwanted) =>
  Buffer.concat([...parts(bytes)].filter(({ number }) => number !== unwanted).map(({ start, end }) => bytes.subarray(start, end)));

const SOURCES = [
  { title: "Returns and refunds", url: "https://shop.example/returns" },
  { title: "Terms <b>of</b> sale" },
  { title: "Not a link", url: "javascript:alert(1)" },
  { title: "One too many", url: "https://shop.example/fourth" },
];

for (const [language, page, heading] of /** @type {const} */ ([["en", "/", "Sources"], ["zh", "/zh/", "来源"]])) {
  scene(`an answer shows up to three texts that it rests on, and links only where that is safe (${language})`, async (t) => {
    const visitor = await set.visitor(t);
    await bend(visitor, { sources: SOURCES });
    const chat = await (await visitor.tab(page)).open();
    await chat.send("First");
    assert.equal((await chat.answered("complete"))?.text, "You said: First", "the text is what it was");
    const list = chat.panel.getByRole("list", { name: heading });
    await list.waitFor();
    const titles = await list.locator("li").evaluateAll((items) => items.map((item) => item.firstChild?.firstChild?.textContent));
    assert.deepEqual(titles, ["Returns and refunds", "Terms <b>of</b> sale", "Not a link"]);
    const links = list.getByRole("link");
    assert.equal(await links.count(), 1);
    assert.deepEqual(
      await links.first().evaluate((link) => ["href", "target", "rel"].map((name) => link.getAttribute(name))),
      ["https://shop.example/returns", "_blank", "noopener noreferrer nofollow"],
    );
    assert.equal(await list.locator("b").count(), 0);
    assert.deepEqual(await violations(chat.page), []);
  });
}

const MARKS = /** @type {const} */ ([["en", "/", "Automatic answer", "Talk to a person"], ["zh", "/zh/", "自动回复", "转人工"]]);
for (const [language, page, mark, offer] of MARKS) {
  scene(`an answer that no model wrote is marked, and a person is still offered (${language})`, async (t) => {
    const visitor = await set.visitor(t);
    await bend(visitor, { end: 5 });
    const chat = await (await visitor.tab(page)).open();
    await chat.send("First");
    await chat.answered("intent");
    const message = chat.panel.locator(".message.intent");
    await message.getByText(mark, { exact: true }).waitFor();
    assert.deepEqual(await message.locator(".tag, .aside").allTextContents(), [mark], "and it does not also say that it is an AI's");
    await chat.button(offer).first().waitFor();
    assert.deepEqual(await violations(chat.page), []);
  });
}

scene("a link to a page opens in a new tab and says so, one to an e-mail address does neither", async (t) => {
  const { chat } = await set.conversation(t);
  const reply = set.model.reply();
  await chat.send("How?");
  await (await reply.write("Read [the page](/en/returns.html) or [write](mailto:returns@hollowhill.example).")).end();
  await chat.answered("complete");
  const links = await chat.panel.locator(".text a").evaluateAll((found) =>
    found.map((link) => [link.textContent, link.getAttribute("target"), link.getAttribute("rel")]),
  );
  assert.deepEqual(links, [
    ["the page (opens in a new tab)", "_blank", "noopener noreferrer nofollow"],
    ["write", null, null],
  ]);
});

scene("no frame shows a visitor the summary that agents get", async (t) => {
  const visitor = await set.visitor(t);
  /** @type {string[]} */
  const frames = [];
  visitor.context.on("page", (page) =>
    page.on("websocket", (socket) => socket.on("framereceived", ({ payload }) => frames.push(String(payload)))),
  );
  const chat = await (await visitor.tab()).open();
  await chat.send("Where is my teapot?");
  await chat.answered("complete");
  await chat.button("Talk to a person").first().click();
  await chat.text("You asked for a person").waitFor();
  assert.ok(frames.some((frame) => frame.includes("You said: Where is my teapot?")), "the frames are looked at");
  // The summary would say what was asked; the visitor's own message comes back in one frame, the answer in two kinds of them.
  assert.deepEqual(frames.filter((frame) => /(First|Last) (question|answer)/.test(frame)), []);
});
