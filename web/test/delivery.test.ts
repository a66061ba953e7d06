import { describe, expect, it } from "vitest";
import { fold, unanswered } from "../panel/src/desk/fold.ts";
import { Log } from "../panel/src/desk/log.ts";
import { nothing, write, type Writing } from "../panel/src/desk/writing.ts";
import { backoff_ms } from "../panel/src/wire/backoff.ts";
import { after_close } from "../panel/src/wire/closing.ts";
import { answer, assigned, closed, handover, visitor_message } from "./events.ts";

describe("the log", () => {
  it("takes events in order, drops repeats and refuses gaps", () => {
    const log = new Log();
    log.open({ conversation: 1, head: 3, reset: false });
    expect(log.take(visitor_message(1, "a"))).toBe("next");
    expect(log.take(visitor_message(1, "a"))).toBe("repeat");
    expect(log.take(visitor_message(3, "c"))).toBe("gap");
    expect(log.after).toBe(1);
    expect(log.take(visitor_message(2, "b"))).toBe("next");
    expect(log.events.map((event) => event.seq)).toEqual([1, 2]);
  });

  it("keeps what it holds when the node opens the same conversation", () => {
    const log = new Log();
    log.open({ conversation: 1, head: 1, reset: false });
    log.take(visitor_message(1, "a"));
    expect(log.open({ conversation: 1, head: 4, reset: false })).toBe(false);
    expect(log.after).toBe(1);
  });

  it("drops what it holds on a reset and for another conversation", () => {
    for (const opened of [
      { conversation: 1, head: 1, reset: true },
      { conversation: 2, head: 0, reset: false },
    ]) {
      const log = new Log();
      log.open({ conversation: 1, head: 1, reset: false });
      log.take(visitor_message(1, "a"));
      expect(log.open(opened)).toBe(true);
      expect(log.after).toBe(0);
      expect(log.conversation).toBe(opened.conversation);
    }
  });
});

const deltas = (...parts: [turn: number, run: number, offset: number, text: string][]): Writing =>
  parts.reduce((held, [turn, run, offset, text]) => write(held, { turn, run, offset, text }), nothing);

describe("the answer being written", () => {
  it("grows by deltas, with offsets in UTF-8 bytes", () => {
    expect(deltas([1, 1, 0, "茶 "], [1, 1, 4, "☕"], [1, 1, 7, "!"]).text).toBe("茶 ☕!");
  });

  it("ignores a delta that is repeated", () => {
    const held = deltas([1, 1, 0, "one "], [1, 1, 4, "two"]);
    expect(write(held, { turn: 1, run: 1, offset: 0, text: "one " })).toBe(held);
  });

  it("takes the new part of a delta that overlaps", () => {
    expect(deltas([1, 1, 0, "one "], [1, 1, 2, "e two"]).text).toBe("one two");
  });

  it("shows no more of an answer of which a piece is missing", () => {
    const held = deltas([1, 1, 0, "one "], [1, 1, 9, "three"]);
    expect(held).toMatchObject({ text: "one ", broken: true });
    expect(write(held, { turn: 1, run: 1, offset: 14, text: "four" }).text).toBe("one ");
  });

  it("goes on once the whole is sent again", () => {
    const held = deltas([1, 1, 0, "one "], [1, 1, 9, "three"], [1, 1, 0, "one two three"]);
    expect(held).toMatchObject({ text: "one two three", broken: false });
  });

  it("drops what an earlier run wrote", () => {
    expect(deltas([1, 1, 0, "one two"], [1, 2, 0, "other"]).text).toBe("other");
  });

  it("waits for the answer when another run is met in its middle", () => {
    expect(deltas([1, 1, 0, "one"], [1, 2, 20, "middle"])).toMatchObject({ text: "", broken: true });
  });

  it("ignores deltas of an earlier turn", () => {
    expect(deltas([5, 1, 0, "new"], [3, 1, 0, "old"]).text).toBe("new");
  });
});

describe("the fold", () => {
  it("says when the assistant owes an answer", () => {
    expect(unanswered(fold([]))).toBe(false);
    expect(unanswered(fold([visitor_message(1, "a")]))).toBe(true);
    expect(unanswered(fold([visitor_message(1, "a"), answer(2, 1, "b")]))).toBe(false);
    expect(unanswered(fold([visitor_message(1, "a"), visitor_message(2, "b"), answer(3, 1, "c")]))).toBe(true);
  });

  it("lets the assistant owe nothing after a handover or a close", () => {
    expect(unanswered(fold([visitor_message(1, "a"), handover(2)]))).toBe(false);
    expect(unanswered(fold([visitor_message(1, "a"), closed(2)]))).toBe(false);
  });

  it("follows who speaks to the visitor", () => {
    const events = [visitor_message(1, "a"), handover(2), assigned(3, ""), assigned(4, "Mei"), closed(5)];
    const owners = events.map((_, i) => fold(events.slice(0, i + 1)).owner);
    expect(owners).toEqual(["assistant", "queue", "queue", "agent", "nobody"]);
  });
});

describe("coming back", () => {
  it("comes within a second after the first drop", () => {
    expect(backoff_ms(0, 0)).toBe(0);
    expect(backoff_ms(0, 0.999)).toBeLessThan(1_000);
  });

  it("doubles the longest wait up to 30 seconds, and uses all of the span below", () => {
    const longest = Array.from({ length: 10 }, (_, failures) => backoff_ms(failures, 1));
    expect(longest).toEqual([1_000, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000, 30_000]);
    expect(backoff_ms(6, 0.5)).toBe(15_000);
    expect(backoff_ms(6, 0)).toBe(0);
  });

  it.each([
    [4000, "told"],
    [4001, "later"],
    [4002, "later"],
    [4003, "later"],
    [4004, "later"],
    [4005, "later"],
    [4100, "anew"],
    [4101, "identified"],
    [4102, "identified"],
    [4200, "never"],
    [4201, "never"],
    [4202, "never"],
    [4203, "never"],
    [1000, "later"],
    [1001, "later"],
    [1006, "later"],
    [1011, "later"],
    [4999, "later"],
  ])("after close code %i: %s", (code, way) => {
    expect(after_close(code)).toBe(way);
  });
});
