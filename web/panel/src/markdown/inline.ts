// Bold, italics, code and links inside a line of text. One pass, no backtracking over the text, so that an answer made
// to be slow is not. Markers open before and close after anything but white space, which, unlike CommonMark's rule,
// also works beside Chinese punctuation.

import type { Inline } from "./tree.ts";

const MARKS = { "**": "strong", __: "strong", "*": "em", _: "em", "~~": "del" } as const;
type Mark = keyof typeof MARKS;

const LINK = /!?\[([^[\]\n]{0,500})\]\(\s{0,9}<?((?:[^\s()<>]|\([^\s()<>]{0,200}\)){1,2000})>?(?:\s{1,9}["'][^"'\n]{0,200}["'])?\s{0,9}\)/y;
/** The beginning of a link at the end of a text that goes on. */
const LINK_BEGUN = /!?\[([^[\]\n]{0,500})(?:\](?:\([^()\s]{0,2000})?)?$/y;
const ADDRESS = /https?:\/\/[^\s<>"'`\u3000-\u303f\uff00-\uffef]{1,2000}/y;
const ANGLED = /<((?:https?:\/\/|mailto:)[^\s<>]{1,2000})>/y;
const TICKS = /`+/y;
const ESCAPED = /\\([!-/:-@[-`{-~])/y;
/** What ends a sentence is not part of the address before it. */
const TAIL = /[.,;:!?*_~)\]]+$/;
const WORD = /[\p{L}\p{N}]/u;

interface Level {
  readonly mark: Mark | undefined;
  readonly inside: Inline[];
}

/** @param open the text goes on: what has begun is shown as what it will be, not as its raw characters */
export function parse_inline(source: string, open: boolean): Inline[] {
  return new InlineParser(source, open).run();
}

class InlineParser {
  #at = 0;
  #text = "";
  readonly #levels: Level[] = [{ mark: undefined, inside: [] }];
  /** Lengths of backtick runs that have no partner in the rest of the text. */
  readonly #lone_ticks = new Set<number>();

  constructor(
    private readonly source: string,
    private readonly open: boolean,
  ) {}

  run(): Inline[] {
    while (this.#at < this.source.length) this.#step();
    while (this.#levels.length > 1) this.#end_level(this.open);
    this.#flush();
    return this.#levels[0]!.inside;
  }

  #step(): void {
    const char = this.source[this.#at]!;
    switch (char) {
      case "\n":
        this.#push({ kind: "break" }, 1);
        return;
      case "\\":
        if (this.#escape()) return;
        break;
      case "`":
        this.#code();
        return;
      case "!":
      case "[":
        if (this.#link()) return;
        break;
      case "<":
        if (this.#angled()) return;
        break;
      case "h":
        if (this.#address()) return;
        break;
      case "*":
      case "_":
      case "~":
        this.#mark(char);
        return;
    }
    this.#text += char;
    this.#at++;
  }

  #escape(): boolean {
    const found = this.#match(ESCAPED);
    if (!found) return false;
    this.#text += found[1]!;
    this.#at += 2;
    return true;
  }

  #code(): void {
    const ticks = this.#match(TICKS)![0];
    const from = this.#at + ticks.length;
    const to = this.#lone_ticks.has(ticks.length) ? -1 : this.#closing(ticks, from);
    if (to >= 0) {
      this.#push({ kind: "code", text: trim_code(this.source.slice(from, to)) }, to + ticks.length - this.#at);
    } else if (this.open && from < this.source.length && ticks.length < 3) {
      this.#push({ kind: "code", text: this.source.slice(from) }, this.source.length - this.#at);
    } else {
      this.#lone_ticks.add(ticks.length);
      this.#text += this.open ? "" : ticks;
      this.#at = from;
    }
  }

  #closing(ticks: string, from: number): number {
    let at = this.source.indexOf(ticks, from);
    while (at >= 0) {
      let end = at;
      while (this.source[end] === "`") end++;
      if (end - at === ticks.length) return at;
      at = this.source.indexOf(ticks, end);
    }
    return -1;
  }

  #link(): boolean {
    const found = this.#match(LINK);
    if (found) {
      const inside = parse_inline(found[1] || found[2]!, false);
      this.#push({ kind: "link", href: found[2]!, inside }, found[0].length);
      return true;
    }
    const begun = this.open ? this.#match(LINK_BEGUN) : null;
    if (!begun) return false;
    this.#text += begun[1]!;
    this.#at += begun[0].length;
    return true;
  }

  #angled(): boolean {
    const found = this.#match(ANGLED);
    if (!found) return false;
    const href = found[1]!;
    this.#push({ kind: "link", href, inside: [href.replace(/^mailto:/, "")] }, found[0].length);
    return true;
  }

  #address(): boolean {
    if (/[a-z0-9]/i.test(this.source[this.#at - 1] ?? "")) return false;
    const found = this.#match(ADDRESS);
    if (!found) return false;
    const href = found[0].replace(TAIL, "");
    this.#push({ kind: "link", href, inside: [href] }, href.length);
    return true;
  }

  #mark(char: string): void {
    let run = 1;
    while (this.source[this.#at + run] === char) run++;
    const before = this.source[this.#at - 1] ?? " ";
    const after = this.source[this.#at + run] ?? " ";
    const word = char === "_";
    const can_open = /\S/.test(after) && !(word && WORD.test(before));
    const can_close = /\S/.test(before) && !(word && WORD.test(after));
    let left = run;
    while (left > 0) {
      const mark = (left > 1 || char === "~" ? char + char : char) as Mark;
      const top = this.#levels.at(-1)!.mark;
      if (char === "~" && left < 2) {
        break;
      } else if (can_close && top && top[0] === char && top.length <= left) {
        this.#at += top.length;
        left -= top.length;
        this.#end_level(true);
      } else if (can_close && this.#levels.some((level) => level.mark === mark)) {
        this.#at += mark.length;
        left -= mark.length;
        while (this.#levels.at(-1)!.mark !== mark) this.#end_level(false);
        this.#end_level(true);
      } else if (can_open && !this.#levels.some((level) => level.mark === mark)) {
        this.#flush();
        this.#levels.push({ mark, inside: [] });
        this.#at += mark.length;
        left -= mark.length;
      } else {
        break;
      }
    }
    // The rest is plain text; at the end of a text that goes on it is most likely half a marker.
    const hidden = this.open && this.#at + left === this.source.length;
    if (!hidden) this.#text += char.repeat(left);
    this.#at += left;
  }

  /** Ends the innermost level: as what its mark means, or, if that never closed, as plain text. */
  #end_level(meant: boolean): void {
    this.#flush();
    const { mark, inside } = this.#levels.pop()!;
    const outer = this.#levels.at(-1)!.inside;
    if (meant && inside.length > 0) outer.push({ kind: MARKS[mark!], inside });
    else if (meant) outer.push(...inside);
    else outer.push(mark!, ...inside);
  }

  #match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    return pattern.exec(this.source);
  }

  #push(inline: Inline, length: number): void {
    this.#flush();
    this.#levels.at(-1)!.inside.push(inline);
    this.#at += length;
  }

  #flush(): void {
    if (this.#text) this.#levels.at(-1)!.inside.push(this.#text);
    this.#text = "";
  }
}

const trim_code = (text: string): string =>
  text.length > 2 && text.startsWith(" ") && text.endsWith(" ") ? text.slice(1, -1) : text;
