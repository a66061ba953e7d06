// A desk on a bench: virtual time, sockets that the test holds the other end of, storage that tabs share.

import type { Clock } from "../panel/src/desk/clock.ts";
import { Desk } from "../panel/src/desk/desk.ts";
import type { Socket } from "../panel/src/desk/link.ts";
import { memory_storage, type Storage } from "../panel/src/desk/storage.ts";
import type { Turnstile } from "../panel/src/desk/turnstile.ts";
import { decode, encode } from "../panel/src/wire/codec.ts";
import { from_hex, to_hex } from "../panel/src/wire/id.ts";
import { ClientFrame, type Draft, type Event, type Message, ServerFrame } from "../panel/src/wire/schema.ts";

export class VirtualClock implements Clock {
  #now = 1_790_000_000_000;
  #timers: { at: number; run: () => void }[] = [];
  chance = 0.5;

  now(): number {
    return this.#now;
  }

  random(): number {
    return this.chance;
  }

  after(ms: number, run: () => void): () => void {
    const timer = { at: this.#now + ms, run };
    this.#timers.push(timer);
    return () => void (this.#timers = this.#timers.filter((other) => other !== timer));
  }

  /** Lets time pass, and everything that is due in it happen in order. */
  pass(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const next = this.#timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.#now = Math.max(this.#now, next.at);
      next.run();
    }
    this.#now = end;
  }
}

export class TestSocket implements Socket {
  onopen: Socket["onopen"] = null;
  onmessage: Socket["onmessage"] = null;
  onclose: Socket["onclose"] = null;
  binaryType = "";
  closed = false;
  readonly sent: Message<typeof ClientFrame>[] = [];

  send(bytes: Uint8Array): void {
    this.sent.push(decode(ClientFrame, bytes));
  }

  close(): void {
    this.closed = true;
  }

  put(frame: Draft<typeof ServerFrame>): void {
    const bytes = encode(ServerFrame, frame);
    this.onmessage?.({ data: bytes.buffer } as MessageEvent);
  }

  /** The texts of the messages that were sent. */
  get said(): string[] {
    return this.sent.flatMap(({ send }) => (send ? [send.text] : []));
  }

  get hello() {
    return this.sent.find((frame) => frame.hello)?.hello;
  }

  ack_last(seq: number): void {
    const { send, ask_person, close, rate } = this.sent.at(-1)!;
    this.put({ ack: { id: (send ?? ask_person ?? close ?? rate)!.id, seq } });
  }

  /** The newest message is stored: its event, and its Ack. */
  store_last(seq: number): void {
    const frame = this.sent.filter(({ send }) => send).at(-1)!;
    this.put(event_of(seq, frame));
    this.put({ ack: { id: frame.send!.id, seq } });
  }

  refuse_last(code: number, retry_after_ms = 0): void {
    this.put({ error: { id: this.sent.at(-1)!.send!.id, code, retry_after_ms, message: "refused by the test" } });
  }
}

const free: Turnstile = { enter: async () => () => {}, watch: () => {} };
let tabs = 0;

export class Bench {
  readonly clock: VirtualClock;
  readonly storage: Storage;
  readonly sockets: TestSocket[] = [];
  readonly news: Event[] = [];
  /** How often something was to be drawn. */
  changes = 0;
  /** The tokens of those whom the node was to forget. */
  readonly erased: string[] = [];
  can_erase = true;
  readonly emitted: [string, unknown][] = [];
  readonly tab = `tab-${++tabs}`;
  readonly desk: Desk;

  constructor({ storage = memory_storage(), clock = new VirtualClock(), turnstile = free } = {}) {
    this.storage = storage;
    this.clock = clock;
    this.desk = new Desk({
      site: "shop",
      language: "en",
      tab: this.tab,
      clock,
      storage,
      turnstile,
      dial: () => {
        const socket = new TestSocket();
        this.sockets.push(socket);
        return socket;
      },
      handle_change: () => this.changes++,
      erase: (token) => {
        this.erased.push(token);
        return Promise.resolve(this.can_erase);
      },
      handle_news: (event) => this.news.push(event),
      emit: (name, detail) => this.emitted.push([name, detail]),
    });
  }

  get socket(): TestSocket {
    return this.sockets.at(-1)!;
  }

  /** Opens the newest socket, as the browser does, up to the hello. */
  async open(): Promise<TestSocket> {
    this.desk.link.connect();
    this.socket.onopen?.(undefined as never);
    await settled();
    return this.socket;
  }

  /** Opens the newest socket and welcomes it. */
  async meet({ visitor = "v1", conversation = 1, head = 0, reset = false } = {}): Promise<TestSocket> {
    const socket = await this.open();
    const token = `token-${visitor}`;
    const opened = { conversation, head, reset };
    socket.put({ welcome: { visitor, token, now_ms: this.clock.now(), max_text_bytes: 4_000, opened } });
    return socket;
  }

  drop(code = 1006): void {
    this.socket.onclose?.({ code } as CloseEvent);
  }

  /** The browser calls this when another tab has changed a value. */
  changed(key: string): void {
    this.desk.handle_storage(key);
  }
}

/** Lets promises that are kept already be heard. */
export const settled = async (): Promise<void> => {
  for (let i = 0; i < 10; i++) await Promise.resolve();
};

/** The event that a Send becomes. */
export const event_of = (seq: number, frame: Message<typeof ClientFrame>): Draft<typeof ServerFrame> => ({
  event: { seq, at_ms: 1, visitor_message: { id: frame.send!.id, text: frame.send!.text } },
});

export const hex = to_hex;
export const bytes = from_hex;
