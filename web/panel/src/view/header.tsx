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
  const { owner, agent, asked } = desk.standing;
  const person = owner === "agent";
  const { kind } = desk.link.state;
  const connected = online && kind === "open";
  const status = connected
    ? {
        assistant: words.answers_at_once,
        queue: words.waiting,
        agent: words.with_person(agent),
        nobody: words.ended,
      }[owner]
    : kind === "connecting" && !desk.met
      ? words.connecting
      : words.not_connected;
  const may_end = owner !== "nobody" && asked > 0;
  return (
    <div class="top">
      <span class={person ? "face person" : "face"} aria-hidden="true">
        {person ? initial(agent) : <Icon name="spark" fill />}
      </span>
      <div class="who">
        <h2>{name || words.chat}</h2>
        <p class={`status ${connected ? owner : "off"}`}>{status}</p>
      </div>
      {may_end && <Options desk={desk} words={words} />}
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

type Unfolded = "menu" | "question" | undefined;

/** What is seldom needed: a person, and the end of the conversation, which is asked for twice. */
class Options extends Component<OptionsProps, { unfolded: Unfolded }> {
  override state: { unfolded: Unfolded } = { unfolded: undefined };

  readonly #options = createRef<HTMLDivElement>();

  readonly #fold = () => this.setState({ unfolded: undefined });

  /** The button that was pressed is gone with its menu; the focus must not be. */
  override componentDidUpdate(_: OptionsProps, before: { unfolded: Unfolded }): void {
    const options = this.#options.current!;
    const { activeElement } = options.getRootNode() as ShadowRoot;
    if (before.unfolded === this.state.unfolded || activeElement) return;
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
    if (next && !event.currentTarget.contains(next)) this.#fold();
  };

  readonly #key_down = (event: TargetedEvent<HTMLElement, KeyboardEvent>) => {
    if (event.key !== "Escape" || !this.state.unfolded) return;
    event.stopPropagation();
    this.#fold();
    event.currentTarget.querySelector("button")!.focus();
  };

  override render({ desk, words }: OptionsProps) {
    const { unfolded } = this.state;
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
            {desk.standing.owner === "assistant" && (
              <button type="button" onClick={this.#act(() => desk.ask_person())}>
                <Icon name="person" />
                {words.talk}
              </button>
            )}
            <button type="button" onClick={() => this.setState({ unfolded: "question" })}>
              <Icon name="end" />
              {words.end}
            </button>
          </div>
        )}
        {unfolded === "question" && (
          <div class="menu">
            <p>{words.end_ask}</p>
            <button type="button" class="danger" onClick={this.#act(() => desk.close())}>
              {words.end_yes}
            </button>
            <button type="button" onClick={this.#fold}>
              {words.end_no}
            </button>
          </div>
        )}
      </div>
    );
  }
}
