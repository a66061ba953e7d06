// The widget on a page, as a visitor sees it and puts hands on it.

import { until } from "./until.mjs";

/** @typedef {{ who: "visitor" | "assistant" | "agent", state: string, text: string }} Shown */

const ANSWER_STATES = ["writing", "complete", "stopped", "interrupted", "fallback", "intent"];
const MESSAGE_STATES = ["stored", "pending", "delayed", "failed"];

export class Chat {
  /** @param {import("playwright-core").Page} page */
  constructor(page) {
    this.page = page;
    this.bubble = page.locator("frontdesk-chat .bubble");
    this.panel = page.locator("frontdesk-chat").getByRole("dialog");
    this.field = this.panel.locator("textarea").last();
    this.live = this.panel.locator("[aria-live=polite]");
  }

  /** @param {string | RegExp} name */
  button(name) {
    return this.panel.getByRole("button", { name, exact: typeof name === "string" });
  }

  /** What is to be seen, apart from what is only read out. @param {string | RegExp} text @param {{ exact?: boolean }} [options] */
  text(text, options) {
    return this.panel.getByText(text, options).and(this.page.locator(":not([aria-live=polite] *)"));
  }

  /** Opens the panel and waits until the node has answered. */
  async open() {
    await this.bubble.click();
    await this.connected();
    return this;
  }

  async connected() {
    await this.field.waitFor();
    await until("a token of the node", () => this.kept_token(), (token) => token !== undefined);
    return this;
  }

  /** @param {string} text */
  async send(text) {
    await this.field.fill(text);
    await this.field.press("Enter");
  }

  /**
   * The transcript, in order. An answer that is owed has the state "thinking".
   * @returns {Promise<Shown[]>}
   */
  messages() {
    return this.panel.locator(".message").evaluateAll(
      (elements, states) =>
        elements.map((element) => {
          const names = [...element.classList];
          const who = /** @type {Shown["who"]} */ (names.find((name) => /^(visitor|assistant|agent)$/.test(name)));
          const state = names.find((name) => states.includes(name)) ?? (who === "assistant" ? "thinking" : "stored");
          return { who, state, text: (element.querySelector(".bubble-text > .text") ?? element.querySelector(".bubble-text"))?.textContent ?? "" };
        }),
      [...ANSWER_STATES, ...MESSAGE_STATES],
    );
  }

  /** @param {Shown["who"]} who */
  async texts(who) {
    return (await this.messages()).filter((message) => message.who === who).map((message) => message.text);
  }

  async newest_answer() {
    return (await this.messages()).filter((message) => message.who === "assistant").at(-1);
  }

  /** Waits until the newest answer is in `state`, and gives it. @param {string} state @param {number} [count] of answers */
  answered(state = "complete", count = 0) {
    const newest = async () => {
      const answers = (await this.messages()).filter((message) => message.who === "assistant");
      return answers.length >= count ? answers.at(-1) : undefined;
    };
    return until(`an answer that is ${state}`, newest, (answer) => answer?.state === state);
  }

  /** Waits until the newest answer shows exactly `text`. @param {string} text */
  shows(text) {
    return until("the answer's text", async () => (await this.newest_answer())?.text, text);
  }

  /** Waits until every message of the visitor is stored. @param {number} count how many there are */
  async stored(count) {
    const states = async () => (await this.messages()).filter(({ who }) => who === "visitor").map(({ state }) => state);
    await until("stored messages", states, Array(count).fill("stored"));
  }

  /**
   * Keeps a record of what the newest answer showed, at every change of the transcript: first the text, then its state.
   * @returns {Promise<() => Promise<[string, string][]>>} gives the record so far
   */
  async record_answers() {
    await this.panel.locator(".content").evaluate((content) => {
      /** @type {[string, string][]} */
      const record = [];
      const look = () => {
        const answer = [...content.querySelectorAll(".message.assistant")].at(-1);
        const text = answer?.querySelector(".bubble-text > .text")?.textContent ?? "";
        const state = answer?.classList.contains("writing") ? "writing" : "finished";
        const last = record.at(-1);
        if (text && (last?.[0] !== text || last[1] !== state)) record.push([text, state]);
      };
      new MutationObserver(look).observe(content, { subtree: true, childList: true, characterData: true, attributes: true });
      Object.assign(window, { answers_seen: record });
    });
    return () => this.page.evaluate(() => /** @type {any} */ (window).answers_seen);
  }

  /** The visitor's token, as the page keeps it. @returns {Promise<string | undefined>} */
  kept_token(site = "shop") {
    return this.page.evaluate((key) => JSON.parse(localStorage.getItem(key) ?? "{}").token, `frontdesk:${site}:token`);
  }
}
