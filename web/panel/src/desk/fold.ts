// What the log says about where a conversation stands.

import type { Event } from "../wire/schema.ts";

export interface Standing {
  /** Who speaks to the visitor. */
  readonly owner: "assistant" | "queue" | "agent" | "nobody";
  /** The agent who has it, if `owner` is "agent". */
  readonly agent: string;
  /** The newest visitor message. 0: none. */
  readonly asked: number;
  /** The newest turn with an answer. 0: none. */
  readonly answered: number;
  readonly rated: number;
}

const start: Standing = { owner: "assistant", agent: "", asked: 0, answered: 0, rated: 0 };

export function fold(events: readonly Event[]): Standing {
  return events.reduce(apply, start);
}

function apply(held: Standing, event: Event): Standing {
  if (event.visitor_message) return { ...held, asked: event.seq };
  if (event.answer) return { ...held, answered: Math.max(held.answered, event.answer.turn) };
  if (event.handover) return { ...held, owner: "queue", agent: "" };
  if (event.assigned) {
    const { agent } = event.assigned;
    return { ...held, owner: agent ? "agent" : "queue", agent };
  }
  if (event.agent_message) return { ...held, owner: "agent", agent: event.agent_message.agent };
  if (event.closed) return { ...held, owner: "nobody" };
  if (event.rated) return { ...held, rated: event.rated.score };
  return held;
}

/** Whether a visitor message still waits for the assistant. */
export const unanswered = (standing: Standing): boolean =>
  standing.owner === "assistant" && standing.asked > standing.answered;
