// An answer's Markdown as elements. Everything goes in as text nodes and checked attributes, so nothing in an answer
// can become markup.

import { Component, type ComponentChildren, type VNode } from "preact";
import { safe_address } from "../markdown/address.ts";
import { Growing } from "../markdown/blocks.ts";
import type { Block, Inline } from "../markdown/tree.ts";
import { Icon } from "./icons.tsx";
import type { Strings } from "./strings.ts";

interface MarkdownProps {
  readonly text: string;
  /** It is still being written. */
  readonly open: boolean;
  readonly words: Strings;
}

export class Markdown extends Component<MarkdownProps> {
  readonly #growing = new Growing();

  override render({ text, open, words }: MarkdownProps) {
    const blocks = this.#growing.read(text, open);
    return (
      <div class={open ? "text open" : "text"} dir="auto">
        {blocks.map((block, i) => (
          <Part key={i} block={block} words={words} />
        ))}
      </div>
    );
  }
}

interface PartProps {
  readonly block: Block;
  readonly words: Strings;
}

class Part extends Component<PartProps, { copied?: boolean }> {
  override shouldComponentUpdate(next: PartProps, state: { copied?: boolean }): boolean {
    return next.block !== this.props.block || next.words !== this.props.words || state !== this.state;
  }

  override render({ block, words }: PartProps): VNode {
    switch (block.kind) {
      case "paragraph":
        return <p>{spans(block.inside, words)}</p>;
      case "heading":
        return <p class={block.level < 3 ? "heading big" : "heading"}>{spans(block.inside, words)}</p>;
      case "quote":
        return <blockquote>{parts(block.blocks, words)}</blockquote>;
      case "rule":
        return <hr />;
      case "code":
        return this.#code(block.text, words);
      case "list": {
        const items = block.items.map((blocks, i) => <li key={i}>{item(blocks, words)}</li>);
        return block.start > 0 ? <ol start={block.start}>{items}</ol> : <ul>{items}</ul>;
      }
      case "table":
        return (
          <div class="table" tabIndex={0} role="region" aria-label={words.table}>
            <table>
              <thead>
                <tr>
                  {block.head.map((cell) => (
                    <th scope="col">{spans(cell, words)}</th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {block.rows.map((row) => (
                  <tr>
                    {row.map((cell) => (
                      <td>{spans(cell, words)}</td>
                    ))}
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        );
    }
  }

  #code(text: string, words: Strings): VNode {
    // The clipboard is missing on plain-http pages.
    const copy = () => {
      navigator.clipboard.writeText(text).then(
        () => this.setState({ copied: true }),
        () => {},
      );
    };
    return (
      <div class="code" dir="ltr">
        <pre tabIndex={0} role="region" aria-label={words.code}>
          <code>{text}</code>
        </pre>
        {"clipboard" in navigator && (
          <button type="button" class="copy" onClick={copy}>
            <Icon name={this.state.copied ? "check" : "copy"} />
            <span class="hide">{this.state.copied ? words.copied : words.copy}</span>
          </button>
        )}
      </div>
    );
  }
}

const parts = (blocks: readonly Block[], words: Strings) =>
  blocks.map((block, i) => <Part key={i} block={block} words={words} />);

/** The one paragraph of a short item needs no paragraph around it. */
const item = (blocks: readonly Block[], words: Strings) => {
  const [first, ...rest] = blocks;
  return first?.kind === "paragraph" ? [spans(first.inside, words), ...parts(rest, words)] : parts(blocks, words);
};

const spans = (inlines: readonly Inline[], words: Strings) => inlines.map((inline) => span(inline, words));

function span(inline: Inline, words: Strings): VNode | string {
  if (typeof inline === "string") return inline;
  switch (inline.kind) {
    case "strong":
      return <strong>{spans(inline.inside, words)}</strong>;
    case "em":
      return <em>{spans(inline.inside, words)}</em>;
    case "del":
      return <del>{spans(inline.inside, words)}</del>;
    case "code":
      return <code>{inline.text}</code>;
    case "break":
      return <br />;
    case "link":
      return (
        <Link to={inline.href} words={words}>
          {spans(inline.inside, words)}
        </Link>
      );
  }
}

interface LinkProps {
  readonly to: string;
  readonly words: Strings;
  readonly children: ComponentChildren;
}

/** A link where the address is of a kind that is allowed; else only what it would say. */
export function Link({ to, words, children }: LinkProps) {
  const href = to && safe_address(to, document.baseURI);
  if (!href) return <span>{children}</span>;
  if (href.startsWith("mailto:")) return <a href={href}>{children}</a>;
  return (
    <a href={href} target="_blank" rel="noopener noreferrer nofollow">
      {children}
      <span class="hide"> ({words.new_window})</span>
    </a>
  );
}

/** An answer as one would read it out. */
export function plain(blocks: readonly Block[]): string {
  const of_inlines = (inlines: readonly Inline[]): string =>
    inlines
      .map((inline) => {
        if (typeof inline === "string") return inline;
        if (inline.kind === "break") return " ";
        return inline.kind === "code" ? inline.text : of_inlines(inline.inside);
      })
      .join("");
  return blocks
    .map((block) => {
      switch (block.kind) {
        case "paragraph":
        case "heading":
          return of_inlines(block.inside);
        case "code":
          return block.text;
        case "quote":
          return plain(block.blocks);
        case "list":
          return block.items.map(plain).join("; ");
        case "table":
          return [block.head, ...block.rows].map((row) => row.map(of_inlines).join(", ")).join("; ");
        case "rule":
          return "";
      }
    })
    .join(" ");
}
