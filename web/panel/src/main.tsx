// The panel's entry: takes the seat that the loader offers, and wires desk, view and browser together.

import { createRef, render } from "preact";
import type { Panel as Commands, Seat } from "../../loader/src/seat.ts";
import { browser_clock as clock } from "./desk/clock.ts";
import { Desk } from "./desk/desk.ts";
import { browser_storage } from "./desk/storage.ts";
import { lock_turnstile, storage_turnstile } from "./desk/turnstile.ts";
import { parse } from "./markdown/blocks.ts";
import { erase_visitor, fetch_site, recall_site, type Site } from "./site.ts";
import { css } from "./style/sheet.ts";
import { Announcer } from "./view/announcer.ts";
import { items } from "./view/items.ts";
import { plain } from "./view/markdown.tsx";
import { palette } from "./view/palette.ts";
import { Panel, type Parts } from "./view/panel.tsx";
import { direction_of, spoken, strings_of } from "./view/strings.ts";
import { unread_after } from "./view/unread.ts";
import { new_id } from "./wire/id.ts";
import type { Event } from "./wire/schema.ts";

const SUBPROTOCOL = "frontdesk.v1.proto";
/** --sunken in style/frame.css, on which an answer stands. */
const SURFACE = { light: "#f4f5f3", dark: "#23282a" };

export function take_seat(seat: Seat): Commands {
  return new Seated(seat).command;
}

class Seated {
  readonly #storage;
  readonly #session;
  readonly #desk: Desk;
  readonly #mount = document.createElement("div");
  readonly #announcer: Announcer;
  readonly #dark = matchMedia("(prefers-color-scheme: dark)");
  readonly #phone = matchMedia("(max-width: 520px), (max-height: 460px)");
  readonly #parts: Parts = { field: createRef(), frame: createRef(), live: createRef() };
  #site: Site | undefined;
  #shown = false;
  #identified = false;
  #drawing = false;
  #cancel_tick = () => {};
  #unread = 0;
  #told: readonly Event[] | undefined;
  #trouble = "";
  /** It has been said that there is no connection. */
  #away = false;
  #dressed = "";

  constructor(private readonly seat: Seat) {
    const prefix = `frontdesk:${seat.site}:`;
    const tab = new_id();
    this.#storage = browser_storage(() => localStorage, prefix);
    this.#session = browser_storage(() => sessionStorage, prefix);
    this.#site = recall_site(this.#storage);
    const panel = this;
    this.#desk = new Desk({
      site: seat.site,
      get language() {
        return panel.#language;
      },
      tab,
      clock,
      storage: this.#storage,
      turnstile: navigator.locks
        ? lock_turnstile(navigator.locks, prefix, tab)
        : storage_turnstile(this.#storage, tab, clock),
      dial: () => new WebSocket(`${seat.node.replace(/^http/, "ws")}/v1/connect`, SUBPROTOCOL),
      handle_change: () => this.#handle_change(),
      erase: (token) => this.#erase(token),
      handle_news: (event) => this.#handle_news(event),
      emit: (name, detail) => seat.emit(name, detail),
    });
    this.#announcer = new Announcer(() => (this.#shown ? (this.#parts.live.current ?? null) : null), clock);
    this.#settle_in(prefix);
  }

  readonly command: Commands = (name, detail) => {
    if (name === "open") this.#show(true);
    else if (name === "close") this.#hide();
    else if (name === "toggle") this.#shown ? this.#hide() : this.#show(true);
    else if (name === "identify") this.#identify(String(detail));
    else if (name === "logout") this.#logout();
  };

  #settle_in(prefix: string): void {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
    this.seat.root.adoptedStyleSheets = [...this.seat.root.adoptedStyleSheets, sheet];
    this.seat.root.prepend(this.#mount);
    this.#mount.className = "root";
    this.#dark.addEventListener("change", () => this.#draw());
    this.#phone.addEventListener("change", () => this.#draw());
    addEventListener("storage", (event) => {
      if (!event.key?.startsWith(prefix)) return;
      this.#desk.handle_storage(event.key.slice(prefix.length));
      this.#tell_unread();
    });
    addEventListener("pagehide", () => this.#desk.keep());
    addEventListener("online", () => this.#handle_network());
    addEventListener("offline", () => this.#handle_change());
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") this.#handle_network();
      else this.#desk.keep();
    });
    visualViewport?.addEventListener("resize", () => this.#fit());
    visualViewport?.addEventListener("scroll", () => this.#fit());
    this.#fit();
    // Opened in this tab before: it goes on as it was, without taking the focus.
    const before = this.#session.get("tab");
    if (before === "open") this.#show(false);
    else if (before) this.#connect();
    this.#paint();
  }

  get #language(): string {
    const named = this.seat.language || this.#site?.languages[0] || document.documentElement.lang;
    try {
      return Intl.getCanonicalLocales(named)[0] ?? "en";
    } catch {
      return "en";
    }
  }

  // Opening and closing

  #show(focus: boolean): void {
    if (!this.#shown) {
      this.#shown = true;
      this.#session.set("tab", "open");
      this.#connect();
      this.#read_all();
      this.#paint();
      this.seat.emit("open");
    }
    if (focus) this.#focus();
  }

  #focus(): void {
    const { frame, field } = this.#parts;
    // On a touch screen the keyboard would cover what one wants to read first.
    const touch = matchMedia("(pointer: coarse)").matches;
    ((touch ? null : field.current) ?? frame.current)?.focus({ preventScroll: true });
  }

  #hide(): void {
    if (!this.#shown) return;
    this.#shown = false;
    this.#session.set("tab", "closed");
    this.#paint();
    this.seat.bubble.focus({ preventScroll: true });
    this.seat.emit("close");
  }

  #connect(): void {
    void this.#learn();
    if (this.#site || this.seat.language) this.#dial();
  }

  /** Fetches the site's settings; without them the chat works all the same. */
  async #learn(): Promise<void> {
    this.#site = (await fetch_site(this.seat.node, this.seat.site, this.#storage)) ?? this.#site;
    this.#dial();
    this.#draw();
  }

  /** Connects, if the visitor has opened the chat in this tab and may have it. */
  #dial(): void {
    if (this.#session.get("tab") && !this.#unidentified) this.#desk.link.connect();
  }

  get #unidentified(): boolean {
    return this.#site?.identity_required === true && !this.#identified;
  }

  #identify(jwt: string): void {
    this.#identified = jwt !== "";
    this.#desk.identify(jwt);
    this.#dial();
    this.#draw();
  }

  #logout(): void {
    this.#hide();
    this.#identified = false;
    this.#desk.logout();
    this.#session.delete("tab");
    this.#tell_unread();
  }

  async #erase(token: string): Promise<boolean> {
    const erased = await erase_visitor(this.seat.node, this.seat.site, token);
    this.#announcer.say(strings_of(this.#language)[erased ? "ended" : "error"]);
    return erased;
  }

  #handle_network(): void {
    this.#desk.link.check();
    this.#read_all();
    this.#draw();
  }

  // News

  #handle_change(): void {
    if (this.#told !== this.#desk.log.events) this.#tell_unread();
    this.#tell_trouble();
    this.#draw();
  }

  /** What is shown as a bar or at a message, for those who do not see it. */
  #tell_trouble(): void {
    const words = strings_of(this.#language);
    const failed = this.#desk.outbox.entries.some((entry) => entry.failed !== undefined);
    const { lost, state } = this.#desk.link;
    const away = !navigator.onLine ? words.offline : lost ? words.reconnecting : "";
    const trouble = away || (failed ? words.failed : "");
    if (trouble && trouble !== this.#trouble) this.#announcer.say(trouble);
    this.#trouble = trouble;
    if (away) this.#away = true;
    else if (this.#away && state.kind === "open") {
      this.#away = false;
      this.#announcer.say(words.back);
    }
  }

  #handle_news(event: Event): void {
    const { answer, agent_message, visitor_message, handover, assigned, closed } = event;
    const words = strings_of(this.#language);
    const message = (from: string, text: string) => this.seat.emit("message", { from, text, seq: event.seq });
    if (visitor_message) message("visitor", visitor_message.text);
    const said = answer?.text || handover?.text;
    if (answer || said) message("assistant", said ?? "");
    if (said) this.#announcer.say(`${words.assistant}: ${plain(parse(said))}`);
    if (agent_message) {
      message("agent", agent_message.text);
      this.#announcer.say(`${agent_message.agent}: ${agent_message.text}`);
    }
    if (handover) this.#announcer.say(words.waiting);
    if (assigned?.agent) this.#announcer.say(words.joined(assigned.agent));
    if (closed) this.#announcer.say(words.ended);
  }

  get #reading(): boolean {
    return this.#shown && document.visibilityState === "visible";
  }

  #read_all(): void {
    if (!this.#reading) return;
    const { conversation, after } = this.#desk.log;
    this.#storage.set("seen", `${conversation}:${after}`);
    this.#tell_unread();
  }

  #tell_unread(): void {
    const { log } = this.#desk;
    const [conversation, seq] = (this.#storage.get("seen") ?? "").split(":").map(Number);
    const seen = conversation === log.conversation ? (seq ?? 0) : 0;
    if (this.#reading && log.after > seen) this.#storage.set("seen", `${log.conversation}:${log.after}`);
    const unread = this.#reading ? 0 : unread_after(log.events, seen);
    const first = !this.#told;
    this.#told = log.events;
    if (unread === this.#unread && !first) return;
    this.#unread = unread;
    this.seat.badge(unread);
    this.seat.emit("unread", unread);
    this.#label_bubble();
  }

  // Drawing

  #label_bubble(): void {
    const words = strings_of(this.#language);
    const { bubble } = this.seat;
    const label = this.#shown ? words.close : words.open;
    bubble.ariaLabel = this.#unread > 0 ? `${label}, ${words.unread(this.#unread)}` : label;
    bubble.ariaExpanded = String(this.#shown);
  }

  /** Draws before the next frame, once, whatever has changed until then. */
  #draw(): void {
    if (this.#drawing) return;
    this.#drawing = true;
    requestAnimationFrame(() => {
      this.#drawing = false;
      this.#paint();
    });
  }

  #paint(): void {
    const language = this.#language;
    const words = strings_of(language);
    const mount = this.#mount;
    this.#dress(language);
    this.#label_bubble();
    render(
      <Panel
        parts={this.#parts}
        desk={this.#desk}
        site={this.#site}
        words={words}
        language={language}
        online={navigator.onLine}
        shown={this.#shown}
        modal={this.#phone.matches}
        now={clock.now()}
        unidentified={this.#unidentified}
        close={() => this.#hide()}
        focus={() => this.#focus()}
      />,
      mount,
    );
    this.#cancel_tick();
    const counting = items(this.#desk).some((item) => item.kind === "visitor" && item.until > clock.now());
    this.#cancel_tick = counting ? clock.after(1_000, () => this.#draw()) : () => {};
  }

  /** Sets language, direction and colours, if they are others than before: the browser would restyle everything. */
  #dress(language: string): void {
    const { theme, root, bubble } = this.seat;
    const dark = theme === "dark" || (theme !== "light" && this.#dark.matches);
    const color = this.seat.color || this.#site?.color || "";
    const dress = [language, dark, color].join();
    if (dress === this.#dressed) return;
    this.#dressed = dress;
    const { style, dataset } = this.#mount;
    const direction = direction_of(language);
    root.host.setAttribute("dir", direction);
    this.#mount.lang = spoken(language);
    this.#mount.dir = direction;
    dataset["theme"] = dark ? "dark" : "light";
    const { brand, on, link } = palette(color, dark ? SURFACE.dark : SURFACE.light);
    style.setProperty("--brand", brand);
    style.setProperty("--on-brand", on);
    style.setProperty("--link", link);
    bubble.style.background = brand;
    bubble.style.color = on;
  }

  /** On a phone the keyboard takes part of the screen; the panel keeps to the rest. */
  #fit(): void {
    const { style } = this.#mount;
    style.setProperty("--height", `${visualViewport?.height ?? innerHeight}px`);
    style.setProperty("--top", `${visualViewport?.offsetTop ?? 0}px`);
  }
}
