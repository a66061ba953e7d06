// What the visitor has said and the node has not yet acknowledged, in order. Each entry lies in storage under a key of
// its own, so that a reload loses nothing and two tabs never write the same value. The tab that made an entry sends it;
// the others show it. Whoever takes over a closed tab's entries may send one twice, which its id makes harmless.

import { ErrorCode } from "../wire/schema.ts";
import { read_json, type Storage } from "./storage.ts";

export type Command =
  | { readonly kind: "send"; readonly text: string }
  | { readonly kind: "ask_person" }
  | { readonly kind: "close" }
  | { readonly kind: "rate"; readonly score: number; readonly comment: string }
  | { readonly kind: "begin"; readonly after: number };

export interface Entry {
  readonly id: string;
  readonly command: Command;
  /** Unix milliseconds by this computer's clock; for show. */
  readonly at: number;
  readonly order: number;
  /** Where it was written. 0: before the first Welcome. */
  readonly conversation: number;
  readonly tab: string;
  /** The error code that refused it for good. */
  readonly failed?: number | undefined;
}

export type EntryState =
  /** Not sent, or sent and not acknowledged. */
  | "pending"
  /** Refused for now; sent again at `until`. */
  | "delayed"
  /** Stored by the node; its event is on the way. */
  | "stored"
  | "failed";

interface Progress {
  tries: number;
  until: number;
  stored: boolean;
}

const PREFIX = "out:";
const TRIES = 6;
const RETRY_MS = 1_000;
const PASSING: readonly number[] = [
  ErrorCode.rate_limited,
  ErrorCode.unavailable,
  ErrorCode.draining,
  ErrorCode.internal,
];

export class Outbox {
  #entries: Entry[] = [];
  readonly #progress = new Map<string, Progress>();

  constructor(
    private readonly storage: Storage,
    private readonly tab: string,
  ) {
    for (const key of storage.keys()) if (key.startsWith(PREFIX)) this.#read(key);
  }

  /** All entries in order, also those of other tabs and those refused. */
  get entries(): readonly Entry[] {
    return this.#entries;
  }

  /** The tabs, other than this one, that entries belong to. */
  get other_tabs(): string[] {
    return [...new Set(this.#entries.map((entry) => entry.tab))].filter((tab) => tab !== this.tab);
  }

  add(command: Command, id: string, now: number, conversation: number): Entry {
    const order = 1 + Math.max(0, ...this.#entries.map((entry) => entry.order));
    const entry: Entry = { id, command, at: now, order, conversation, tab: this.tab };
    this.#put(entry, true);
    return entry;
  }

  /** The entry that may be sent now: the oldest of this tab, alone, so that order is kept. */
  next(now: number): Entry | undefined {
    const entry = this.#waiting();
    return entry && this.#of(entry.id).until <= now ? entry : undefined;
  }

  /** When `next` may have something to give that it has not now. */
  wake_at(now: number): number | undefined {
    const entry = this.#waiting();
    const until = entry ? this.#of(entry.id).until : 0;
    return until > now ? until : undefined;
  }

  state(entry: Entry): EntryState {
    if (entry.failed !== undefined) return "failed";
    const { stored, until } = this.#of(entry.id);
    return stored ? "stored" : until > 0 ? "delayed" : "pending";
  }

  delayed_until(id: string): number {
    return this.#of(id).until;
  }

  /** The node has it. A message stays in view until its event comes; another tab must not send it again. */
  ack(id: string): void {
    const entry = this.find(id);
    if (!entry) return;
    this.storage.delete(PREFIX + id);
    if (entry.command.kind === "send") this.#of(id).stored = true;
    else this.drop(id);
  }

  /** The node refused it. True: for good. Passing refusals are tried again, a few times where no time is named. */
  refuse(id: string, code: number, retry_after_ms: number, now: number): boolean {
    const entry = this.find(id);
    if (!entry) return false;
    const progress = this.#of(id);
    progress.tries++;
    if (retry_after_ms > 0 || (PASSING.includes(code) && progress.tries < TRIES)) {
      progress.until = now + (retry_after_ms || RETRY_MS * 2 ** (progress.tries - 1));
      return false;
    }
    if (entry.command.kind === "send") this.#put({ ...entry, failed: code }, true);
    else this.drop(id);
    return true;
  }

  /** The visitor is in another conversation: it may be stored where it was written, where alone its id is known. */
  leave_behind(id: string): void {
    if (this.#of(id).stored) this.drop(id);
    else this.refuse(id, ErrorCode.conversation_closed, 0, 0);
  }

  /** Sends a refused entry again, last in line and from this tab. In another conversation it is another message. */
  retry(id: string, new_id: string, now: number, conversation: number): void {
    const entry = this.find(id);
    if (entry?.failed === undefined) return;
    const spent = entry.failed === ErrorCode.id_reused || entry.conversation !== conversation;
    this.drop(id);
    this.add(entry.command, spent ? new_id : id, now, conversation);
  }

  /** Forgets an entry: its event has come, or the visitor threw it away. */
  drop(id: string): void {
    this.storage.delete(PREFIX + id);
    this.#progress.delete(id);
    this.#entries = this.#entries.filter((entry) => entry.id !== id);
  }

  clear(): void {
    for (const entry of this.#entries) this.drop(entry.id);
  }

  /** Makes the entries of a tab that is gone this tab's own. */
  adopt(tab: string): void {
    for (const entry of this.#entries) if (entry.tab === tab) this.#put({ ...entry, tab: this.tab }, true);
  }

  /** Another tab has written or deleted a value. True: it was an entry. */
  storage_changed(key: string): boolean {
    if (!key.startsWith(PREFIX)) return false;
    const id = key.slice(PREFIX.length);
    if (this.storage.get(key) === null) {
      const entry = this.find(id);
      if (entry?.failed === undefined && entry?.command.kind === "send") this.#of(id).stored = true;
      else this.drop(id);
    } else {
      this.#read(key);
    }
    return true;
  }

  find(id: string): Entry | undefined {
    return this.#entries.find((entry) => entry.id === id);
  }

  #waiting(): Entry | undefined {
    return this.#entries.find(
      (entry) => entry.tab === this.tab && entry.failed === undefined && !this.#of(entry.id).stored,
    );
  }

  #of(id: string): Progress {
    let progress = this.#progress.get(id);
    if (!progress) this.#progress.set(id, (progress = { tries: 0, until: 0, stored: false }));
    return progress;
  }

  #read(key: string): void {
    const value = read_json(this.storage, key) as Entry | undefined;
    if (typeof value?.order === "number" && value.command && PREFIX + value.id === key) this.#put(value, false);
    else this.storage.delete(key);
  }

  #put(entry: Entry, keep: boolean): void {
    if (keep) this.storage.set(PREFIX + entry.id, JSON.stringify(entry));
    this.#entries = [...this.#entries.filter((other) => other.id !== entry.id), entry].sort(
      (a, b) => a.order - b.order || (a.id < b.id ? -1 : 1),
    );
  }
}
