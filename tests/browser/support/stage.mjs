// What a file of tests stands on: one Frontdesk, one Chromium, and visitors who come and go.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";
import { Chat } from "./chat.mjs";
import { Frontdesk } from "./frontdesk.mjs";
import { read_log } from "./log.mjs";
import { Model } from "./model.mjs";
import { PATIENCE_MS } from "./until.mjs";

const CHROMIUM = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
/** A test that takes longer hangs. */
const HANGS_MS = 90_000;
/** In place of a first word within 8 seconds: a test holds its model for as long as it likes. */
const PATIENT = {
  FRONTDESK_AI_FIRST_TOKEN_MS: "60000",
  FRONTDESK_AI_GAP_MS: "60000",
  FRONTDESK_AI_TOTAL_MS: "70000",
  FRONTDESK_TURN_DEADLINE_MS: "80000",
};

/**
 * @typedef {object} VisitorOptions
 * @property {string} [page] path in the demo shop
 * @property {import("playwright-core").BrowserContextOptions} [context]
 * @property {boolean} [stay] do not go to the page yet
 */

/** One person with one browser. Nothing that this person sees may break the pages' content security policy. */
export class Visitor {
  /** @type {string[]} */
  violations = [];
  /** @type {string[]} */
  errors = [];

  /** @param {Frontdesk} frontdesk @param {import("playwright-core").BrowserContext} context */
  constructor(frontdesk, context) {
    this.frontdesk = frontdesk;
    this.context = context;
    context.setDefaultTimeout(PATIENCE_MS);
    context.on("console", (message) => {
      if (message.type() === "error") this.errors.push(message.text());
      if (/content security policy|trusted ?types?|^violation/i.test(message.text())) this.violations.push(message.text());
    });
    context.on("weberror", (error) => this.errors.push(String(error.error())));
  }

  async prepare() {
    await this.context.addInitScript(() => {
      addEventListener("securitypolicyviolation", ({ effectiveDirective, blockedURI, sample }) =>
        console.error("violation", effectiveDirective, blockedURI, sample),
      );
    });
    return this;
  }

  /**
   * Has the pages say other things to the widget, as if they were written so.
   * @param {{ language?: string, theme?: string }} said
   */
  async alter_pages(said) {
    await this.context.addInitScript((said) => {
      new MutationObserver((_, observer) => {
        const script = /** @type {HTMLElement | null} */ (document.querySelector("script[data-site]"));
        if (!script) return;
        observer.disconnect();
        Object.assign(script.dataset, said);
        if (said.language) document.documentElement.lang = said.language;
        if (said.language === "ar") document.documentElement.dir = "rtl";
      }).observe(document, { childList: true, subtree: true });
    }, said);
  }

  /** Another tab. @param {string} [path] */
  async tab(path = "/") {
    const page = await this.context.newPage();
    await page.goto(this.frontdesk.shop + path);
    return new Chat(page);
  }

  /** The log as the node has it. @param {Chat} chat */
  async log(chat) {
    const token = await chat.kept_token();
    return this.log_of(token);
  }

  /** The log to which a token leads. @param {string | undefined} token */
  log_of(token) {
    assert.ok(token, "the page keeps no token");
    return read_log(this.frontdesk.node, token);
  }

  async leave() {
    await this.context.close();
    assert.deepEqual(this.violations, [], "the content security policy was violated");
  }
}

/** A test in Chromium. @param {string} name a sentence @param {(t: import("node:test").TestContext) => Promise<void>} run */
export const scene = (name, run) => test(name, { timeout: HANGS_MS }, run);

/**
 * @param {object} [options]
 * @param {boolean} [options.scripted] the scripted model answers, as without any option; else one in the test's hand
 * @param {Record<string, string>} [options.env] more of the configuration
 */
export function stage({ scripted = false, env = {} } = {}) {
  const set = {
    frontdesk: /** @type {Frontdesk} */ (/** @type {unknown} */ (undefined)),
    browser: /** @type {import("playwright-core").Browser} */ (/** @type {unknown} */ (undefined)),
    model: /** @type {Model} */ (/** @type {unknown} */ (undefined)),

    /** Somebody new. @param {import("node:test").TestContext} t @param {import("playwright-core").BrowserContextOptions} [options] */
    async visitor(t, options = {}) {
      const context = await set.browser.newContext({ locale: "en-GB", ...options });
      const visitor = await new Visitor(set.frontdesk, context).prepare();
      t.after(() => visitor.leave());
      return visitor;
    },

    /** Somebody new whose panel is open. @param {import("node:test").TestContext} t @param {import("playwright-core").BrowserContextOptions} [options] */
    async conversation(t, options = {}) {
      const visitor = await set.visitor(t, options);
      return { visitor, chat: await (await visitor.tab()).open() };
    },
  };
  before(async () => {
    if (!scripted) set.model = await Model.start();
    const patience = scripted ? {} : PATIENT;
    set.frontdesk = await Frontdesk.start({ model: set.model?.url, env: { ...patience, ...env } });
    set.browser = await launch();
  });
  after(async () => {
    await set.browser?.close();
    await set.frontdesk?.stop();
    await set.model?.stop();
  });
  return set;
}

export function launch() {
  const executablePath = process.env.CHROMIUM ?? CHROMIUM.find((path) => existsSync(path));
  const as_root = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
  return chromium.launch({ executablePath, args: ["--disable-dev-shm-usage", ...as_root] });
}
