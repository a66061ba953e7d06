// The panel as a whole: what stands where in which state.

import { Component, type RefObject } from "preact";
import type { Desk } from "../desk/desk.ts";
import type { Site } from "../site.ts";
import { CloseCode } from "../wire/closing.ts";
import { Composer } from "./composer.tsx";
import { Ending } from "./ending.tsx";
import { Header } from "./header.tsx";
import { Icon } from "./icons.tsx";
import { beginning, items, thinking } from "./items.ts";
import { Message, Speaker } from "./message.tsx";
import { in_language, type Strings } from "./strings.ts";
import { Transcript } from "./transcript.tsx";

/** The elements that the focus is moved to, and the one that is spoken from. */
export interface Parts {
  readonly field: RefObject<HTMLTextAreaElement | null>;
  readonly frame: RefObject<HTMLElement | null>;
  readonly live: RefObject<HTMLDivElement | null>;
}

export interface PanelProps {
  readonly parts: Parts;
  readonly desk: Desk;
  /** Not known before the node has answered for the first time. */
  readonly site: Site | undefined;
  readonly words: Strings;
  readonly language: string;
  readonly online: boolean;
  readonly shown: boolean;
  readonly modal: boolean;
  /** Unix milliseconds. */
  readonly now: number;
  /** The page says nobody, and the site wants to know. */
  readonly unidentified: boolean;
  close(): void;
  /** Moves the focus to where one goes on from. */
  focus(): void;
}

export class Panel extends Component<PanelProps> {
  get #active(): Element | null {
    return (this.props.parts.frame.current!.getRootNode() as ShadowRoot).activeElement;
  }

  override getSnapshotBeforeUpdate(): boolean {
    return this.#active !== null;
  }

  /** A button that has done its work goes, and the focus would go with it. */
  override componentDidUpdate(_: PanelProps, __: unknown, had_focus: boolean): void {
    if (had_focus && this.props.shown && !this.#active) this.props.focus();
  }

  readonly #key_down = (event: KeyboardEvent) => {
    // Escape also ends an input method's composition.
    if (event.isComposing || event.keyCode === 229) return;
    if (event.key === "Escape") this.props.close();
    if (event.key === "Tab" && this.props.modal) this.#go_round(event);
  };

  /** Keeps the focus inside while the panel covers the page. */
  #go_round(event: KeyboardEvent): void {
    const frame = this.props.parts.frame.current!;
    const stops = [...frame.querySelectorAll<HTMLElement>("button, textarea, a[href], input, [tabindex='0']")].filter(
      (stop) => stop.offsetParent,
    );
    const edge = event.shiftKey ? stops[0] : stops.at(-1);
    const active = this.#active;
    if (active !== edge && active !== frame) return;
    event.preventDefault();
    (event.shiftKey ? stops.at(-1) : stops[0])?.focus();
  }

  override render(props: PanelProps) {
    const { desk, site, words, shown, modal } = props;
    const name = site?.name ?? "";
    return (
      <section
        class="panel"
        ref={this.props.parts.frame}
        hidden={!shown}
        role="dialog"
        aria-modal={modal}
        aria-label={name ? `${words.chat}: ${name}` : words.chat}
        tabIndex={-1}
        onKeyDown={this.#key_down}
      >
        <Header desk={desk} words={words} name={name} online={props.online} close={props.close} />
        {this.#bar()}
        {this.#middle()}
        {this.#foot()}
        {/* The key keeps its element, in which something may stand, from becoming the foot. */}
        <div key="live" class="hide" aria-live="polite" ref={this.props.parts.live} />
      </section>
    );
  }

  /** One slim line when something is wrong that passes. */
  #bar() {
    const { desk, words, online } = this.props;
    if (!online) return <p class="bar">{words.offline}</p>;
    if (desk.link.lost) {
      return (
        <p class="bar">
          {words.reconnecting}
          <button type="button" class="text-button" onClick={() => desk.link.check()}>
            {words.try_now}
          </button>
        </p>
      );
    }
    if (desk.notice !== undefined) return <p class="bar">{words[desk.notice] ?? words.error}</p>;
    return null;
  }

  #middle() {
    const { desk, words, language, shown, now, online } = this.props;
    const shown_items = items(desk);
    const { owner } = desk.standing;
    const fresh = shown_items.length === 0;
    const offline = !online || desk.link.lost;
    const barred = this.#barred;
    const newest = shown_items.at(-1)?.key;
    const newest_answer = shown_items.filter((item) => item.kind === "assistant").at(-1)?.key;
    const asked = desk.outbox.entries.some(({ command }) => command.kind === "ask_person");
    const may_ask = owner === "assistant" && !asked;
    const loading = fresh && !desk.met && desk.link.state.kind === "connecting" && !this.props.site;
    return (
      <Transcript
        words={words}
        count={shown_items.length}
        own={shown_items.filter((item) => item.kind === "visitor").length}
        shown={shown}
      >
        {loading ? <Skeleton words={words} /> : this.#greeting(fresh)}
        {shown_items.map((item) => (
          <Message
            key={item.key}
            item={item}
            desk={desk}
            words={words}
            language={language}
            offline={offline}
            left={item.kind === "visitor" && item.until > now ? Math.ceil((item.until - now) / 1000) : 0}
            may_ask={may_ask && item.key === newest_answer}
            may_choose={may_ask && !barred && item.key === newest}
          />
        ))}
        {thinking(desk) && (
          <div class="message assistant first">
            <Speaker words={words} />
            <div class="bubble-text dots">
              <span class="hide">{words.thinking}</span>
              <i />
              <i />
              <i />
            </div>
          </div>
        )}
        {owner === "queue" && !beginning(desk) && (
          <div class="waiting">
            <span class="ring" aria-hidden="true" />
            <div>
              <strong>{words.queue}</strong>
              <p>{words.queue_note}</p>
            </div>
          </div>
        )}
      </Transcript>
    );
  }

  /** Why nothing can be said here, or not yet. */
  get #barred(): string | undefined {
    const { desk, words, unidentified } = this.props;
    const { state } = desk.link;
    if (state.kind === "refused") return refusal_text(state.code, words);
    const invalid = state.kind === "unidentified" && state.code === CloseCode.identity_invalid;
    if (invalid) return words.identity_invalid;
    return state.kind === "unidentified" || unidentified ? words.identify : undefined;
  }

  /** @param fresh nothing was said yet: with questions to choose from, or why nothing can be said */
  #greeting(fresh: boolean) {
    const { desk, site, words, language } = this.props;
    const barred = this.#barred;
    const greeting = (fresh && barred) || (site && in_language(site.greeting, language)) || words.greeting;
    const suggestions = (site && in_language(site.suggestions, language)) ?? [];
    return (
      <div class="greeting">
        <span class="face big" aria-hidden="true">
          <Icon name="spark" fill />
        </span>
        <h3>
          <span dir="auto">{greeting}</span>
        </h3>
        {!barred && <p>{words.greeting_note}</p>}
        {fresh && !barred && suggestions.length > 0 && (
          <ul class="suggestions" aria-label={words.suggestions}>
            {suggestions.map((text) => (
              <li key={text}>
                <button
                  type="button"
                  onClick={() => desk.send(text)}
                >
                  <span dir="auto">{text}</span>
                  <Icon name="go" />
                </button>
              </li>
            ))}
          </ul>
        )}
      </div>
    );
  }

  #foot() {
    const { desk, site, words } = this.props;
    const barred = this.#barred;
    // Where nothing was said yet, this stands in the greeting's place.
    if (barred) return items(desk).length > 0 && <p class="closed-note">{barred}</p>;
    if (desk.standing.owner === "nobody" && !beginning(desk)) return <Ending desk={desk} words={words} />;
    const asked = desk.outbox.entries.some(({ command }) => command.kind === "ask_person");
    return (
      <div class="foot">
        <Composer
          words={words}
          field={this.props.parts.field}
          max_bytes={desk.met ? desk.max_text_bytes : site?.max_text_bytes || desk.max_text_bytes}
          writing={desk.standing.owner === "assistant" && desk.writing.text !== ""}
          stopping={desk.stopping}
          send={(text) => desk.send(text)}
          stop={() => desk.stop()}
        />
        {desk.standing.owner === "assistant" && (
          <p class="small-print">
            {words.ai_note}
            {!asked && (
              <button type="button" class="text-button" onClick={() => desk.ask_person()}>
                {words.talk}
              </button>
            )}
          </p>
        )}
      </div>
    );
  }
}

function refusal_text(code: number, words: Strings): string {
  if (code === CloseCode.origin_forbidden) return words.refused_origin;
  return code === CloseCode.site_unknown ? words.refused_site : words.refused_other;
}

const Skeleton = ({ words }: { words: Strings }) => (
  <div class="skeleton">
    <span class="hide">{words.connecting}</span>
    <i />
    <i />
    <i />
    <i />
  </div>
);
