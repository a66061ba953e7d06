// What the visitor has not seen yet.

import type { Event } from "../wire/schema.ts";

/** Messages of the other side after `seen`. */
export const unread_after = (events: readonly Event[], seen: number): number =>
  events.filter((event) => event.seq > seen && (event.answer?.text || event.agent_message)).length;
