import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { safe_address } from "../panel/src/markdown/address.ts";
import { Growing, parse } from "../panel/src/markdown/blocks.ts";
import { parse_inline } from "../panel/src/markdown/inline.ts";
import type { Block, Inline } from "../panel/src/markdown/tree.ts";

/** A tree in short: elements in brackets, text as it is. */
const inline = (inlines: readonly Inline[]): string =>
  inlines
    .map((part) => {
      if (typeof part === "string") return part;
      if (part.kind === "break") return "⏎";
      if (part.kind === "code") return `[code ${part.text}]`;
      if (part.kind === "link") return `[link ${part.href} ${inline(part.inside)}]`;
      return `[${part.kind} ${inline(part.inside)}]`;
    })
    .join("");

const block = (part: Block): string => {
  switch (part.kind) {
    case "paragraph":
      return `(p ${inline(part.inside)})`;
    case "heading":
      return `(h${part.level} ${inline(part.inside)})`;
    case "code":
      return `(code ${part.text})`;
    case "quote":
      return `(quote ${part.blocks.map(block).join("")})`;
    case "list":
      return `(${part.start ? `ol${part.start}` : "ul"} ${part.items.map((item) => `{${item.map(block).join("")}}`).join("")})`;
    case "table":
      return `(table ${[part.head, ...part.rows].map((row) => row.map(inline).join("|")).join("/")})`;
    case "rule":
      return "(rule)";
  }
};

const read = (source: string): string => parse(source).map(block).join("");
const line = (source: string): string => inline(parse_inline(source, false));
const open_line = (source: string): string => inline(parse_inline(source, true));

describe("inline Markdown", () => {
  it.each([
    ["plain text", "plain text"],
    ["**bold** and *it* and _it_ and ~~gone~~", "[strong bold] and [em it] and [em it] and [del gone]"],
    ["**bold *both* bold**", "[strong bold [em both] bold]"],
    ["***both***", "[strong [em both]]"],
    ["只用**热水**，不用", "只用[strong 热水]，不用"],
    ["**“你好”**是", "[strong “你好”]是"],
    ["snake_case_name and 2 * 3 * 4", "snake_case_name and 2 * 3 * 4"],
    ["**never closed", "**never closed"],
    ["`a*b*` and ``a`b``", "[code a*b*] and [code a`b]"],
    ["`never closed", "`never closed"],
    ["\\*no\\* a\\b", "*no* a\\b"],
    ["[a](http://x.y/z)", "[link http://x.y/z a]"],
    ['[**a** b](http://x.y "title")', "[link http://x.y [strong a] b]"],
    ["[a](/en/shipping.html)", "[link /en/shipping.html a]"],
    ["see [1] and [x]", "see [1] and [x]"],
    ["![picture](http://x.y/z.png)", "[link http://x.y/z.png picture]"],
    ["https://x.y/z?a=b, and", "[link https://x.y/z?a=b https://x.y/z?a=b], and"],
    ["见https://x.y/z。好", "见[link https://x.y/z https://x.y/z]。好"],
    ["<https://x.y>", "[link https://x.y https://x.y]"],
    ["<b onclick=x>no</b>", "<b onclick=x>no</b>"],
    ["a\nb", "a⏎b"],
    ["$5 and $6", "$5 and $6"],
  ])("%s", (source, tree) => {
    expect(line(source)).toBe(tree);
  });

  it.each([
    ["some **bo", "some [strong bo]"],
    ["some **", "some "],
    ["some **bold*", "some [strong bold]"],
    ["a `co", "a [code co]"],
    ["see [the pa", "see the pa"],
    ["see [the page](htt", "see the page"],
  ])("shows the unfinished %s as what it will be", (source, tree) => {
    expect(open_line(source)).toBe(tree);
  });

  it("takes time in proportion to the text, whatever it is made of", () => {
    // A parser that looks back or ahead without bound needs minutes for these.
    for (const piece of ["*", "_a", "[", "`a", "**a", "](", "![a](", "~~", "<http:", "((", "\\"]) {
      const source = piece.repeat(40_000 / piece.length);
      expect(inline(parse_inline(source, true)).length).toBeLessThanOrEqual(source.length * 12);
      parse(source);
    }
  });
});

describe("blocks of Markdown", () => {
  it.each([
    ["one\ntwo\n\nthree", "(p one⏎two)(p three)"],
    ["# Title\ntext", "(h1 Title)(p text)"],
    ["#no title", "(p #no title)"],
    ["- a\n- b", "(ul {(p a)}{(p b)})"],
    ["text\n- a", "(p text)(ul {(p a)})"],
    ["1. a\n2. b", "(ol1 {(p a)}{(p b)})"],
    ["3) a\n4) b", "(ol3 {(p a)}{(p b)})"],
    ["1. a\n   - b\n   - c\n2. d", "(ol1 {(p a)(ul {(p b)}{(p c)})}{(p d)})"],
    ["- a\n  more\n- b", "(ul {(p a⏎more)}{(p b)})"],
    ["- a\n\n- b\n\ntext", "(ul {(p a)}{(p b)})(p text)"],
    ["1. a\n\n   inside\n\n2. b", "(ol1 {(p a)(p inside)}{(p b)})"],
    ["```js\na < b\n\n*no*\n```\ntext", "(code a < b\n\n*no*)(p text)"],
    ["```\nnever closed", "(code never closed)"],
    ["> a\n> b\n\nc", "(quote (p a⏎b))(p c)"],
    ["a\n\n---\n\nb", "(p a)(rule)(p b)"],
    ["| a | b |\n|---|:-:|\n| 1 | **2** |\n| 3 |\n\nend", "(table a|b/1|[strong 2]/3|)(p end)"],
    ["a | b", "(p a | b)"],
    ["**Bold**: text", "(p [strong Bold]: text)"],
    ["<script>alert(1)</script>", "(p <script>alert(1)</script>)"],
  ])("%j", (source, tree) => {
    expect(read(source)).toBe(tree);
  });

  it("stops nesting where nobody could follow", () => {
    expect(() => parse(">".repeat(5_000))).not.toThrow();
    expect(() => parse(Array.from({ length: 500 }, (_, i) => `${" ".repeat(i * 2)}- a`).join("\n"))).not.toThrow();
  });
});

describe("a growing answer", () => {
  const knowledge = ["en", "zh"].flatMap((language) => {
    const folder = new URL(`../demo/knowledge/${language}/`, import.meta.url);
    return readdirSync(folder).map((file) => [`${language}/${file}`, readFileSync(new URL(file, folder), "utf8")]);
  }) as [string, string][];
  const samples: [string, string][] = [
    ...knowledge,
    ["a loose list", "1. a\n\n2. b\n\n3. c\n\nend"],
    ["code in a list", "- a\n  ```\n  x\n  ```\n- b\n\nend"],
    ["tables", "x\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n| c |\n|---|\n"],
  ];

  it.each(samples)("ends as if %s had come at once", (_, source) => {
    const growing = new Growing();
    for (let end = 1; end < source.length; end++) growing.read(source.slice(0, end), true);
    expect(growing.read(source, false)).toEqual(parse(source));
  });

  it.each(samples)("keeps the blocks of %s that are done", (_, source) => {
    const growing = new Growing();
    let before: Block[] = [];
    for (let end = 1; end < source.length; end += 3) {
      const blocks = growing.read(source.slice(0, end), true);
      const kept = Math.max(0, before.length - 3);
      for (let i = 0; i < kept; i++) expect(blocks[i]).toBe(before[i]);
      before = blocks;
    }
  });

  it("starts anew when the text is another", () => {
    const growing = new Growing();
    growing.read("one\n\ntwo\n\nthree\n\nfour", true);
    expect(growing.read("other", false).map(block).join("")).toBe("(p other)");
  });

  it("survives every text, cut anywhere", () => {
    const pieces = ["|", "\n", "- ", "1. ", "```", "> ", "**", "`", "[a](", ")", "a", "  ", "#", "---", "茶", "\\", "_"];
    let seed = 1;
    for (let round = 0; round < 400; round++) {
      const growing = new Growing();
      let source = "";
      for (let i = 0; i < 25; i++) {
        seed = (seed * 48271) % 2147483647;
        source += pieces[seed % pieces.length];
        growing.read(source, true);
      }
      expect(growing.read(source, false), JSON.stringify(source)).toEqual(parse(source));
    }
  });
});

describe("an address", () => {
  const base = "https://shop.example/en/";

  it.each([
    ["https://a.b/c", "https://a.b/c"],
    ["mailto:a@b.example", "mailto:a@b.example"],
    ["/en/returns.html", "https://shop.example/en/returns.html"],
  ])("%s may be linked to", (href, absolute) => {
    expect(safe_address(href, base)).toBe(absolute);
  });

  it.each([
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\nscript:alert(1)",
    "\u0001javascript:alert(1)",
    " javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:x",
    "file:///etc/passwd",
    "blob:https://shop.example/1",
    "http://",
  ])("%j may not", (href) => {
    expect(safe_address(href, base)).toBeUndefined();
  });
});
