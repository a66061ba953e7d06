// One connection to the node, kept up: dial, hello, notice silence, come back. It knows frames only as far as that
// needs; what they mean is the desk's business.

import { backoff_ms } from "../wire/backoff.ts";
import { after_close } from "../wire/closing.ts";
import { decode, encode } from "../wire/codec.ts";
import { ClientFrame, type Hello, ServerFrame } from "../wire/schema.ts";
import type { Clock } from "./clock.ts";

/** The part of a WebSocket that is used. */
export interface Socket {
  onopen: ((event: never) => void) | null;
  onmessage: ((event: MessageEvent) => void) | null;
  onclose: ((event: CloseEvent) => void) | null;
  binaryType: string;
  send(bytes: Uint8Array<ArrayBuffer>): void;
  close(): void;
}

export interface Greeting {
  readonly hello: Hello;
  /** Called once the node has answered, or will not. */
  done(): void;
}

export interface LinkPorts {
  dial(): Socket;
  /** What to say first; asked anew for each connection. */
  greet(): Promise<Greeting>;
  handle_frame(frame: ServerFrame): void;
  /** The node does not take the token. */
  handle_token_refused(): void;
  /** `state` is another. */
  handle_change(): void;
}

export type LinkState =
  | { readonly kind: "idle" }
  | { readonly kind: "connecting" }
  | { readonly kind: "open" }
  /** Comes back by itself at `until`, Unix milliseconds. */
  | { readonly kind: "waiting"; readonly until: number }
  /** Comes back when the page says who the visitor is. */
  | { readonly kind: "unidentified"; readonly code: number }
  /** Does not come back. */
  | { readonly kind: "refused"; readonly code: number };

const QUIET_MS = 25_000;
const PONG_MS = 10_000;
const WELCOME_MS = 15_000;
/** A connection that lasted this long was a good one: the wait before the next try starts small again. */
const GOOD_MS = 5_000;
/** A node that restarts as planned sends its visitors away for 1.5 seconds at most; whoever is back by then need not know. */
const SHORT_BREAK_MS = 2_500;
/** As the browser calls a connection that ended without a close frame. */
const ABNORMAL = 1006;

export class Link {
  state: LinkState = { kind: "idle" };
  /** It broke, or never came about, and that is no short break any more: worth telling. */
  lost = false;

  #socket: Socket | undefined;
  #greeting: Greeting | undefined;
  #failures = 0;
  #welcomed_at = 0;
  #told_ms = 0;
  #cancel = () => {};
  #cancel_break: (() => void) | undefined;

  constructor(
    private readonly ports: LinkPorts,
    private readonly clock: Clock,
  ) {}

  /** Connects, unless it is connected, connecting, or was told to stay away. */
  connect(): void {
    if (this.state.kind !== "idle" && this.state.kind !== "waiting") return;
    this.#dial();
  }

  /** Connects anew at once, whatever was: the cursor or the identity has changed. */
  restart(): void {
    const quick = this.#welcomed_at > 0 && this.clock.now() - this.#welcomed_at >= GOOD_MS;
    this.#release();
    if (quick) this.#failures = 0;
    if (this.#failures === 0) {
      this.#failures++;
      this.#dial();
    } else {
      this.#wait(backoff_ms(this.#failures++, this.clock.random()));
    }
  }

  /** Connects anew after the page said who the visitor is. */
  identify(): void {
    if (this.state.kind === "idle" || this.state.kind === "refused") return;
    this.#release();
    this.#failures = 0;
    this.#dial();
  }

  stop(): void {
    this.#release();
    this.#become({ kind: "idle" });
  }

  /** Asks whether the other side is still there; no answer in time counts as a drop. While waiting, tries at once. */
  check(): void {
    if (this.state.kind === "waiting") this.connect();
    else if (this.state.kind === "open") this.#ping();
  }

  /** Sends a frame; false if there is no connection that has been welcomed. */
  send(frame: ClientFrame): boolean {
    if (this.state.kind !== "open" || this.#told_ms > 0) return false;
    this.#socket?.send(encode(ClientFrame, frame));
    return true;
  }

  #dial(): void {
    this.#welcomed_at = 0;
    this.#told_ms = 0;
    this.#become({ kind: "connecting" });
    let socket: Socket;
    try {
      socket = this.ports.dial();
    } catch {
      this.#wait(backoff_ms(this.#failures++, this.clock.random()));
      return;
    }
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => void this.#greet(socket);
    socket.onmessage = (message) => this.#receive(message.data);
    socket.onclose = (event) => this.#closed(event.code);
    this.#cancel = this.clock.after(WELCOME_MS, () => this.#closed(ABNORMAL));
  }

  async #greet(socket: Socket): Promise<void> {
    const greeting = await this.ports.greet();
    if (socket !== this.#socket) {
      greeting.done();
      return;
    }
    this.#greeting = greeting;
    socket.send(encode(ClientFrame, { hello: greeting.hello }));
  }

  #receive(data: unknown): void {
    let frame: ServerFrame;
    try {
      frame = decode(ServerFrame, new Uint8Array(data as ArrayBuffer));
    } catch {
      // What cannot be read may have been an event: the cursor gets it again.
      this.restart();
      return;
    }
    if (frame.go_away) this.#told_ms = Math.max(1, frame.go_away.retry_after_ms);
    if (frame.welcome) {
      this.#welcomed_at = this.clock.now();
      this.#become({ kind: "open" });
    }
    this.#listen();
    this.ports.handle_frame(frame);
    if (frame.welcome) this.#greeted();
  }

  #listen(): void {
    if (this.state.kind !== "open") return;
    this.#cancel();
    this.#cancel = this.clock.after(QUIET_MS, () => this.#ping());
  }

  #ping(): void {
    this.#cancel();
    this.#socket?.send(encode(ClientFrame, { ping: {} }));
    this.#cancel = this.clock.after(PONG_MS, () => this.#closed(ABNORMAL));
  }

  #closed(code: number): void {
    const now = this.clock.now();
    if (this.#welcomed_at > 0 && now - this.#welcomed_at >= GOOD_MS) this.#failures = 0;
    const told_ms = this.#told_ms;
    this.#release();
    const way = after_close(code);
    if (way === "never") return this.#become({ kind: "refused", code });
    if (way === "identified") return this.#become({ kind: "unidentified", code });
    if (way === "anew") {
      this.ports.handle_token_refused();
      // Once at once; a node that refuses an empty token too would be asked in a tight loop.
      if (this.#failures++ === 0) return this.#dial();
    }
    const wait_ms = backoff_ms(way === "anew" ? this.#failures : this.#failures++, this.clock.random());
    this.#wait(told_ms > 0 ? told_ms : wait_ms);
  }

  #wait(ms: number): void {
    this.#cancel = this.clock.after(ms, () => this.#dial());
    this.#become({ kind: "waiting", until: this.clock.now() + ms });
  }

  #release(): void {
    this.#cancel();
    this.#cancel = () => {};
    this.#greeted();
    const socket = this.#socket;
    this.#socket = undefined;
    this.#told_ms = 0;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  #greeted(): void {
    this.#greeting?.done();
    this.#greeting = undefined;
  }

  #become(state: LinkState): void {
    const { kind } = state;
    if (kind === "waiting" || (kind === "connecting" && this.state.kind === "open")) {
      this.#cancel_break ??= this.clock.after(SHORT_BREAK_MS, () => {
        this.lost = true;
        this.ports.handle_change();
      });
    } else if (kind !== "connecting") {
      this.#cancel_break?.();
      this.#cancel_break = undefined;
      this.lost = false;
    }
    this.state = state;
    this.ports.handle_change();
  }
}
