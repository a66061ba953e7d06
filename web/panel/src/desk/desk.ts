// The visitor's side of a conversation: the log's copy, the outbox, the answer being written and the connection, put
// together. It draws nothing; whoever shows it is told of changes.

import { new_id, from_hex, to_hex } from "../wire/id.ts";
import {
  type ClientFrame,
  type Delta,
  type Event,
  ErrorCode,
  type Opened,
  type Refusal,
  type ServerFrame,
  type Welcome,
} from "../wire/schema.ts";
import type { Clock } from "./clock.ts";
import { fold, type Standing, unanswered } from "./fold.ts";
import { type Greeting, Link, type Socket } from "./link.ts";
import { Log } from "./log.ts";
import { keep_log, recall_log } from "./memory.ts";
import { type Command, type Entry, Outbox } from "./outbox.ts";
import { read_json, type Storage } from "./storage.ts";
import type { Turnstile } from "./turnstile.ts";
import { nothing, write, type Writing } from "./writing.ts";

export interface DeskPorts {
  readonly site: string;
  readonly language: string;
  readonly tab: string;
  readonly clock: Clock;
  readonly storage: Storage;
  readonly turnstile: Turnstile;
  dial(): Socket;
  /** Something that is shown has changed. */
  handle_change(): void;
  /** Has the node forget everything that the visitor with this token said. False: it could not. */
  erase(token: string): Promise<boolean>;
  /** An event came that is no history. */
  handle_news(event: Event): void;
  emit(name: "ready" | "error", detail: unknown): void;
}

interface Kept {
  readonly token: string;
  readonly visitor: string;
}

const KEEP_MS = 300;
/** An Ack or an Error answers every command; without one for this long the connection is not what it seems. */
const ACK_MS = 20_000;
const MAX_TEXT_BYTES = 4_000;

export class Desk {
  readonly log = new Log();
  readonly outbox: Outbox;
  readonly link: Link;
  writing: Writing = nothing;
  standing: Standing = fold([]);
  max_text_bytes = MAX_TEXT_BYTES;
  /** The node's clock less this computer's, in milliseconds. */
  skew_ms = 0;
  /** The last refusal that belongs to no message; until the visitor does the next thing. */
  notice: number | undefined;
  /** A node has spoken since the page was loaded. */
  met = false;

  #identity = "";
  #sent_token = "";
  #sent_after = 0;
  #in_flight = "";
  #stop: { id: string; turn: number } | undefined;
  /** Events up to here were there before the page was: history, no news. */
  #history = 0;
  /** What was held when the node said reset, until the log is here anew. */
  #before: readonly Event[] = [];
  #cancel_wake = () => {};
  #cancel_keep: (() => void) | undefined;
  #cancel_ack = () => {};

  constructor(private readonly ports: DeskPorts) {
    this.outbox = new Outbox(ports.storage, ports.tab);
    this.link = new Link(
      {
        dial: () => ports.dial(),
        greet: () => this.#greet(),
        handle_frame: (frame) => this.#handle_frame(frame),
        handle_token_refused: () => this.#drop_token(),
        handle_change: () => this.#handle_link(),
      },
      ports.clock,
    );
    this.writing = recall_log(ports.storage, this.log);
    this.#history = this.log.after;
    this.standing = fold(this.log.events);
  }

  get stopping(): boolean {
    return this.#stop !== undefined;
  }

  send(text: string): void {
    this.#command({ kind: "send", text });
  }

  ask_person(): void {
    this.#command({ kind: "ask_person" });
  }

  close(): void {
    this.#command({ kind: "close" });
  }

  rate(score: number, comment: string): void {
    this.#command({ kind: "rate", score, comment });
  }

  /** Starts the next conversation after this one was closed. */
  begin(): void {
    this.#command({ kind: "begin", after: this.log.conversation });
  }

  /** Ends the answer that is being written. It does not wait in line behind messages. */
  stop(): void {
    if (!unanswered(this.standing) || this.#stop) return;
    this.#stop = { id: new_id(), turn: this.writing.turn || this.standing.asked };
    this.#send_stop();
    this.ports.handle_change();
  }

  /** Sends a refused message again; into a new conversation if the old one is closed. */
  retry(id: string): void {
    if (this.standing.owner === "nobody") {
      const after = this.log.conversation;
      if (this.#next === after) this.outbox.add({ kind: "begin", after }, new_id(), this.ports.clock.now(), after);
    }
    this.outbox.retry(id, new_id(), this.ports.clock.now(), this.#next);
    this.#flush();
    this.ports.handle_change();
  }

  discard(id: string): void {
    this.outbox.drop(id);
    this.#flush();
    this.ports.handle_change();
  }

  identify(jwt: string): void {
    if (jwt === this.#identity) return;
    this.#identity = jwt;
    this.link.identify();
  }

  /** Forgets the visitor: token, messages, everything that is kept. */
  logout(): void {
    this.link.stop();
    this.#identity = "";
    this.#forget();
  }

  /** Has everything that the visitor said deleted, here and there, and starts anew. */
  async erase(): Promise<void> {
    const token = this.#kept()?.token ?? "";
    // The node closes the connections of whom it forgets; this one is to come back as somebody else.
    this.link.stop();
    this.notice = undefined;
    if (await this.ports.erase(token)) this.#forget();
    else this.notice = ErrorCode.unspecified;
    this.link.connect();
  }

  #forget(): void {
    this.#cancel_keep?.();
    this.#cancel_keep = undefined;
    this.outbox.clear();
    for (const key of this.ports.storage.keys()) this.ports.storage.delete(key);
    this.#drop_log();
    this.ports.handle_change();
  }

  /** Another tab has changed a value. */
  handle_storage(key: string): void {
    const next = this.#next;
    if (this.outbox.storage_changed(key)) {
      // Another tab has begun the next conversation, or was refused: only the node knows where the visitor is now.
      const { kind } = this.link.state;
      if (this.#next < next && (kind === "open" || kind === "connecting")) this.link.restart();
      this.outbox.entries.filter((entry) => this.log_has(entry.id)).forEach((entry) => this.outbox.drop(entry.id));
      // Where tabs cannot be seen, two of them would take the entry from each other for ever.
      if (this.ports.turnstile.sees_tabs) this.#watch_tabs();
      this.#flush();
    } else if (key === "token") {
      this.#handle_other_token();
    }
    this.ports.handle_change();
  }

  /** Writes what is not written yet; the page may be about to go. */
  keep(): void {
    this.#cancel_keep?.();
    this.#cancel_keep = undefined;
    if (this.log.visitor) keep_log(this.ports.storage, this.log, this.writing);
  }

  log_has(id: string): boolean {
    return this.log.events.some(
      (event) => event.visitor_message && to_hex(event.visitor_message.id) === id,
    );
  }

  #command(command: Command): void {
    this.notice = undefined;
    this.outbox.add(command, new_id(), this.ports.clock.now(), this.#next);
    this.#flush();
    this.ports.handle_change();
  }

  /** The conversation that what is said now belongs to: the next one, if it has been asked for. */
  get #next(): number {
    const { conversation } = this.log;
    return this.outbox.entries.some(({ command }) => command.kind === "begin") ? conversation + 1 : conversation;
  }

  // Hello

  async #greet(): Promise<Greeting> {
    let done = () => {};
    if (!this.#kept()) {
      done = await this.ports.turnstile.enter();
      // Another tab may have become somebody meanwhile; then this tab is the same visitor.
      if (this.#kept()) done();
    }
    const kept = this.#kept();
    if (this.log.visitor !== (kept?.visitor ?? "")) this.#drop_log();
    this.#sent_token = kept?.token ?? "";
    this.#sent_after = this.log.after;
    const { turn, run, bytes } = this.writing;
    return {
      hello: {
        site: this.ports.site,
        token: this.#sent_token,
        identity: this.#identity,
        conversation: this.log.conversation,
        after: this.log.after,
        after_at_ms: this.log.events.at(-1)?.at_ms ?? 0,
        language: this.ports.language,
        turn,
        run,
        offset: bytes,
      },
      done,
    };
  }

  #kept(): Kept | undefined {
    const kept = read_json(this.ports.storage, "token") as Partial<Kept> | undefined;
    if (typeof kept?.token !== "string" || typeof kept.visitor !== "string") return undefined;
    return { token: kept.token, visitor: kept.visitor };
  }

  #keep_token(token: string, visitor: string): void {
    this.#sent_token = token;
    this.ports.storage.set("token", JSON.stringify({ token, visitor }));
  }

  #drop_token(): void {
    // Another tab may hold a newer one already.
    if (this.#kept()?.token === this.#sent_token) this.ports.storage.delete("token");
    this.#drop_log();
  }

  #drop_log(): void {
    this.log.clear();
    this.writing = nothing;
    this.#stop = undefined;
    this.standing = fold([]);
    this.#history = 0;
    this.#before = [];
    this.ports.storage.delete("log");
  }

  #handle_other_token(): void {
    const kept = this.#kept();
    if (kept?.visitor === this.log.visitor || this.link.state.kind === "idle") return;
    if (kept || this.log.visitor) {
      this.#drop_log();
      this.link.restart();
    }
  }

  // Frames

  #handle_frame(frame: ServerFrame): void {
    if (frame.welcome) this.#handle_welcome(frame.welcome);
    else if (frame.opened) this.#handle_opened(frame.opened);
    else if (frame.event) this.#handle_event(frame.event);
    else if (frame.delta) this.#handle_delta(frame.delta);
    else if (frame.ack) this.#handle_ack(to_hex(frame.ack.id));
    else if (frame.error) this.#handle_refusal(frame.error);
    else if (frame.token) this.#keep_token(frame.token.token, this.log.visitor);
    else return;
    // While a log comes anew, what was there before stays in view.
    if (!this.#before.length) this.ports.handle_change();
  }

  #handle_welcome(welcome: Welcome): void {
    if (welcome.token) this.#keep_token(welcome.token, welcome.visitor);
    if (this.log.visitor !== welcome.visitor) {
      this.#drop_log();
      this.log.visitor = welcome.visitor;
      // The cursor that was sent spoke of somebody else's log.
      if (this.#sent_after > 0 && !welcome.opened?.reset) return this.link.restart();
    }
    this.skew_ms = welcome.now_ms - this.ports.clock.now();
    this.max_text_bytes = welcome.max_text_bytes || MAX_TEXT_BYTES;
    if (welcome.opened) this.#handle_opened(welcome.opened);
    this.#watch_tabs();
    this.#send_stop();
    this.#flush();
    if (!this.met) this.ports.emit("ready", { visitor: welcome.visitor });
    this.met = true;
  }

  #handle_opened(opened: Opened): void {
    const { conversation, events } = this.log;
    const anew = this.log.open(opened);
    // What came while the connection was away is news.
    if (anew || !this.met) this.#history = opened.head;
    if (anew) {
      this.#before = opened.head && opened.conversation === conversation ? [...this.#before, ...events] : [];
      this.writing = nothing;
      this.#stop = undefined;
      this.standing = fold([]);
      this.#keep_soon();
    }
    for (const { id, command } of this.outbox.entries) {
      if (command.kind === "begin" && command.after < opened.conversation) this.#settle(id);
    }
    for (const { id, command, conversation } of this.outbox.entries) {
      // Written in one that is over, or for one that did not come about.
      const elsewhere = conversation && (conversation < opened.conversation || conversation > this.#next);
      if (elsewhere && command.kind !== "begin" && id !== this.#in_flight) this.outbox.leave_behind(id);
    }
  }

  #handle_event(event: Event): void {
    const taken = this.log.take(event);
    if (taken === "gap") return this.link.restart();
    if (taken === "repeat") return;
    this.standing = fold(this.log.events);
    if (event.visitor_message) this.#settle(to_hex(event.visitor_message.id), true);
    if (!unanswered(this.standing) || event.answer?.turn === this.writing.turn) this.writing = nothing;
    if (this.#stop && (!unanswered(this.standing) || this.#stop.turn <= this.standing.answered)) {
      this.#stop = undefined;
    }
    this.#keep_soon();
    if (event.seq > this.#history) this.ports.handle_news(event);
    else if (event.seq === this.#history) this.#compare();
  }

  /** The node has lost what it had stored: the visitor's own words are shown as not sent. */
  #compare(): void {
    for (const { visitor_message, at_ms } of this.#before) {
      const id = visitor_message && to_hex(visitor_message.id);
      if (!id || this.log_has(id)) continue;
      this.outbox.add({ kind: "send", text: visitor_message.text }, id, at_ms, this.log.conversation);
      this.outbox.refuse(id, ErrorCode.unspecified, 0, 0);
    }
    this.#before = [];
  }

  #handle_delta(delta: Delta): void {
    if (this.standing.owner !== "assistant" || delta.turn <= this.standing.answered) return;
    this.writing = write(this.writing, delta);
  }

  #handle_ack(id: string): void {
    if (this.#stop?.id === id) return;
    this.#settle(id);
  }

  /** The node has carried out `id`. `shown`: its event is in the log. */
  #settle(id: string, shown = false): void {
    this.outbox.ack(id);
    if (shown || this.log_has(id)) this.outbox.drop(id);
    if (this.#in_flight === id) this.#in_flight = "";
    this.#flush();
  }

  #handle_refusal(refusal: Refusal): void {
    const { code, message, retry_after_ms } = refusal;
    this.ports.emit("error", { code, message });
    let id = to_hex(refusal.id);
    if (this.#stop?.id === id) {
      this.#stop = undefined;
      return;
    }
    const begin = this.outbox.find(this.#in_flight)?.command.kind === "begin";
    if (!id && begin) id = this.#in_flight;
    const entry = this.outbox.find(id);
    if (!entry) return;
    const final = this.outbox.refuse(id, code, retry_after_ms, this.ports.clock.now());
    if (this.#in_flight === id) this.#in_flight = "";
    // A conversation that is open is what Begin wanted, and a closed one is what Close wanted.
    const wanted =
      (code === ErrorCode.conversation_open && entry.command.kind === "begin") ||
      (code === ErrorCode.conversation_closed && entry.command.kind === "close");
    if (final && !wanted && entry.command.kind !== "send") this.notice = code;
    this.#flush();
  }

  // Sending

  #handle_link(): void {
    if (this.link.state.kind !== "open") {
      this.#in_flight = "";
      this.#cancel_ack();
    }
    this.ports.handle_change();
  }

  #flush(): void {
    this.#cancel_wake();
    if (this.link.state.kind !== "open" || this.#in_flight || !this.log.visitor) return;
    const now = this.ports.clock.now();
    const entry = this.outbox.next(now);
    if (entry) {
      // Another tab asks for the conversation that this belongs to.
      if (entry.conversation > this.log.conversation) return;
      if (!this.link.send(frame_of(entry))) return;
      this.#in_flight = entry.id;
      this.#cancel_ack();
      this.#cancel_ack = this.ports.clock.after(ACK_MS, () => {
        if (this.#in_flight === entry.id) this.link.restart();
      });
      return;
    }
    const wake_at = this.outbox.wake_at(now);
    if (wake_at === undefined) return;
    this.#cancel_wake = this.ports.clock.after(wake_at - now, () => {
      this.#flush();
      this.ports.handle_change();
    });
  }

  #send_stop(): void {
    if (this.#stop) this.link.send({ stop: { id: from_hex(this.#stop.id), turn: this.#stop.turn } });
  }

  #watch_tabs(): void {
    for (const tab of this.outbox.other_tabs) {
      this.ports.turnstile.watch(tab, () => {
        this.outbox.adopt(tab);
        this.#flush();
        this.ports.handle_change();
      });
    }
  }

  #keep_soon(): void {
    this.#cancel_keep ??= this.ports.clock.after(KEEP_MS, () => this.keep());
  }
}

function frame_of({ id: hex, command }: Entry): ClientFrame {
  const id = from_hex(hex);
  switch (command.kind) {
    case "send":
      return { send: { id, text: command.text } };
    case "ask_person":
      return { ask_person: { id } };
    case "close":
      return { close: { id } };
    case "rate":
      return { rate: { id, score: command.score, comment: command.comment } };
    case "begin":
      return { begin: { after_conversation: command.after } };
  }
}
