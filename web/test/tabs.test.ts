import { describe, expect, it } from "vitest";
import { browser_storage, memory_storage } from "../panel/src/desk/storage.ts";
import type { Turnstile } from "../panel/src/desk/turnstile.ts";
import { items } from "../panel/src/view/items.ts";
import { ErrorCode } from "../panel/src/wire/schema.ts";
import { Bench, event_of, settled } from "./bench.ts";
import { closed } from "./events.ts";

const texts = (bench: Bench) =>
  items(bench.desk).map((item) => (item.kind === "line" ? `-- ${item.line}` : `${item.kind}: ${item.text}`));

describe("several tabs", () => {
  /** Two tabs of one browser, and the browser's storage events between them. */
  function two_tabs() {
    const storage = memory_storage();
    const tabs: Bench[] = [];
    const shared = (own: () => Bench) => ({
      ...storage,
      set(key: string, value: string) {
        if (storage.get(key) === value) return;
        storage.set(key, value);
        for (const tab of tabs) if (tab !== own()) tab.changed(key);
      },
      delete(key: string) {
        if (storage.get(key) === null) return;
        storage.delete(key);
        for (const tab of tabs) if (tab !== own()) tab.changed(key);
      },
    });
    const gone: (() => void)[] = [];
    const turnstile: Turnstile = { enter: async () => () => {}, watch: (_, act) => void gone.push(act), sees_tabs: true };
    for (const i of [0, 1]) tabs.push(new Bench({ storage: shared(() => tabs[i]!), turnstile }));
    return { a: tabs[0]!, b: tabs[1]!, gone };
  }

  it("show a message of one in both, and only the one sends it", async () => {
    const { a, b } = two_tabs();
    const to_a = await a.meet();
    const to_b = await b.meet();
    a.desk.send("one");
    expect(texts(b)).toEqual(["visitor: one"]);
    expect(to_b.said).toEqual([]);
    const event = event_of(1, to_a.sent.at(-1)!);
    to_a.put(event);
    expect(texts(b)).toEqual(["visitor: one"]);
    to_b.put(event);
    for (const tab of [a, b]) expect(texts(tab)).toEqual(["visitor: one"]);
  });

  /** Both hold a conversation that is over, and the visitor goes on to the next one in `a`. */
  async function begin_in_one() {
    const tabs = two_tabs();
    const { a, b } = tabs;
    const to_a = await a.meet();
    const to_b = await b.meet();
    for (const to of [to_a, to_b]) to.put({ event: closed(1) });
    a.desk.begin();
    return { ...tabs, to_a, to_b };
  }

  it("are in the next conversation both, when one of them has begun it", async () => {
    const { a, b, to_a, to_b } = await begin_in_one();
    to_a.put({ opened: { conversation: 2, reset: true } });
    expect(to_b.closed).toBe(true);
    await b.meet({ conversation: 2, reset: true });
    for (const { desk } of [a, b]) expect([desk.log.conversation, desk.standing.owner]).toEqual([2, "assistant"]);
    expect([a.sockets.length, b.sockets.length]).toEqual([1, 2]);
  });

  it("say nothing in a conversation that another tab has left, but in the next one", async () => {
    const { b, to_a, to_b } = await begin_in_one();
    b.desk.send("one more thing");
    expect(to_b.said).toEqual([]);
    to_a.put({ opened: { conversation: 2, reset: true } });
    expect((await b.meet({ conversation: 2, reset: true })).said).toEqual(["one more thing"]);
  });

  it("show as not sent what was for a conversation that was refused", async () => {
    const { a, b, to_a } = await begin_in_one();
    b.desk.send("one more thing");
    to_a.put({ error: { code: ErrorCode.too_many_conversations, message: "too many" } });
    await b.meet({ head: 1 });
    expect(a.desk.log.conversation).toBe(1);
    expect(b.desk.outbox.entries.map(({ failed }) => failed)).toEqual([ErrorCode.conversation_closed]);
  });

  it("take over what a tab that is gone had not sent", async () => {
    const { a, b, gone } = two_tabs();
    a.desk.send("one");
    const to_b = await b.meet();
    expect(to_b.said).toEqual([]);
    for (const act of gone.splice(0)) act();
    expect(to_b.said).toEqual(["one"]);
  });

  it("take over what a tab wrote after the other had met the node", async () => {
    const { a, b, gone } = two_tabs();
    const to_b = await b.meet();
    a.desk.send("one");
    expect(to_b.said).toEqual([]);
    for (const act of gone.splice(0)) act();
    expect(to_b.said).toEqual(["one"]);
  });

  it("become one visitor when they start together", async () => {
    const { a, b } = two_tabs();
    await a.open();
    await b.open();
    await a.meet({ visitor: "v1" });
    // The second tab said hello without a token before the first had one: it starts over with that one.
    expect((await b.open()).hello).toMatchObject({ token: "token-v1" });
  });

  it("wait their turn to say hello without a token", async () => {
    let release = () => {};
    const turns: (() => void)[] = [];
    const turnstile: Turnstile = {
      enter: () => new Promise((resolve) => turns.push(() => resolve(release))),
      watch: () => {},
    };
    const bench = new Bench({ turnstile });
    const socket = await bench.open();
    expect(socket.hello).toBeUndefined();
    let released = false;
    release = () => void (released = true);
    turns[0]!();
    await settled();
    expect(socket.hello).toBeDefined();
    expect(released).toBe(false);
    socket.put({ welcome: { visitor: "v1", token: "t", opened: { conversation: 1 } } });
    expect(released).toBe(true);
  });
});

describe("storage", () => {
  it("works without a browser's storage, in memory", () => {
    const storage = browser_storage(() => {
      throw new Error("forbidden");
    }, "x:");
    storage.set("a", "1");
    expect(storage.get("a")).toBe("1");
    expect(storage.keys()).toEqual(["a"]);
    storage.delete("a");
    expect(storage.get("a")).toBeNull();
  });

  it("keeps in memory what does not fit", () => {
    const full = {
      getItem: () => null,
      removeItem: () => {},
      setItem: () => {
        throw new Error("quota");
      },
    } as unknown as globalThis.Storage;
    const storage = browser_storage(() => full, "x:");
    storage.set("a", "1");
    expect(storage.get("a")).toBe("1");
  });
});
