// The first thing a page loads: the bubble, the unread badge and the queue of commands. It stores nothing and asks for
// nothing before the visitor's first click (or the page's own `frontdesk("open")`); then it fetches the panel.

import css from "./bubble.css?inline";
import type { Happening, Panel, PanelModule, Seat } from "./seat.ts";

declare const __PANEL__: string;

type Listener = (detail: unknown) => void;
interface Frontdesk {
  (command: string, ...details: unknown[]): void;
  q?: ArrayLike<unknown>[];
  seated?: boolean;
}
declare global {
  interface Window {
    frontdesk?: Frontdesk;
  }
}

const CHAT = "M4 11.5C4 7.4 7.6 4 12 4s8 3.4 8 7.5-3.6 7.5-8 7.5c-1 0-2-.2-2.9-.5L4.8 20l1.1-3.6A7.2 7.2 0 0 1 4 11.5z";
const DOWN = "M6 9.5l6 6 6-6";
const LABELS: Record<string, string> = { en: "Open chat", zh: "打开聊天", ar: "افتح الدردشة" };

const script = (document.currentScript ?? document.querySelector("script[data-site]")) as HTMLScriptElement;
const early = window.frontdesk;

function start(): void {
  const { site = "", language = "", theme = "", color = "" } = script.dataset;
  const node = new URL(script.src).origin;
  const listeners: Partial<Record<string, Set<Listener>>> = {};
  const waiting: [string, unknown][] = [];
  let panel: Panel | undefined;
  let loading = false;
  let tries = 0;

  const host = document.createElement("frontdesk-chat");
  if (/^(ar|fa|he|ur)\b/.test(language)) host.dir = "rtl";
  const root = host.attachShadow({ mode: "open" });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(css);
  root.adoptedStyleSheets = [sheet];
  const bubble = document.createElement("button");
  const count = document.createElement("span");
  bubble.className = "bubble";
  bubble.type = "button";
  bubble.ariaLabel = LABELS[(language || document.documentElement.lang).slice(0, 2)] ?? LABELS["en"]!;
  bubble.ariaExpanded = "false";
  count.className = "badge";
  count.hidden = true;
  if (/^#[\da-f]{6}$/i.test(color)) bubble.style.background = color;
  bubble.append(icon(CHAT), icon(DOWN), count);
  bubble.onclick = () => command("toggle");
  root.append(bubble);
  document.body.append(host);

  const emit = (name: Happening, detail?: unknown): void => {
    for (const listener of [...(listeners[name] ?? [])]) {
      try {
        listener(detail);
      } catch (error) {
        // A page's mistake is the page's; the chat goes on.
        reportError(error);
      }
    }
  };

  const seat: Seat = {
    node,
    site,
    language,
    theme,
    color,
    root,
    bubble,
    badge(unread) {
      count.hidden = !unread;
      count.textContent = unread > 9 ? "9+" : `${unread}`;
    },
    emit,
  };

  /** Fetches the panel; a browser remembers a module that failed, hence the query. */
  function load(): void {
    if (loading || panel) return;
    loading = true;
    bubble.ariaBusy = "true";
    import(/* @vite-ignore */ new URL(__PANEL__ + (tries++ ? `?${tries}` : ""), script.src).href)
      .then((module: PanelModule) => {
        panel = module.take_seat(seat);
        for (const [name, detail] of waiting.splice(0)) panel(name, detail);
      })
      .catch((error: unknown) => {
        waiting.splice(0);
        emit("error", { code: 0, message: String(error) });
      })
      .finally(() => {
        loading = false;
        bubble.ariaBusy = "false";
      });
  }

  function command(name: string, detail?: unknown, listener?: unknown): void {
    if (name === "on") (listeners[detail as string] ??= new Set()).add(listener as Listener);
    else if (name === "off") listeners[detail as string]?.delete(listener as Listener);
    else if (panel) panel(name, detail);
    else {
      if (name === "logout") forget(site);
      waiting.push([name, detail]);
      if (name === "open" || name === "toggle") load();
    }
  }

  window.frontdesk = command as Frontdesk;
  window.frontdesk.seated = true;
  for (const early_command of early?.q ?? []) {
    command(...(Array.from(early_command) as [string, unknown, unknown]));
  }
  if (mark(site)) load();
}

/** Whether the chat was opened in this tab before: then the visitor expects it to go on after a change of page. */
function mark(site: string): string | null {
  try {
    return sessionStorage.getItem(`frontdesk:${site}:tab`);
  } catch {
    return null;
  }
}

/** Removes what the panel keeps; it need not be there for that. */
function forget(site: string): void {
  try {
    for (const storage of [localStorage, sessionStorage]) {
      for (const key of Object.keys(storage)) if (key.startsWith(`frontdesk:${site}:`)) storage.removeItem(key);
    }
  } catch {
    // Where storage is forbidden nothing was kept.
  }
}

function icon(path: string): SVGElement {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  const line = document.createElementNS(svg.namespaceURI, "path") as SVGPathElement;
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}

if (script && !early?.seated) {
  if (document.body) start();
  else addEventListener("DOMContentLoaded", start);
}
