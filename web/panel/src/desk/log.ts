// The client's copy of the conversation's log, and the cursor by which it is delivered.

import type { Event, Opened } from "../wire/schema.ts";

export type Taken = "next" | "repeat" | "gap";

export class Log {
  /** Whose log it is; another visitor's conversation may have the same number. */
  visitor = "";
  conversation = 0;
  /** Event n is at index n−1. */
  events: Event[] = [];

  /** The last seq held. */
  get after(): number {
    return this.events.length;
  }

  /** Appends the event if it is the next one. A gap is for the caller to fill, by connecting again. */
  take(event: Event): Taken {
    if (event.seq <= this.after) return "repeat";
    if (event.seq > this.after + 1) return "gap";
    this.events = [...this.events, event];
    return "next";
  }

  /** Takes the node's word on which conversation this is. True: what was held is dropped, and events come from 1. */
  open(opened: Opened): boolean {
    const fits = !opened.reset && opened.conversation === this.conversation;
    this.conversation = opened.conversation;
    if (!fits) this.events = [];
    return !fits;
  }

  clear(): void {
    this.visitor = "";
    this.conversation = 0;
    this.events = [];
  }
}
