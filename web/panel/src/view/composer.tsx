// Where the visitor writes.

import { Component, type RefObject } from "preact";
import { Icon } from "./icons.tsx";
import type { Strings } from "./strings.ts";

interface ComposerProps {
  readonly words: Strings;
  readonly max_bytes: number;
  readonly field: RefObject<HTMLTextAreaElement | null>;
  /** An answer is being written, which can be stopped, and whether that was asked for. */
  readonly writing: boolean;
  readonly stopping: boolean;
  send(text: string): void;
  stop(): void;
}

const MAX_HEIGHT_PX = 132;

export class Composer extends Component<ComposerProps, { text: string }> {
  override state = { text: "" };

  override componentDidUpdate(): void {
    const { style, scrollHeight } = fitted(this.props.field.current!);
    style.height = `${Math.min(scrollHeight, MAX_HEIGHT_PX)}px`;
  }

  readonly #submit = () => {
    if (!this.#ready) return;
    this.props.send(this.state.text.trim());
    this.setState({ text: "" });
  };

  readonly #key_down = (event: KeyboardEvent) => {
    // While an input method composes, Enter chooses a word. Safari says so only by the old key code.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    this.#submit();
  };

  get #excess(): number {
    return excess_of(this.state.text, this.props.max_bytes);
  }

  get #ready(): boolean {
    return this.state.text.trim() !== "" && this.#excess === 0;
  }

  override render({ words, field, writing, stopping, stop }: ComposerProps) {
    const { text } = this.state;
    const excess = this.#excess;
    return (
      <div class="composer">
        {excess > 0 && (
          <p class="excess" id="frontdesk-excess">
            {words.too_long(excess)}
          </p>
        )}
        <div class="field">
          <textarea
            ref={field}
            rows={1}
            value={text}
            dir={text ? "auto" : undefined}
            placeholder={words.placeholder}
            aria-label={words.message}
            aria-invalid={excess > 0}
            aria-describedby={excess > 0 ? "frontdesk-excess" : undefined}
            enterkeyhint="send"
            onInput={(event) => this.setState({ text: event.currentTarget.value })}
            onKeyDown={this.#key_down}
          />
          {writing && (
            <button type="button" class="stop" aria-disabled={stopping} onClick={stop}>
              <Icon name="stop" fill />
              {stopping ? words.stopping : words.stop}
            </button>
          )}
          <button
            type="button"
            class="send"
            aria-label={words.send}
            aria-disabled={!this.#ready}
            onClick={this.#submit}
          >
            <Icon name="send" />
          </button>
        </div>
      </div>
    );
  }
}

/** Lets the field shrink before it is measured. */
function fitted(area: HTMLTextAreaElement): HTMLTextAreaElement {
  area.style.height = "auto";
  return area;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** How many characters a text has too many for a limit in bytes. */
export function excess_of(text: string, max_bytes: number): number {
  const bytes = encoder.encode(text.trim());
  if (bytes.length <= max_bytes) return 0;
  return Math.max(1, [...decoder.decode(bytes.slice(max_bytes))].length);
}
