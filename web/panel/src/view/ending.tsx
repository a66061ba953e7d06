// What stands in the composer's place once a conversation is closed: a rating, and the way to the next one.

import { Component } from "preact";
import type { Desk } from "../desk/desk.ts";
import { Icon } from "./icons.tsx";
import type { Strings } from "./strings.ts";

const SCORES = [1, 2, 3, 4, 5];

export function Ending({ desk, words }: { desk: Desk; words: Strings }) {
  const sent = desk.standing.rated > 0 || desk.outbox.entries.some(({ command }) => command.kind === "rate");
  return (
    <div class="ending">
      {sent ? <p class="thanks">{words.rated}</p> : <Rating desk={desk} words={words} />}
      <button type="button" class="button" onClick={() => desk.begin()}>
        {words.start_new}
      </button>
    </div>
  );
}

interface Draft {
  readonly score: number;
  readonly comment: string;
}

interface RatingProps {
  readonly desk: Desk;
  readonly words: Strings;
}

class Rating extends Component<RatingProps, Draft> {
  override state: Draft = { score: 0, comment: "" };

  readonly #submit = (event: Event) => {
    event.preventDefault();
    this.props.desk.rate(this.state.score, this.state.comment.trim());
  };

  override render({ words }: RatingProps) {
    const { score, comment } = this.state;
    return (
      <form class="rating" onSubmit={this.#submit}>
        <fieldset>
          <legend>{words.rate_ask}</legend>
          <div class="stars">
            {SCORES.map((n) => (
              <label class={n <= score ? "on" : ""} key={n}>
                <input
                  class="hide"
                  type="radio"
                  name="frontdesk-score"
                  value={n}
                  checked={n === score}
                  onChange={() => this.setState({ score: n })}
                  aria-label={words.rate_score(n)}
                />
                <Icon name="star" />
              </label>
            ))}
          </div>
          <div class="ends" aria-hidden="true">
            <span>{words.rate_low}</span>
            <span>{words.rate_high}</span>
          </div>
        </fieldset>
        {score > 0 && (
          <>
            <textarea
              rows={2}
              value={comment}
              dir={comment ? "auto" : undefined}
              maxLength={500}
              aria-label={words.rate_comment}
              placeholder={words.rate_comment}
              onInput={(event) => this.setState({ comment: event.currentTarget.value })}
            />
            <button type="submit" class="button">
              {words.rate_send}
            </button>
          </>
        )}
      </form>
    );
  }
}
