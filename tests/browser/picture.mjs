// Makes docs/images/widget.png: the demo shop with an open conversation, and a phone at night in Chinese.

import { mkdir, writeFile } from "node:fs/promises";
import UPNG from "upng-js";
import { Chat } from "./support/chat.mjs";
import { Frontdesk } from "./support/frontdesk.mjs";
import { Model } from "./support/model.mjs";
import { launch } from "./support/stage.mjs";

const PICTURE = new URL("../../docs/images/widget.png", import.meta.url);
const MOST_BYTES = 200 * 1024;
const COLOURS = 256;
/** So that the picture changes only when the widget does. */
const NOON = new Date(2026, 3, 18, 12, 4);

/** What is said, and how far the last answer has come. */
const ENGLISH = {
  questions: ["Which tea is best for a beginner?"],
  answers: [
    "Start with **Red Lantern**: a black tea that does not turn bitter if you forget it.\n\n| Tea | Taste | 50 g |\n|---|---|---|\n| Red Lantern | malt, cocoa | €11 |\n| Cloud Mist | chestnut | €12 |\n\nNot sure? The *Five Small Tins* sampler has 10 g of each of our five",
  ],
};
const CHINESE = {
  questions: ["开封的茶叶可以退吗？"],
  answers: [
    "可以，每款茶一次。\n\n1. 写信到 [returns@hollowhill.example](mailto:returns@hollowhill.example)，附上订单号\n2. 我们在一个工作日内发给您退货单\n3. 把剩下的茶（**不少于一半**）寄回来，我们全额退款",
  ],
};

const model = await Model.start();
const frontdesk = await Frontdesk.start({ model: model.url });
const browser = await launch();
try {
  const shop = await take("/", ENGLISH, false, { viewport: { width: 1060, height: 760 }, deviceScaleFactor: 1.5 });
  const phone = await take("/zh/", CHINESE, true, {
    viewport: { width: 375, height: 700 },
    deviceScaleFactor: 1.5,
    isMobile: true,
    hasTouch: true,
    colorScheme: "dark",
    locale: "zh-CN",
  });
  const picture = with_few_colours(await compose(shop, phone));
  if (picture.length > MOST_BYTES) throw new Error(`the picture has ${picture.length} bytes, at most ${MOST_BYTES} are wanted`);
  await mkdir(new URL(".", PICTURE), { recursive: true });
  await writeFile(PICTURE, picture);
  console.log(`docs/images/widget.png: ${picture.length} bytes`);
} finally {
  await browser.close();
  await frontdesk.stop();
  await model.stop();
}

/**
 * @param {string} path
 * @param {typeof ENGLISH} said
 * @param {boolean} ended whether the last answer is whole
 * @param {import("playwright-core").BrowserContextOptions} options
 */
async function take(path, { questions, answers }, ended, options) {
  const context = await browser.newContext({ locale: "en-GB", reducedMotion: "reduce", ...options });
  const page = await context.newPage();
  await page.clock.setFixedTime(NOON);
  await page.goto(frontdesk.shop + path);
  const chat = await new Chat(page).open();
  for (const [i, question] of questions.entries()) {
    const reply = model.reply();
    await chat.send(question);
    await reply.write(answers[i] ?? "");
    const whole = ended || i + 1 < questions.length;
    if (whole) await reply.end();
    await chat.answered(whole ? "complete" : "writing", i + 1);
  }
  const picture = await page.screenshot({ animations: "disabled" });
  await context.close();
  return picture;
}

/**
 * Both on one ground, with round corners and soft shadows.
 * @param {Buffer} shop
 * @param {Buffer} phone
 */
async function compose(shop, phone) {
  const page = await browser.newPage({ viewport: { width: 1280, height: 712 }, deviceScaleFactor: 1.5 });
  const source = (/** @type {Buffer} */ picture) => `data:image/png;base64,${picture.toString("base64")}`;
  await page.setContent(`<!doctype html><style>
    body { margin: 0; height: 712px; background: #dfe7df; position: relative }
    img { position: absolute; display: block }
    .shop { left: 36px; top: 40px; width: 882px; border-radius: 12px; box-shadow: 0 1px 3px #0002, 0 20px 50px #12261f38 }
    .phone { right: 36px; bottom: 36px; width: 286px; border-radius: 34px; border: 9px solid #101312; box-shadow: 0 0 0 1px #3a4340, 0 20px 50px #12261f50 }
    </style><img class="shop" src="${source(shop)}"><img class="phone" src="${source(phone)}">`);
  await page.evaluate(() => Promise.all([...document.images].map((image) => image.decode())));
  return page.screenshot();
}

/** Smaller by two thirds, with no difference that one sees. @param {Buffer} picture */
function with_few_colours(picture) {
  const image = UPNG.decode(new Uint8Array(picture).buffer);
  return Buffer.from(UPNG.encode(UPNG.toRGBA8(image), image.width, image.height, COLOURS));
}
