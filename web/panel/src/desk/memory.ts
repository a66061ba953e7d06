// The log as it is kept in the browser, so that a reload shows the history at once and asks only for the rest.

import { from_hex, to_hex } from "../wire/id.ts";
import type { Event } from "../wire/schema.ts";
import type { Log } from "./log.ts";
import { read_json, type Storage } from "./storage.ts";
import { nothing, type Writing } from "./writing.ts";

const KEY = "log";
/** Longest log that is kept, in UTF-16 units. A longer one is read again from the node: half a log would be no log. */
const MAX_LENGTH = 400_000;

interface KeptLog {
  visitor: string;
  conversation: number;
  events: Event[];
  writing: Writing;
}

export function keep_log(storage: Storage, log: Log, writing: Writing): void {
  const { visitor, conversation, events } = log;
  const text = JSON.stringify({ visitor, conversation, events, writing }, (_, value) =>
    value instanceof Uint8Array ? to_hex(value) : value,
  );
  if (text.length <= MAX_LENGTH) storage.set(KEY, text);
  else storage.delete(KEY);
}

/** Fills `log` with what is kept, if it is whole, and gives the answer that was being written. */
export function recall_log(storage: Storage, log: Log): Writing {
  const kept = read_json(storage, KEY) as Partial<KeptLog> | undefined;
  const token = read_json(storage, "token") as { visitor?: string } | undefined;
  if (!kept?.visitor || kept.visitor !== token?.visitor || !Array.isArray(kept.events)) return nothing;
  if (!kept.conversation || !kept.events.every((event, i) => event?.seq === i + 1)) return nothing;
  for (const { visitor_message, agent_message } of kept.events) {
    for (const message of [visitor_message, agent_message]) {
      if (message) message.id = from_hex(String(message.id));
    }
  }
  log.visitor = kept.visitor;
  log.conversation = kept.conversation;
  log.events = kept.events;
  return typeof kept.writing?.text === "string" && !kept.writing.broken ? kept.writing : nothing;
}
