// The panel's top: who answers, what else can be done, and the way out.

import { Component, createRef, type TargetedEvent } from "preact";
import type { Desk } from "../desk/desk.ts";
import { Icon } from "./icons.tsx";
import { initial } from "./message.tsx";
import type { Strings } from "./strings.ts";

interface HeaderProps {
  readonly desk: Desk;
  readonly words: Strings;
  readonly name: string;
  readonly online: boolean;
  close(): void;
}

export function Header({ desk, words, name, online, close }: HeaderProps) {
  const { owner, agent } = desk.standing;
  const person = owner === "agent";
  const { state, lost } = desk.link;
  const away = !online || lost || "code" in state || (state.kind === "idle" && !desk.met);
  const status = away
    ? words.not_connected
    : desk.met
      ? {
          assistant: words.answers_at_once,
          queue: words.waiting,
          agent: words.with_person(agent),
          nobody: words.ended,
        }[owner]
      : words.connecting;
  return (
    <div class="top">
      <span class={person ? "face person" : "face"} aria-hidden="true">
        {person ? initial(agent) : <Icon name="spark" fill />}
      </span>
      <div class="who">
        <h2>{name || words.chat}</h2>
        <p class={`status ${away || !desk.met ? "off" : owner}`}>{status}</p>
      </div>
      {desk.log.after > 0 && <Options desk={desk} words={words} />}
      <button type="button" class="icon-button" aria-label={words.close} onClick={close}>
        <Icon name="close" />
      </button>
    </div>
  );
}

interface OptionsProps {
  readonly desk: Desk;
  readonly words: Strings;
}

type Unfolded = "menu" | "end" | "erase" | undefined;

/** What is seldom needed: a person, the end of the conversation, its deletion. The last two are asked for twice. */
class Options extends Component<OptionsProps, { unfolded: Unfolded }> {
  override state: { unfolded: Unfolded } = { unfolded: undefined };

  readonly #options = createRef<HTMLDivElement>();
  /** The focus is on its way to something else. */
  #left = false;

  readonly #fold = () => this.setState({ unfolded: undefined });

  /** The button that was pressed is gone with its menu; the focus must not be. */
  override componentDidUpdate(_: OptionsProps, before: { unfolded: Unfolded }): void {
    const options = this.#options.current!;
    const { activeElement } = options.getRootNode() as ShadowRoot;
    const left = this.#left;
    this.#left = false;
    if (before.unfolded === this.state.unfolded || activeElement || left) return;
    options.querySelector<HTMLElement>(this.state.unfolded ? ".menu button" : "button")?.focus();
  }

  #act(run: () => void): () => void {
    return () => {
      this.#fold();
      run();
    };
  }

  readonly #focus_out = (event: TargetedEvent<HTMLElement, FocusEvent>) => {
    const next = event.relatedTarget as Node | null;
    if (!this.state.unfolded || !next || event.currentTarget.contains(next)) return;
    this.#left = true;
    this.#fold();
  };

  readonly #key_down = (event: TargetedEvent<HTMLElement, KeyboardEvent>) => {
    if (event.key !== "Escape" || !this.state.unfolded) return;
    event.stopPropagation();
    this.#fold();
    event.currentTarget.querySelector("button")!.focus();
  };

  #question(ask: string, yes: string, run: () => void) {
    return (
      <div class="menu" role="group" aria-label={ask}>
        <p>{ask}</p>
        <button type="button" class="danger" onClick={this.#act(run)}>
          {yes}
        </button>
        <button type="button" onClick={this.#fold}>
          {this.props.words.cancel}
        </button>
      </div>
    );
  }

  override render({ desk, words }: OptionsProps) {
    const { unfolded } = this.state;
    const { owner } = desk.standing;
    return (
      <div class="options" ref={this.#options} onFocusOut={this.#focus_out} onKeyDown={this.#key_down}>
        <button
          type="button"
          class="icon-button"
          aria-label={words.options}
          aria-expanded={unfolded !== undefined}
          onClick={() => this.setState({ unfolded: unfolded ? undefined : "menu" })}
        >
          <Icon name="more" />
        </button>
        {unfolded === "menu" && (
          <div class="menu">
            {owner === "assistant" && (
              <button type="button" onClick={this.#act(() => desk.ask_person())}>
                <Icon name="person" />
                {words.talk}
              </button>
            )}
            {owner !== "nobody" && (
              <button type="button" onClick={() => this.setState({ unfolded: "end" })}>
                <Icon name="end" />
                {words.end}
              </button>
            )}
            <button type="button" onClick={() => this.setState({ unfolded: "erase" })}>
              <Icon name="erase" />
              {words.erase}
            </button>
          </div>
        )}
        {unfolded === "end" && this.#question(words.end_ask, words.end, () => desk.close())}
        {unfolded === "erase" && this.#question(words.erase_ask, words.discard, () => void desk.erase())}
      </div>
    );
  }
}
