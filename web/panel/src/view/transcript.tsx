// The scrolling part: greeting, messages, what is going on, and the way back to the end.

import { Component, type ComponentChildren, createRef } from "preact";
import { Icon } from "./icons.tsx";
import type { Strings } from "./strings.ts";

interface TranscriptProps {
  readonly words: Strings;
  /** How many messages there are, and of these how many from the visitor: a new one of the visitor's is always shown. */
  readonly count: number;
  readonly own: number;
  readonly shown: boolean;
  readonly children: ComponentChildren;
}

/** As near to the end as this, the view goes with it. */
const NEAR_PX = 100;

export class Transcript extends Component<TranscriptProps, { behind: boolean }> {
  override state = { behind: false };
  readonly #scroller = createRef<HTMLDivElement>();
  readonly #content = createRef<HTMLDivElement>();
  readonly #sizes = new ResizeObserver(() => this.#follow());
  #stuck = true;

  override componentDidMount(): void {
    this.#sizes.observe(this.#scroller.current!);
    this.#sizes.observe(this.#content.current!);
    this.#follow();
  }

  override componentWillUnmount(): void {
    this.#sizes.disconnect();
  }

  override componentDidUpdate(before: TranscriptProps): void {
    const { count, own, shown } = this.props;
    // A greeting is read from its beginning.
    if (count === 0 && before.count > 0) this.#scroller.current!.scrollTop = 0;
    if (own > before.own || (shown && !before.shown)) this.#stuck = true;
    else if (count > before.count && !this.#stuck) this.setState({ behind: true });
    this.#follow();
  }

  #follow(): void {
    const scroller = this.#scroller.current;
    if (this.#stuck && scroller && this.props.count > 0) scroller.scrollTop = scroller.scrollHeight;
  }

  readonly #scrolled = () => {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller.current!;
    if (clientHeight === 0) return;
    this.#stuck = scrollHeight - scrollTop - clientHeight <= NEAR_PX;
    if (this.#stuck && this.state.behind) this.setState({ behind: false });
  };

  readonly #jump = () => {
    this.#stuck = true;
    this.setState({ behind: false });
    this.#follow();
    this.#scroller.current!.focus();
  };

  override render({ words, children }: TranscriptProps) {
    return (
      <div class="middle">
        <div
          class="scroll"
          ref={this.#scroller}
          onScroll={this.#scrolled}
          tabIndex={0}
          role="log"
          aria-live="off"
          aria-label={words.messages}
        >
          <div class="content" ref={this.#content}>
            {children}
          </div>
        </div>
        {this.state.behind && (
          <button type="button" class="jump" onClick={this.#jump}>
            <Icon name="down" />
            {words.jump}
          </button>
        )}
      </div>
    );
  }
}
