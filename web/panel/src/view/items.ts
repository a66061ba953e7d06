// What the transcript shows, from what the desk holds.

import type { Desk } from "../desk/desk.ts";
import { unanswered } from "../desk/fold.ts";
import type { Entry, EntryState } from "../desk/outbox.ts";
import { to_hex } from "../wire/id.ts";
import { AnswerEnd, ClosedBy, type Event, HandoverReason, type Source } from "../wire/schema.ts";

/** How an answer ended, or that it has not. */
export type AnswerState = "writing" | "complete" | "stopped" | "interrupted" | "fallback" | "intent";
export type LineKind = "asked" | "handed_over" | "joined" | "ended" | "closed_by_visitor";

interface Common {
  readonly key: string;
  /** Unix milliseconds by this computer's clock. 0: not yet known. */
  readonly at: number;
  /** The first and the last of what one speaker says in a row. */
  readonly first: boolean;
  readonly last: boolean;
}

export interface VisitorItem extends Common {
  readonly kind: "visitor";
  readonly id: string;
  readonly text: string;
  readonly state: EntryState;
  /** When a delayed one is sent again. */
  readonly until: number;
  /** Why a failed one failed. */
  readonly code: number;
}

export interface AnswerItem extends Common {
  readonly kind: "assistant";
  readonly text: string;
  readonly state: AnswerState;
  readonly offer: boolean;
  /** What it rests on. */
  readonly sources: readonly Source[];
  /** What the visitor may say next, to tap. */
  readonly choices: readonly string[];
}

export interface AgentItem extends Common {
  readonly kind: "agent";
  readonly agent: string;
  readonly text: string;
}

export interface LineItem extends Common {
  readonly kind: "line";
  readonly line: LineKind;
  readonly agent: string;
}

export type Item = VisitorItem | AnswerItem | AgentItem | LineItem;
type Draft = Item extends infer I ? (I extends Item ? Omit<I, "first" | "last"> : never) : never;

/** Whether the site has written the answer, and no model. */
export const automatic = (state: AnswerState): boolean => state === "intent" || state === "fallback";

const STATES: readonly AnswerState[] = ["complete", "complete", "stopped", "interrupted", "fallback", "intent"];
const NONE: readonly never[] = [];
/** What one speaker says within this time looks like one turn of speech. */
const GROUP_MS = 5 * 60_000;

type Shown = Pick<Desk, "log" | "outbox" | "writing" | "standing" | "skew_ms">;

export function items(desk: Shown): Item[] {
  const { events } = desk.log;
  const begun = beginning(desk);
  const drafts: Draft[] = [];
  if (!begun) {
    const answers = new Map(
      events.flatMap((event) => (event.answer ? [[event.answer.turn, event] as const] : [])),
    );
    for (const event of events) {
      if (event.handover?.text) drafts.push(of_last_words(event, desk.skew_ms));
      const draft = of_event(event, desk.skew_ms);
      if (draft) drafts.push(draft);
      // An answer to what is no message of the visitor's stands where it came.
      if (event.answer && !events[event.answer.turn - 1]?.visitor_message) drafts.push(of_answer(event, desk.skew_ms));
      // An answer stands under the message it answers, while it is written and after: it never moves.
      const answer = event.visitor_message && answers.get(event.seq);
      if (answer) drafts.push(of_answer(answer, desk.skew_ms));
      else if (desk.writing.text && desk.writing.turn === event.seq) drafts.push(of_writing(desk));
    }
  }
  const held = new Set(drafts.map((draft) => draft.key));
  for (const entry of desk.outbox.entries) {
    const draft = of_entry(desk, entry);
    if (draft && !held.has(draft.key)) drafts.push(draft);
  }
  return drafts.map((draft, i) => grouped(draft, drafts[i - 1], drafts[i + 1]));
}

/** Whether the visitor has asked for the next conversation, which the node has not opened yet. */
export const beginning = (desk: Pick<Desk, "log" | "outbox">): boolean =>
  desk.outbox.entries.some(
    ({ command }) => command.kind === "begin" && command.after >= desk.log.conversation,
  );

/** Whether the assistant owes an answer of which nothing is to be seen. */
export const thinking = (desk: Shown): boolean => unanswered(desk.standing) && !desk.writing.text && !beginning(desk);

function of_event(event: Event, skew_ms: number): Draft | undefined {
  const at = event.at_ms - skew_ms;
  const key = `event-${event.seq}`;
  const line = (line: LineKind, agent = ""): Draft => ({ kind: "line", key, at, line, agent });
  const { visitor_message, agent_message, handover, assigned, closed } = event;
  if (visitor_message) {
    const id = to_hex(visitor_message.id);
    return { kind: "visitor", key: id, id, at, text: visitor_message.text, state: "stored", until: 0, code: 0 };
  }
  if (agent_message) return { kind: "agent", key, at, agent: agent_message.agent, text: agent_message.text };
  if (handover) return line(handover.reason === HandoverReason.visitor_asked ? "asked" : "handed_over");
  if (assigned?.agent) return line("joined", assigned.agent);
  if (closed) return line(closed.by === ClosedBy.visitor ? "closed_by_visitor" : "ended");
  return undefined;
}

function of_answer(event: Event, skew_ms: number): Draft {
  // A log that an older panel kept knows of no choices.
  const { turn, text, end, offer_person, sources, choices = NONE } = event.answer!;
  const state = STATES[end] ?? "complete";
  const offer = offer_person || end === AnswerEnd.fallback;
  return { kind: "assistant", key: `turn-${turn}`, at: event.at_ms - skew_ms, text, state, offer, sources, choices };
}

/** What the assistant said before people took over: by a rule, the site's own words. */
function of_last_words({ seq, at_ms, handover }: Event, skew_ms: number): Draft {
  const { reason, text } = handover!;
  const state = reason === HandoverReason.rule ? "intent" : "complete";
  const at = at_ms - skew_ms;
  return { kind: "assistant", key: `words-${seq}`, at, text, state, offer: false, sources: NONE, choices: NONE };
}

function of_writing({ writing: { turn, text } }: Shown): Draft {
  return { kind: "assistant", key: `turn-${turn}`, at: 0, text, state: "writing", offer: false, sources: NONE, choices: NONE };
}

function of_entry({ outbox }: Shown, entry: Entry): Draft | undefined {
  if (entry.command.kind !== "send") return undefined;
  return {
    kind: "visitor",
    key: entry.id,
    id: entry.id,
    at: entry.at,
    text: entry.command.text,
    state: outbox.state(entry),
    until: outbox.delayed_until(entry.id),
    code: entry.failed ?? 0,
  };
}

function grouped(draft: Draft, before: Draft | undefined, after: Draft | undefined): Item {
  return { ...draft, first: !together(before, draft), last: !together(draft, after) } as Item;
}

function together(a: Draft | undefined, b: Draft | undefined): boolean {
  if (!a || !b || a.kind !== b.kind || a.kind === "line") return false;
  if (a.kind === "agent" && b.kind === "agent" && a.agent !== b.agent) return false;
  if (a.kind === "assistant" && b.kind === "assistant" && automatic(a.state) !== automatic(b.state)) return false;
  return !a.at || !b.at || b.at - a.at < GROUP_MS;
}
