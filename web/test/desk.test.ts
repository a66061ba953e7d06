import { describe, expect, it } from "vitest";
import { memory_storage } from "../panel/src/desk/storage.ts";
import type { Turnstile } from "../panel/src/desk/turnstile.ts";
import { items } from "../panel/src/view/items.ts";
import { unread_after } from "../panel/src/view/unread.ts";
import { ErrorCode } from "../panel/src/wire/schema.ts";
import { Bench, event_of } from "./bench.ts";
import { agent_message, answer, assigned, closed, handover, visitor_message } from "./events.ts";

const texts = (bench: Bench) =>
  items(bench.desk).map((item) => (item.kind === "line" ? `-- ${item.line}` : `${item.kind}: ${item.text}`));
const states = (bench: Bench) => items(bench.desk).map((item) => (item.kind === "line" ? "" : "state" in item ? item.state : ""));

/** The visitor's messages, each with its state. */
const shown = (bench: Bench) => items(bench.desk).flatMap((item) => (item.kind === "visitor" ? `${item.text} ${item.state}` : []));

describe("sending", () => {
  it("shows a message at once and sends it when there is a connection", async () => {
    const bench = new Bench();
    bench.desk.send("hello");
    expect(texts(bench)).toEqual(["visitor: hello"]);
    expect(states(bench)).toEqual(["pending"]);
    const socket = await bench.meet();
    expect(socket.said).toEqual(["hello"]);
  });

  it("sends the next message only after the one before was acknowledged", async () => {
    const bench = new Bench();
    for (const text of ["one", "two", "three"]) bench.desk.send(text);
    const socket = await bench.meet();
    expect(socket.said).toEqual(["one"]);
    socket.ack_last(1);
    expect(socket.said).toEqual(["one", "two"]);
    socket.ack_last(2);
    expect(socket.said).toEqual(["one", "two", "three"]);
  });

  it("sends what was not acknowledged again after a reconnect, with the same id and in order", async () => {
    const bench = new Bench();
    const first = await bench.meet();
    bench.desk.send("one");
    bench.desk.send("two");
    bench.drop();
    bench.clock.pass(1_000);
    const second = await bench.meet();
    second.ack_last(1);
    expect(second.said).toEqual(["one", "two"]);
    expect(second.sent[1]!.send!.id).toEqual(first.sent[1]!.send!.id);
  });

  it("keeps what was not acknowledged over a reload", async () => {
    const before = new Bench();
    before.desk.send("one");
    before.desk.send("two");
    const turnstile: Turnstile = { enter: async () => () => {}, watch: (_, gone) => gone() };
    const after = new Bench({ storage: before.storage, turnstile });
    expect(texts(after)).toEqual(["visitor: one", "visitor: two"]);
    const socket = await after.meet();
    socket.ack_last(1);
    expect(socket.said).toEqual(["one", "two"]);
  });

  it("shows one bubble, whether the event or the ack comes first", async () => {
    for (const event_first of [true, false]) {
      const bench = new Bench();
      const socket = await bench.meet();
      bench.desk.send("one");
      const event = event_of(1, socket.sent.at(-1)!);
      if (event_first) socket.put(event);
      else socket.ack_last(1);
      expect(texts(bench)).toEqual(["visitor: one"]);
      expect(states(bench)).toEqual(["stored"]);
      if (event_first) socket.ack_last(1);
      else socket.put(event);
      expect(texts(bench)).toEqual(["visitor: one"]);
      expect(bench.storage.keys().filter((key) => key.startsWith("out:"))).toEqual([]);
    }
  });

  it("connects anew when a command gets no reply", async () => {
    const bench = new Bench();
    const socket = await bench.meet();
    bench.desk.send("one");
    for (let i = 0; i < 4; i++) {
      bench.clock.pass(5_000);
      socket.put({ pong: {} });
    }
    expect(bench.sockets.length).toBe(2);
  });

  it("sends nothing after the node said that it goes", async () => {
    const bench = new Bench();
    const socket = await bench.meet();
    socket.put({ go_away: { retry_after_ms: 2_000 } });
    bench.desk.send("one");
    expect(socket.said).toEqual([]);
    bench.drop(4000);
    bench.clock.pass(1_999);
    expect(bench.sockets.length).toBe(1);
    bench.clock.pass(1);
    expect((await bench.meet()).said).toEqual(["one"]);
  });
});

describe("a refusal", () => {
  it("for a while is waited out and the message sent again by itself, before what follows it", async () => {
    const bench = new Bench();
    const socket = await bench.meet();
    bench.desk.send("one");
    bench.desk.send("two");
    socket.refuse_last(ErrorCode.rate_limited, 3_000);
    expect(states(bench)).toEqual(["delayed", "pending"]);
    bench.clock.pass(2_999);
    expect(socket.said).toEqual(["one"]);
    bench.clock.pass(1);
    expect(socket.said).toEqual(["one", "one"]);
    expect(socket.sent.at(-1)!.send!.id).toEqual(socket.sent[1]!.send!.id);
    socket.ack_last(1);
    expect(socket.said).toEqual(["one", "one", "two"]);
  });

  it("for good keeps the text, and lets the next message go", async () => {
    const bench = new Bench();
    const socket = await bench.meet();
    bench.desk.send("one");
    bench.desk.send("two");
    socket.refuse_last(ErrorCode.text_too_long);
    expect(states(bench)).toEqual(["failed", "pending"]);
    expect(socket.said).toEqual(["one", "two"]);
    const reloaded = new Bench({ storage: bench.storage });
    expect(states(reloaded)).toEqual(["failed", "pending"]);
  });

  it("for good is tried again when the visitor says so", async () => {
    const bench = new Bench();
    const socket = await bench.meet();
    bench.desk.send("one");
    const id = bench.desk.outbox.entries[0]!.id;
    socket.refuse_last(ErrorCode.conversation_full);
    expect(states(bench)).toEqual(["failed"]);
    bench.desk.retry(id);
    expect(states(bench)).toEqual(["pending"]);
    expect(socket.said).toEqual(["one", "one"]);
  });

  it("that names no time is waited out a few times, ever longer, and then final", async () => {
    const bench = new Bench();
    await bench.meet();
    bench.desk.send("one");
    const waits: number[] = [];
    while (bench.socket.refuse_last(ErrorCode.unavailable), states(bench)[0] === "delayed") {
      waits.push(items(bench.desk).map((item) => (item.kind === "visitor" ? item.until : 0))[0]! - bench.clock.now());
      bench.clock.pass(waits.at(-1)!);
    }
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000]);
    expect(states(bench)).toEqual(["failed"]);
  });

  it("of an id gets a new id", async () => {
    const bench = new Bench();
    const socket = await bench.meet();
    bench.desk.send("one");
    const id = bench.desk.outbox.entries[0]!.id;
    socket.refuse_last(ErrorCode.id_reused);
    bench.desk.retry(id);
    expect(bench.desk.outbox.entries.map((entry) => entry.id)).not.toContain(id);
    expect(socket.said).toEqual(["one", "one"]);
  });

  it("because the conversation is closed is repaired by a new conversation", async () => {
    const bench = new Bench();
    const socket = await bench.meet();
    socket.put({ event: closed(1, 2) });
    bench.desk.send("one");
    socket.refuse_last(ErrorCode.conversation_closed);
    bench.desk.retry(bench.desk.outbox.entries[0]!.id);
    expect(socket.sent.at(-1)!.begin).toEqual({ after_conversation: 1 });
    socket.put({ opened: { conversation: 2, head: 0, reset: true } });
    expect(socket.said).toEqual(["one", "one"]);
    expect(texts(bench)).toEqual(["visitor: one"]);
  });

  it("is told to the page", async () => {
    const bench = new Bench();
    (await bench.meet()).put({ error: { code: ErrorCode.malformed, message: "no frame" } });
    expect(bench.emitted).toContainEqual(["error", { code: ErrorCode.malformed, message: "no frame" }]);
  });
});

describe("the cursor", () => {
  it("is named in the next hello, with how much of the answer there is", async () => {
    const bench = new Bench();
    const socket = await bench.meet();
    socket.put({ event: visitor_message(1, "a") });
    socket.put({ delta: { turn: 1, run: 9, offset: 0, text: "茶" } });
    bench.drop();
    bench.clock.pass(1_000);
    const { hello } = await bench.open();
    expect(hello).toMatchObject({ site: "shop", token: "token-v1", conversation: 1, after: 1, turn: 1, run: 9, offset: 3 });
  });

  it("is kept over a reload, together with the answer being written", async () => {
    const bench = new Bench();
    const socket = await bench.meet();
    socket.put({ event: visitor_message(1, "a") });
    socket.put({ delta: { turn: 1, run: 9, offset: 0, text: "half" } });
    bench.desk.keep();
    const reloaded = new Bench({ storage: bench.storage });
    expect(texts(reloaded)).toEqual(["visitor: a", "assistant: half"]);
    expect((await reloaded.open()).hello).toMatchObject({ conversation: 1, after: 1, turn: 1, run: 9, offset: 4 });
  });

  it("fills a gap by connecting again from the last event held", async () => {
    const bench = new Bench();
    const socket = await bench.meet();
    socket.put({ event: visitor_message(1, "a") });
    socket.put({ event: visitor_message(3, "c") });
    expect(socket.closed).toBe(true);
    const { hello } = await bench.open();
    expect(hello).toMatchObject({ after: 1 });
  });

  it("drops everything held when the node says reset", async () => {
    const bench = new Bench();
    (await bench.meet()).put({ event: visitor_message(1, "old") });
    bench.drop();
    bench.clock.pass(1_000);
    const socket = await bench.meet({ head: 1, reset: true });
    expect(texts(bench)).toEqual([]);
    socket.put({ event: visitor_message(1, "new") });
    expect(texts(bench)).toEqual(["visitor: new"]);
  });

  it("names the time of its newest event", async () => {
    const bench = new Bench();
    (await bench.meet()).put({ event: { ...visitor_message(1, "a"), at_ms: 1_790_000_000_123 } });
    bench.drop();
    bench.clock.pass(1_000);
    expect((await bench.open()).hello).toMatchObject({ after: 1, after_at_ms: 1_790_000_000_123 });
  });

  it("is reset in mid-connection without anything to be seen before the log is here anew", async () => {
    const bench = new Bench();
    const socket = await bench.meet();
    for (const seq of [1, 2, 3]) socket.put({ event: visitor_message(seq, `message ${seq}`) });
    const before = bench.changes;
    socket.put({ opened: { conversation: 1, head: 2, reset: true } });
    socket.put({ event: visitor_message(1, "message 1") });
    expect(bench.changes).toBe(before);
    socket.put({ event: visitor_message(2, "message 2") });
    expect(bench.changes).toBeGreaterThan(before);
    expect(texts(bench).slice(0, 2)).toEqual(["visitor: message 1", "visitor: message 2"]);
    expect(bench.news.map((event) => event.seq)).toEqual([1, 2, 3]);
  });

  it("is reset, and what was not acknowledged goes on", async () => {
    const bench = new Bench();
    const socket = await bench.meet();
    bench.desk.send("old");
    socket.ack_last(1);
    bench.desk.send("waits");
    const { id } = socket.sent.at(-1)!.send!;
    socket.put({ opened: { conversation: 1, head: 1, reset: true } });
    socket.put({ event: visitor_message(1, "old") });
    bench.drop();
    bench.clock.pass(1_000);
    const again = await bench.meet({ head: 1 });
    expect(again.sent.at(-1)!.send).toEqual({ id, text: "waits" });
  });

  it("is reset, and what the node has lost can be sent again under its id", async () => {
    const bench = new Bench();
    const socket = await bench.meet();
    bench.desk.send("kept");
    socket.store_last(1);
    bench.desk.send("lost");
    socket.store_last(2);
    const { id } = socket.sent.at(-1)!.send!;
    const kept = bench.desk.log.events[0]!;
    socket.put({ opened: { conversation: 1, head: 1, reset: true } });
    socket.put({ event: kept });
    expect(shown(bench)).toEqual(["kept stored", "lost failed"]);

    bench.desk.retry(bench.desk.outbox.entries[0]!.id);
    expect(socket.sent.at(-1)!.send).toEqual({ id, text: "lost" });
    socket.store_last(2);
    expect(shown(bench)).toEqual(["kept stored", "lost stored"]);
  });

  it("has moved to another conversation, and what was written before is not sent there by itself", async () => {
    const bench = new Bench();
    const socket = await bench.meet();
    bench.desk.send("perhaps stored");
    const { id } = socket.sent.at(-1)!.send!;
    bench.drop();
    bench.clock.pass(1_000);
    const again = await bench.meet({ conversation: 2, reset: true });
    expect(again.said).toEqual([]);
    expect(shown(bench)).toEqual(["perhaps stored failed"]);

    bench.desk.retry(bench.desk.outbox.entries[0]!.id);
    expect(again.said).toEqual(["perhaps stored"]);
    expect(again.sent.at(-1)!.send!.id).not.toEqual(id);
  });

  it("has moved to another conversation, where what is known to be stored is not shown", async () => {
    const bench = new Bench();
    const socket = await bench.meet();
    bench.desk.send("stored");
    socket.ack_last(1);
    bench.drop();
    bench.clock.pass(1_000);
    await bench.meet({ conversation: 2, reset: true });
    expect(shown(bench)).toEqual([]);
  });

  it("is not used for another visitor's log", async () => {
    const bench = new Bench();
    (await bench.meet()).put({ event: visitor_message(1, "mine") });
    bench.drop();
    bench.clock.pass(1_000);
    await bench.meet({ visitor: "v2", head: 4 });
    expect(texts(bench)).toEqual([]);
    expect((await bench.open()).hello).toMatchObject({ token: "token-v2", after: 0, conversation: 0 });
  });

  it("tells history from news", async () => {
    const bench = new Bench();
    const socket = await bench.meet({ head: 2 });
    socket.put({ event: visitor_message(1, "a") });
    socket.put({ event: answer(2, 1, "b") });
    expect(bench.news).toEqual([]);
    socket.put({ event: agent_message(3, "Mei", "c") });
    expect(bench.news.map((event) => event.seq)).toEqual([3]);
    bench.drop();
    bench.clock.pass(1_000);
    (await bench.meet({ head: 4 })).put({ event: agent_message(4, "Mei", "while away") });
    expect(bench.news.map((event) => event.seq)).toEqual([3, 4]);
  });

  it("does without a log that is damaged", () => {
    const storage = memory_storage();
    storage.set("token", JSON.stringify({ token: "t", visitor: "v1" }));
    for (const damaged of ["{", "[]", '{"visitor":"v1","conversation":1,"events":[{"seq":2}]}', '{"visitor":"v1"}']) {
      storage.set("log", damaged);
      expect(new Bench({ storage }).desk.log.after).toBe(0);
    }
  });
});

describe("an answer", () => {
  it("replaces what was streamed, and stands where it was", async () => {
    const bench = new Bench();
    const socket = await bench.meet();
    socket.put({ event: visitor_message(1, "a") });
    socket.put({ delta: { turn: 1, run: 1, offset: 0, text: "half" } });
    const streamed = items(bench.desk)[1]!;
    socket.put({ event: answer(2, 1, "half and half") });
    const kept = items(bench.desk)[1]!;
    expect(kept).toMatchObject({ key: streamed.key, text: "half and half", state: "complete" });
    expect(items(bench.desk).length).toBe(2);
  });

  it("stays under its question when the visitor writes on", async () => {
    const bench = new Bench();
    const socket = await bench.meet();
    socket.put({ event: visitor_message(1, "a") });
    socket.put({ delta: { turn: 1, run: 1, offset: 0, text: "to a" } });
    socket.put({ event: visitor_message(2, "b") });
    expect(texts(bench)).toEqual(["visitor: a", "assistant: to a", "visitor: b"]);
    socket.put({ event: answer(3, 1, "to a") });
    expect(texts(bench)).toEqual(["visitor: a", "assistant: to a", "visitor: b"]);
  });

  it("to a turn that is no visitor's message stands where it came", async () => {
    const bench = new Bench();
    const socket = await bench.meet();
    socket.put({ event: visitor_message(1, "a") });
    socket.put({ event: answer(2, 0, "by itself") });
    expect(texts(bench)).toEqual(["visitor: a", "assistant: by itself"]);
  });

  it("is shown no more after a handover: deltas are dropped", async () => {
    const bench = new Bench();
    const socket = await bench.meet();
    socket.put({ event: visitor_message(1, "a") });
    socket.put({ delta: { turn: 1, run: 1, offset: 0, text: "half" } });
    socket.put({ event: handover(2) });
    socket.put({ delta: { turn: 1, run: 1, offset: 4, text: " more" } });
    expect(texts(bench)).toEqual(["visitor: a", "-- asked"]);
  });

  it("that is over takes no more deltas", async () => {
    const bench = new Bench();
    const socket = await bench.meet();
    socket.put({ event: visitor_message(1, "a") });
    socket.put({ event: answer(2, 1, "whole") });
    socket.put({ delta: { turn: 1, run: 2, offset: 0, text: "late" } });
    expect(texts(bench)).toEqual(["visitor: a", "assistant: whole"]);
  });

  it("is stopped without waiting for messages in line, and again after a reconnect", async () => {
    const bench = new Bench();
    const socket = await bench.meet();
    socket.put({ event: visitor_message(1, "a") });
    socket.put({ delta: { turn: 1, run: 1, offset: 0, text: "half" } });
    bench.desk.send("waiting for its ack");
    bench.desk.stop();
    expect(socket.sent.at(-1)!.stop).toMatchObject({ turn: 1 });
    expect(bench.desk.stopping).toBe(true);
    bench.drop();
    bench.clock.pass(1_000);
    const second = await bench.meet({ head: 1 });
    expect(second.sent.some((frame) => frame.stop?.turn === 1)).toBe(true);
    second.put({ event: answer(2, 1, "half", 2) });
    expect(bench.desk.stopping).toBe(false);
    expect(states(bench)[1]).toBe("stopped");
  });
});

describe("a conversation", () => {
  it("is handed over, taken, closed, rated and begun anew, in the order asked for", async () => {
    const bench = new Bench();
    bench.desk.send("one");
    bench.desk.ask_person();
    const socket = await bench.meet();
    expect(socket.sent.at(-1)!.ask_person).toBeUndefined();
    socket.put(event_of(1, socket.sent.at(-1)!));
    expect(socket.sent.at(-1)!.ask_person).toBeDefined();
    socket.ack_last(2);
    socket.put({ event: handover(2) });
    socket.put({ event: assigned(3, "Mei") });
    bench.desk.close();
    socket.ack_last(4);
    socket.put({ event: closed(4) });
    bench.desk.rate(5, "good");
    expect(socket.sent.at(-1)!.rate).toMatchObject({ score: 5, comment: "good" });
    socket.ack_last(5);
    bench.desk.begin();
    bench.desk.send("again");
    expect(socket.said).toEqual(["one"]);
    expect(texts(bench)).toEqual(["visitor: again"]);
    socket.put({ opened: { conversation: 2, head: 0, reset: true } });
    expect(socket.said).toEqual(["one", "again"]);
  });

  it("counts as unread what the other side said and nothing else", () => {
    const events = [visitor_message(1, "a"), answer(2, 1, "b"), handover(3), agent_message(4, "Mei", "c")];
    expect(unread_after(events, 0)).toBe(2);
    expect(unread_after(events, 2)).toBe(1);
    expect(unread_after([visitor_message(1, "a"), answer(2, 1, "", 2)], 0)).toBe(0);
  });
});

describe("the token", () => {
  it("is kept, replaced, and sent in every hello", async () => {
    const bench = new Bench();
    const socket = await bench.meet();
    expect(socket.hello!.token).toBe("");
    socket.put({ token: { token: "newer" } });
    const reloaded = new Bench({ storage: bench.storage });
    expect((await reloaded.open()).hello!.token).toBe("newer");
  });

  it("that is refused is dropped with the conversation, and the client comes back at once", async () => {
    const bench = new Bench();
    (await bench.meet()).put({ event: visitor_message(1, "a") });
    bench.desk.send("kept");
    bench.drop(4100);
    expect(bench.sockets.length).toBe(2);
    expect(texts(bench)).toEqual(["visitor: kept"]);
    expect((await bench.open()).hello).toMatchObject({ token: "", conversation: 0, after: 0 });
  });

  it("is forgotten on logout, with all that was kept", async () => {
    const bench = new Bench();
    (await bench.meet()).put({ event: visitor_message(1, "a") });
    bench.desk.send("unsent");
    bench.desk.keep();
    bench.desk.logout();
    expect(bench.storage.keys()).toEqual([]);
    expect(texts(bench)).toEqual([]);
    expect(bench.desk.link.state.kind).toBe("idle");
  });

  it("goes with the page's identity, which is said anew when it changes", async () => {
    const bench = new Bench();
    await bench.meet();
    bench.desk.identify("jwt");
    expect(bench.sockets.length).toBe(2);
    expect((await bench.open()).hello).toMatchObject({ identity: "jwt", token: "token-v1" });
    bench.drop(4102);
    bench.clock.pass(3_600_000);
    expect(bench.sockets.length).toBe(2);
    bench.desk.identify("better");
    expect((await bench.open()).hello).toMatchObject({ identity: "better" });
  });
});

describe("deleting", () => {
  it("starts anew as somebody else, with nothing left", async () => {
    const bench = new Bench();
    const socket = await bench.meet();
    bench.desk.send("my secret");
    socket.store_last(1);
    bench.desk.keep();

    const erasing = bench.desk.erase();
    // The node would close it with 4100; whoever comes back then would be yet another visitor.
    expect(socket.closed).toBe(true);
    await erasing;

    expect(bench.erased).toEqual(["token-v1"]);
    expect(bench.storage.keys()).toEqual([]);
    expect(texts(bench)).toEqual([]);
    expect((await bench.open()).hello).toMatchObject({ token: "", conversation: 0, after: 0 });
  });

  it("that does not work is said, and everything is still there", async () => {
    const bench = new Bench();
    const socket = await bench.meet();
    bench.desk.send("my secret");
    socket.store_last(1);
    bench.can_erase = false;

    await bench.desk.erase();

    expect(bench.desk.notice).toBeDefined();
    expect(texts(bench)).toEqual(["visitor: my secret"]);
    expect((await bench.open()).hello).toMatchObject({ token: "token-v1", after: 1 });
  });

  it("as somebody the page has named goes on as that person", async () => {
    const bench = new Bench();
    bench.desk.identify("a.b.c");
    await bench.meet();

    await bench.desk.erase();

    expect((await bench.open()).hello).toMatchObject({ token: "", identity: "a.b.c" });
  });

  it("in another tab empties this one", async () => {
    const bench = new Bench();
    const socket = await bench.meet();
    bench.desk.send("my secret");
    socket.store_last(1);
    bench.storage.delete("token");
    bench.changed("token");
    expect(texts(bench)).toEqual([]);
  });
});
