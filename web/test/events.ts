// Events as a node would send them.

import { decode, encode } from "../panel/src/wire/codec.ts";
import { from_hex } from "../panel/src/wire/id.ts";
import { type Draft, Event } from "../panel/src/wire/schema.ts";

const event = (draft: Draft<typeof Event>): Event => decode(Event, encode(Event, { at_ms: 1_000, ...draft }));

export const id_of = (n: number): string => n.toString(16).padStart(32, "0");

export const visitor_message = (seq: number, text: string, id = id_of(seq)): Event =>
  event({ seq, visitor_message: { id: from_hex(id), text } });

export const answer = (seq: number, turn: number, text: string, end = 1, offer_person = false): Event =>
  event({ seq, answer: { turn, text, end, offer_person } });

export const handover = (seq: number, reason = 1, text = ""): Event => event({ seq, handover: { reason, text } });

export const assigned = (seq: number, agent: string): Event => event({ seq, assigned: { agent } });

export const agent_message = (seq: number, agent: string, text: string): Event =>
  event({ seq, agent_message: { agent, text, id: from_hex(id_of(seq)) } });

export const closed = (seq: number, by = 1): Event => event({ seq, closed: { by } });
