import { describe, expect, it } from "vitest";
import { excess_of } from "../panel/src/view/composer.tsx";
import { contrast, palette, parse } from "../panel/src/view/palette.ts";
import { direction_of, in_language, spoken, strings_of } from "../panel/src/view/strings.ts";
import { items } from "../panel/src/view/items.ts";
import { read_site } from "../panel/src/site.ts";
import { answer, handover, visitor_message } from "./events.ts";

describe("the palette", () => {
  const colors = ["#1f4a3c", "#ffffff", "#000000", "#ffe600", "#777777", "#ff0000", "#00ffff", "no colour"];
  const surfaces = ["#f4f5f3", "#23282a"];

  it.each(colors.flatMap((color) => surfaces.map((surface) => [color, surface] as const)))(
    "makes %s readable on %s",
    (color, surface) => {
      const { brand, on, link } = palette(color, surface);
      expect(contrast(parse(brand)!, parse(on)!)).toBeGreaterThanOrEqual(4.5);
      expect(contrast(parse(link)!, parse(surface)!)).toBeGreaterThanOrEqual(4.5);
      expect(contrast(parse(brand)!, parse(surface)!)).toBeGreaterThanOrEqual(3);
    },
  );

  it("leaves a colour alone that is readable as it is", () => {
    expect(palette("#1f4a3c", "#f4f5f3")).toEqual({ brand: "#1f4a3c", on: "#ffffff", link: "#1f4a3c" });
  });
});

describe("the language", () => {
  it("is spoken where there are words for it, and English elsewhere", () => {
    expect(strings_of("zh-CN").send).toBe("发送");
    expect(strings_of("AR").send).toBe("أرسل");
    expect(strings_of("pt-BR").send).toBe("Send");
    expect([spoken("zh-Hant"), spoken("pt")]).toEqual(["zh-Hant", "en"]);
  });

  it("decides the direction", () => {
    expect(["ar", "ar-EG", "he", "fa", "ur"].map(direction_of)).toEqual(Array(5).fill("rtl"));
    expect(["en", "zh", "arn", "de"].map(direction_of)).toEqual(Array(4).fill("ltr"));
  });

  it("chooses among a site's texts: the very one, another way of it, the first", () => {
    const texts = { en: "colour", "en-US": "color", "zh-CN": "颜色" };
    expect(in_language(texts, "en-US")).toBe("color");
    expect(in_language(texts, "zh")).toBe("颜色");
    expect(in_language(texts, "fr")).toBe("colour");
    expect(in_language({}, "fr")).toBeUndefined();
  });
});

describe("a text that is too long", () => {
  it("is measured in UTF-8 bytes and counted in characters", () => {
    expect(excess_of("a".repeat(10), 10)).toBe(0);
    expect(excess_of("a".repeat(12), 10)).toBe(2);
    expect(excess_of("茶".repeat(5), 9)).toBe(2);
    expect(excess_of("  a  ", 1)).toBe(0);
  });
});

describe("a site's settings", () => {
  it("are taken as far as they make sense", () => {
    const site = read_site({ name: "Shop", languages: ["en"], theme: { color: "#123456" }, identity_required: true, extra: 1 });
    expect(site).toMatchObject({ name: "Shop", languages: ["en"], color: "#123456", identity_required: true, greeting: {} });
    for (const nonsense of [null, 7, "x", [], { theme: 3, greeting: "x", languages: {} }]) {
      expect(read_site(nonsense)).toMatchObject({ name: "", languages: [], greeting: {}, color: "", max_text_bytes: 0 });
    }
  });
});

describe("an answer", () => {
  const shown = (event: ReturnType<typeof answer>) =>
    items({
      log: { conversation: 1, events: [visitor_message(1, "Where?"), event] },
      outbox: { entries: [] },
      writing: { turn: 0, text: "" },
      standing: { owner: "assistant", asked: 1, answered: 1, agent: "", rated: 0 },
      skew_ms: 0,
    } as never).find((item) => item.kind === "assistant");

  it("that no model wrote is marked, and a person is still offered where the site says so", () => {
    expect(shown(answer(2, 1, "On its way.", 5, true))).toMatchObject({ state: "intent", offer: true });
    expect(shown(answer(2, 1, "On its way.", 5))).toMatchObject({ state: "intent", offer: false });
  });

  it("that no model wrote does not stand under the same name as one that a model wrote", () => {
    const [first, second] = items({
      log: { conversation: 1, events: [answer(1, 0, "By a model."), answer(2, 0, "By the site.", 5)] },
      outbox: { entries: [] },
      writing: { turn: 0, text: "" },
      standing: { owner: "assistant", asked: 0, answered: 0, agent: "", rated: 0 },
      skew_ms: 0,
    } as never);
    expect([first?.last, second?.first]).toEqual([true, true]);
  });

  it("that people took over from stands before the handover, and is marked where the site wrote it", () => {
    const shown = (event: ReturnType<typeof handover>) =>
      items({
        log: { conversation: 1, events: [visitor_message(1, "It broke!"), event] },
        outbox: { entries: [] },
        writing: { turn: 0, text: "" },
        standing: { owner: "queue", asked: 1, answered: 0, agent: "", rated: 0 },
        skew_ms: 0,
      } as never).map((item) => (item.kind === "assistant" ? [item.state, item.text] : item.kind));
    expect(shown(handover(2, 3, "We are sorry."))).toEqual(["visitor", ["intent", "We are sorry."], "line"]);
    expect(shown(handover(2, 2, "Let me"))).toEqual(["visitor", ["complete", "Let me"], "line"]);
    expect(shown(handover(2, 2))).toEqual(["visitor", "line"]);
  });

  it("brings the texts that it rests on", () => {
    const rests = answer(2, 1, "Within 30 days.");
    expect(shown(rests)).toMatchObject({ sources: [] });
    const sources = [{ title: "Returns", url: "https://shop.example/returns" }];
    expect(shown({ ...rests, answer: { ...rests.answer!, sources } })).toMatchObject({ state: "complete", sources });
  });

  it("brings what the visitor may say next, and nothing where a log was kept before there was such a thing", () => {
    const asks = answer(2, 1, "Do you mean “A” or “B”?", 4);
    expect(shown(asks)).toMatchObject({ choices: [] });
    expect(shown({ ...asks, answer: { ...asks.answer!, choices: ["A", "B"] } })).toMatchObject({ choices: ["A", "B"], offer: true });
    const { choices: _, ...kept } = asks.answer!;
    expect(shown({ ...asks, answer: kept as typeof asks.answer })).toMatchObject({ choices: [] });
  });
});
