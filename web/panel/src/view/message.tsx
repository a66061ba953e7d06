// One message of the transcript.

import { Component } from "preact";
import type { Desk } from "../desk/desk.ts";
import { Icon } from "./icons.tsx";
import { type AgentItem, type AnswerItem, automatic, type Item, type LineItem, type VisitorItem } from "./items.ts";
import { Link, Markdown } from "./markdown.tsx";
import type { Strings } from "./strings.ts";

interface MessageProps {
  readonly item: Item;
  readonly desk: Desk;
  readonly words: Strings;
  readonly language: string;
  /** Whether a message that waits does so because there is no connection. */
  readonly offline: boolean;
  /** Seconds until a delayed message is sent again. */
  readonly left: number;
  /** A person can still be asked for, and this is the newest answer. */
  readonly may_ask: boolean;
  /** Nothing has been said since. */
  readonly may_choose: boolean;
}

export class Message extends Component<MessageProps> {
  override shouldComponentUpdate(next: MessageProps): boolean {
    const { item, ...rest } = this.props;
    return differs(item, next.item) || differs(rest, next);
  }

  override render(props: MessageProps) {
    switch (props.item.kind) {
      case "visitor":
        return <FromVisitor {...props} item={props.item} />;
      case "assistant":
        return <FromAssistant {...props} item={props.item} />;
      case "agent":
        return <FromAgent {...props} item={props.item} />;
      case "line":
        return <Line {...props} item={props.item} />;
    }
  }
}

const differs = (a: object, b: object): boolean =>
  Object.entries(a).some(([name, value]) => (b as Record<string, unknown>)[name] !== value);

type Of<I> = Omit<MessageProps, "item"> & { item: I };

const classes = (who: string, { first, last }: Item): string =>
  `message ${who}${first ? " first" : ""}${last ? " last" : ""}`;

function FromVisitor({ item, desk, words, language, offline, left }: Of<VisitorItem>) {
  const { id, text, state } = item;
  const failed = state === "failed";
  return (
    <div class={`${classes("visitor", item)} ${state}`}>
      <span class="hide">{words.you}: </span>
      <div class="bubble-text plain" dir="auto">
        {text}
      </div>
      {failed ? (
        <div class="below failure">
          <span>
            <Icon name="alert" /> {words.failed}. {words[item.code] ?? words.error}
          </span>
          <button type="button" class="text-button" onClick={() => desk.retry(id)}>
            {words.retry}
          </button>
          <button type="button" class="text-button quiet" onClick={() => desk.discard(id)}>
            {words.discard}
          </button>
        </div>
      ) : (
        (item.last || state !== "stored") && (
          <div class="below">
            {state === "stored" ? (
              <>
                {time(item.at, language)}
                <Icon name="check" />
                <span class="hide">{words.sent}</span>
              </>
            ) : (
              <>
                {state === "delayed" && left > 0 ? (
                  words.delayed(left)
                ) : (
                  <span class={offline && item.last ? "" : "hide"}>{offline ? words.queued : words.sending}</span>
                )}
                <Icon name="clock" />
              </>
            )}
          </div>
        )
      )}
    </div>
  );
}

/** How an answer ended that is not whole, and its picture. */
const MARKS: Readonly<Record<string, "stop" | "alert">> = { stopped: "stop", interrupted: "alert" };

function FromAssistant({ item, desk, words, language, may_ask, may_choose }: Of<AnswerItem>) {
  const { text, state } = item;
  const mark = MARKS[state];
  return (
    <div class={`${classes("assistant", item)} ${state}`}>
      {item.first && <Speaker words={words} automatic={automatic(state)} />}
      {text ? (
        <div class="bubble-text">
          <Markdown text={text} open={state === "writing"} words={words} />
          {item.sources.length > 0 && (
            <ul class="sources" aria-label={words.sources}>
              {item.sources.slice(0, 3).map(({ title, url }) => (
                <li dir="auto">
                  <Link to={url} words={words}>
                    {title}
                  </Link>
                </li>
              ))}
            </ul>
          )}
        </div>
      ) : (
        <p class="aside">{mark === "stop" ? words.stopped_empty : words.interrupted}</p>
      )}
      {text && mark && (
        <p class="aside">
          <Icon name={mark} fill={mark === "stop"} />
          {words[state as "stopped"]}
        </p>
      )}
      {item.choices.length > 0 && may_choose && (
        <ul class="choices" aria-label={words.choices}>
          {item.choices.slice(0, 3).map((text) => (
            <li key={text}>
              <button type="button" onClick={() => desk.send(text)}>
                <span dir="auto">{text}</span>
                <Icon name="go" />
              </button>
            </li>
          ))}
        </ul>
      )}
      {item.offer && may_ask && (
        <button type="button" class="offer" onClick={() => desk.ask_person()}>
          <Icon name="person" />
          {words.talk}
        </button>
      )}
      {item.last && item.at > 0 && <div class="below">{time(item.at, language)}</div>}
    </div>
  );
}

/** Who speaks, and whether a model has written it or the site: one mark. */
export const Speaker = ({ words, automatic }: { words: Strings; automatic?: boolean }) => (
  <div class="speaker">
    <span class="face small">
      <Icon name="spark" fill />
    </span>
    {words.assistant}
    <span class="tag">{automatic ? words.automatic : words.ai}</span>
  </div>
);

function FromAgent({ item, language }: Of<AgentItem>) {
  return (
    <div class={classes("agent", item)}>
      {item.first && (
        <div class="speaker">
          <span class="face small person" aria-hidden="true">
            {initial(item.agent)}
          </span>
          {item.agent}
        </div>
      )}
      <div class="bubble-text plain" dir="auto">
        {item.text}
      </div>
      {item.last && <div class="below">{time(item.at, language)}</div>}
    </div>
  );
}

function Line({ item: { line, agent }, words }: Of<LineItem>) {
  return (
    <p class="line">
      <span>{line === "joined" ? words.joined(agent) : words[line]}</span>
    </p>
  );
}

export const initial = (name: string): string => [...name.trim()][0]?.toUpperCase() ?? "";

/** The time of day, with the date if that is not today's. */
function time(at: number, language: string) {
  const date = new Date(at);
  const today = date.toDateString() === new Date().toDateString();
  const day = today ? {} : ({ day: "numeric", month: "short" } as const);
  return (
    <time dateTime={date.toISOString()}>
      {new Intl.DateTimeFormat(local(language), { hour: "numeric", minute: "2-digit", ...day }).format(date)}
    </time>
  );
}

/** The visitor's own way of the language, where there is one: it decides between 2:05 PM and 14:05. */
const local = (language: string): string =>
  navigator.languages.find((tag) => tag.split("-")[0] === language.split("-")[0]) ?? language;
