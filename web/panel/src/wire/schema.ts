// The wire of frontdesk.v1.proto, as tables: for each field its number and its kind. The codec reads these tables and
// the types follow from them, so there is one place to change. A test compares every line with the .proto file, and names
// the few things that are left out because a visitor is never sent them, or nothing here asks for them.

export type Scalar = "uint32" | "int64" | "bool" | "string" | "bytes" | "enum";
export type Field = readonly [number: number, kind: Scalar | Shape, many?: "many"];
export interface Shape {
  readonly [name: string]: Field;
}

type Value<K> = K extends "string"
  ? string
  : K extends "bytes"
    ? Uint8Array
    : K extends "bool"
      ? boolean
      : K extends Scalar
        ? number
        : K extends Shape
          ? Message<K> | undefined
          : never;

/** What decoding a shape gives: every scalar and every list is there, a message only if it was sent. */
export type Message<S extends Shape> = {
  -readonly [F in keyof S]: S[F] extends readonly [number, infer K extends Shape, "many"]
    ? readonly Message<K>[]
    : S[F] extends readonly [number, "string", "many"]
      ? readonly string[]
      : Value<S[F][1]>;
};

/** What encoding a shape takes: what is left out is not sent. */
export type Draft<S extends Shape> = {
  [F in keyof S]?: S[F] extends readonly [number, infer K extends Shape, "many"]
    ? readonly Draft<K>[]
    : S[F] extends readonly [number, "string", "many"]
      ? readonly string[]
      : S[F][1] extends Shape
      ? Draft<S[F][1]>
      : Value<S[F][1]>;
};

const shape = <const S extends Shape>(fields: S): S => fields;

export const Hello = shape({
  site: [1, "string"],
  token: [2, "string"],
  identity: [3, "string"],
  conversation: [4, "uint32"],
  after: [5, "uint32"],
  language: [6, "string"],
  turn: [7, "uint32"],
  run: [8, "uint32"],
  offset: [9, "uint32"],
  after_at_ms: [10, "int64"],
});
export const Send = shape({ id: [1, "bytes"], text: [2, "string"] });
export const Stop = shape({ id: [1, "bytes"], turn: [2, "uint32"] });
export const AskPerson = shape({ id: [1, "bytes"] });
export const Close = shape({ id: [1, "bytes"] });
export const Rate = shape({ id: [1, "bytes"], score: [2, "uint32"], comment: [3, "string"] });
export const Begin = shape({ after_conversation: [1, "uint32"] });
export const Ping = shape({});
export const Pong = shape({});

export const ClientFrame = shape({
  hello: [1, Hello],
  send: [2, Send],
  stop: [3, Stop],
  ask_person: [4, AskPerson],
  close: [5, Close],
  rate: [6, Rate],
  begin: [7, Begin],
  ping: [8, Ping],
});

export const Opened = shape({ conversation: [1, "uint32"], head: [2, "uint32"], reset: [3, "bool"] });
export const Welcome = shape({
  visitor: [1, "string"],
  token: [2, "string"],
  opened: [4, Opened],
  now_ms: [5, "int64"],
  max_text_bytes: [6, "uint32"],
});
export const Ack = shape({ id: [1, "bytes"], seq: [2, "uint32"] });

export const VisitorMessage = shape({ id: [1, "bytes"], text: [2, "string"] });
export const Source = shape({ title: [1, "string"], url: [2, "string"] });
export const Answer = shape({
  turn: [1, "uint32"],
  text: [2, "string"],
  end: [3, "enum"],
  offer_person: [4, "bool"],
  sources: [5, Source, "many"],
  choices: [6, "string", "many"],
});
// Its summary is for agents, and never sent to a visitor.
export const Handover = shape({ reason: [1, "enum"], text: [3, "string"] });
export const Assigned = shape({ agent: [1, "string"] });
export const AgentMessage = shape({ agent: [1, "string"], text: [2, "string"], id: [3, "bytes"] });
export const Closed = shape({ by: [1, "enum"] });
export const Rated = shape({ score: [1, "uint32"], comment: [2, "string"] });
export const Event = shape({
  seq: [1, "uint32"],
  at_ms: [2, "int64"],
  visitor_message: [3, VisitorMessage],
  answer: [4, Answer],
  handover: [5, Handover],
  assigned: [6, Assigned],
  agent_message: [7, AgentMessage],
  closed: [8, Closed],
  rated: [9, Rated],
});

export const Delta = shape({
  turn: [1, "uint32"],
  run: [2, "uint32"],
  offset: [3, "uint32"],
  text: [4, "string"],
});
export const Token = shape({ token: [1, "string"] });
export const GoAway = shape({ retry_after_ms: [1, "uint32"] });
export const Refusal = shape({
  code: [1, "enum"],
  message: [2, "string"],
  id: [3, "bytes"],
  retry_after_ms: [4, "uint32"],
});

export const ServerFrame = shape({
  welcome: [1, Welcome],
  ack: [2, Ack],
  event: [3, Event],
  delta: [4, Delta],
  error: [5, Refusal],
  opened: [6, Opened],
  token: [7, Token],
  go_away: [8, GoAway],
  pong: [9, Pong],
});

export type ClientFrame = Draft<typeof ClientFrame>;
export type ServerFrame = Message<typeof ServerFrame>;
export type Hello = Draft<typeof Hello>;
export type Welcome = Message<typeof Welcome>;
export type Opened = Message<typeof Opened>;
export type Source = Message<typeof Source>;
export type Event = Message<typeof Event>;
export type Delta = Message<typeof Delta>;
export type Refusal = Message<typeof Refusal>;

export const AnswerEnd = { unspecified: 0, complete: 1, stopped: 2, interrupted: 3, fallback: 4, intent: 5 } as const;
export const HandoverReason = { unspecified: 0, visitor_asked: 1, assistant: 2, rule: 3, failures: 4 } as const;
export const ClosedBy = { unspecified: 0, visitor: 1, agent: 2, site: 3 } as const;

export const ErrorCode = {
  unspecified: 0,
  malformed: 1,
  unknown_frame: 2,
  out_of_order: 3,
  frame_too_large: 4,
  invalid_id: 10,
  id_reused: 11,
  text_empty: 12,
  text_too_long: 13,
  invalid_score: 14,
  conversation_closed: 15,
  conversation_open: 16,
  conversation_full: 17,
  too_many_conversations: 18,
  site_unknown: 30,
  origin_forbidden: 31,
  token_invalid: 32,
  token_expired: 33,
  token_wrong_site: 34,
  identity_required: 35,
  identity_invalid: 36,
  rate_limited: 50,
  too_many_connections: 51,
  slow_reader: 52,
  hello_timeout: 53,
  silent: 54,
  unavailable: 70,
  draining: 71,
  internal: 72,
} as const;
