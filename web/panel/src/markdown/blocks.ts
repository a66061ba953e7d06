// Markdown into blocks. While an answer grows, blocks that are done stay the same objects, and only the last two are
// read again: the view compares by identity, and the whole costs what the newest blocks cost.

import { parse_inline } from "./inline.ts";
import type { Block, Inline } from "./tree.ts";

const FENCE = /^ {0,3}(`{3,}|~{3,})[^`]*$/;
const HEADING = /^ {0,3}(#{1,6})\s+(.*?)(?:\s+#+)?\s*$/;
const RULE = /^ {0,3}([-*_])(?:\s*\1){2,}\s*$/;
const ITEM = /^( *)([-*+•]|\d{1,9}[.)])( +|$)(.*)$/;
const QUOTE = /^ {0,3}> ?(.*)$/;
const TABLE_RULE = /^ {0,3}\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*$/;
/** A line that has only its marker yet. */
const BEGUN = /^(?:[-*+]|#{1,6}|\d{1,3}[.)])$/;
const BLANK = /^\s*$/;
/** Lists and quotes inside each other, deeper than anybody reads. */
const DEPTH = 6;

/** A Markdown text that is read once. */
export function parse(source: string): Block[] {
  return new BlockParser(source, 0, false).blocks().map(({ block }) => block);
}

/** A Markdown text that grows. */
export class Growing {
  #source = "";
  #done: Block[] = [];
  /** Where the first block begins that may still change. */
  #from = 0;

  /** The blocks of `source`. @param open it will go on */
  read(source: string, open: boolean): Block[] {
    if (!source.startsWith(this.#source)) {
      this.#done = [];
      this.#from = 0;
    }
    this.#source = source;
    const rest = new BlockParser(source.slice(this.#from), 0, open).blocks();
    // Two may change: a line that has just begun may yet turn out to continue the block before it.
    const kept = Math.max(0, rest.length - 2);
    if (kept > 0) {
      this.#done = [...this.#done, ...rest.slice(0, kept).map(({ block }) => block)];
      this.#from += rest[kept]!.from;
    }
    return [...this.#done, ...rest.slice(kept).map(({ block }) => block)];
  }
}

interface Placed {
  readonly block: Block;
  /** Where its first line starts in the source. */
  readonly from: number;
}

class BlockParser {
  readonly #lines: string[];
  #at = 0;

  constructor(
    source: string,
    private readonly depth: number,
    private readonly open: boolean,
  ) {
    this.#lines = source.split("\n");
  }

  blocks(): Placed[] {
    const placed: Placed[] = [];
    let from = 0;
    while (this.#at < this.#lines.length) {
      const first = this.#at;
      const block = this.#block();
      if (block) placed.push({ block, from });
      for (let i = first; i < this.#at; i++) from += this.#lines[i]!.length + 1;
    }
    return placed;
  }

  #block(): Block | undefined {
    const line = this.#lines[this.#at]!;
    if (BLANK.test(line)) {
      this.#at++;
      return undefined;
    }
    const fence = FENCE.exec(line);
    if (fence) return this.#code(fence[1]!);
    const heading = HEADING.exec(line);
    if (heading) {
      this.#at++;
      return { kind: "heading", level: heading[1]!.length, inside: this.#inline(heading[2]!) };
    }
    if (RULE.test(line)) {
      this.#at++;
      return { kind: "rule" };
    }
    if (this.depth < DEPTH) {
      if (QUOTE.test(line)) return this.#quote();
      if (ITEM.test(line)) return this.#list();
    }
    return this.#begins_table(this.#at) ? this.#table() : this.#paragraph();
  }

  #code(fence: string): Block {
    const lines: string[] = [];
    this.#at++;
    for (; this.#at < this.#lines.length; this.#at++) {
      const line = this.#lines[this.#at]!;
      const bare = line.trim();
      if (bare.length >= fence.length && bare === fence[0]!.repeat(bare.length)) {
        this.#at++;
        break;
      }
      lines.push(line);
    }
    // Half of the closing fence.
    if (this.open && this.#is_end() && /^[`~]{1,2}$/.test(lines.at(-1)?.trim() ?? "")) lines.pop();
    return { kind: "code", text: lines.join("\n") };
  }

  #quote(): Block {
    const lines: string[] = [];
    for (; this.#at < this.#lines.length; this.#at++) {
      const found = QUOTE.exec(this.#lines[this.#at]!);
      if (!found) break;
      lines.push(found[1]!);
    }
    return { kind: "quote", blocks: this.#inner(lines) };
  }

  #list(): Block {
    const [, indent, marker] = ITEM.exec(this.#lines[this.#at]!)!;
    const start = Number.parseInt(marker!, 10);
    const ordered = !Number.isNaN(start);
    const items: Block[][] = [];
    while (this.#at < this.#lines.length) {
      const found = ITEM.exec(this.#lines[this.#at]!);
      const same = found && found[1]!.length < indent!.length + 2 && /\d/.test(found[2]!) === ordered;
      if (!same || RULE.test(this.#lines[this.#at]!)) break;
      items.push(this.#item(found));
    }
    return { kind: "list", start: ordered ? start : 0, items };
  }

  #item([, indent, marker, , text]: RegExpExecArray): Block[] {
    const lines = [text!];
    const inner = indent!.length + Math.min(2, marker!.length + 1);
    this.#at++;
    for (; this.#at < this.#lines.length; this.#at++) {
      const line = this.#lines[this.#at]!;
      const depth = line.search(/\S|$/);
      if (BLANK.test(line)) {
        const next = this.#next_filled(this.#at);
        // Blank lines stay inside only if what follows does.
        if (next === undefined || next.search(/\S/) < inner) {
          if (next !== undefined && ITEM.test(next)) continue;
          break;
        }
      } else if (depth < inner && (lines.at(-1) === "" || this.#begins_block(line))) {
        break;
      }
      lines.push(line.slice(Math.min(depth, indent!.length + marker!.length + 1)));
    }
    return this.#inner(lines);
  }

  #table(): Block {
    const head = this.#cells(this.#lines[this.#at]!);
    const rows: Inline[][][] = [];
    // A table that has just begun has no second line yet.
    this.#at = Math.min(this.#at + 2, this.#lines.length);
    for (; this.#at < this.#lines.length; this.#at++) {
      const line = this.#lines[this.#at]!;
      if (!line.includes("|")) break;
      const cells = this.#cells(line);
      rows.push(head.map((_, i) => cells[i] ?? []));
    }
    return { kind: "table", head, rows };
  }

  #cells(line: string): Inline[][] {
    const open = this.open && this.#at === this.#lines.length - 1;
    return line
      .trim()
      .replace(/^\|/, "")
      .replace(/(^|[^\\])\|$/, "$1")
      .split(/(?<!\\)\|/)
      .map((cell) => parse_inline(cell.trim().replaceAll("\\|", "|"), open));
  }

  #paragraph(): Block {
    const lines: string[] = [];
    do {
      lines.push(this.#lines[this.#at++]!.trim());
    } while (this.#at < this.#lines.length && !this.#ends_paragraph());
    if (this.open && this.#is_end() && BEGUN.test(lines.at(-1)!)) lines.pop();
    return { kind: "paragraph", inside: this.#inline(lines.join("\n")) };
  }

  #ends_paragraph(): boolean {
    const line = this.#lines[this.#at]!;
    return BLANK.test(line) || this.#begins_block(line) || this.#begins_table(this.#at);
  }

  #begins_block(line: string): boolean {
    return (
      FENCE.test(line) ||
      HEADING.test(line) ||
      RULE.test(line) ||
      (this.depth < DEPTH && (QUOTE.test(line) || (ITEM.exec(line)?.[4] ?? "") !== ""))
    );
  }

  #begins_table(at: number): boolean {
    const line = this.#lines[at]!;
    const rule = this.#lines[at + 1];
    if (!line.includes("|")) return false;
    // A row that starts with a bar, and nothing after it yet: a table, most likely.
    if (rule === undefined || (at + 2 === this.#lines.length && /^[\s|:-]*$/.test(rule))) {
      return this.open && line.trimStart().startsWith("|");
    }
    return TABLE_RULE.test(rule) && rule.includes("-");
  }

  #next_filled(at: number): string | undefined {
    return this.#lines.slice(at, at + 20).find((line) => !BLANK.test(line));
  }

  #inline(text: string): Inline[] {
    return parse_inline(text, this.open && this.#is_end());
  }

  #inner(lines: string[]): Block[] {
    const parser = new BlockParser(lines.join("\n"), this.depth + 1, this.open && this.#is_end());
    return parser.blocks().map(({ block }) => block);
  }

  /** Whether the block just read reaches the end of the text. */
  #is_end(): boolean {
    return this.#at >= this.#lines.length;
  }
}
