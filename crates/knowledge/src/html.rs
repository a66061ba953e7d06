//! HTML: what a reader of the page sees as its text, as Markdown, cut at its headings.
//!
//! Only the tokenizer of html5ever is used, no tree: a text is read in one pass, whatever its markup does wrong.

use std::cell::RefCell;

use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer};

use crate::document::Document;
use crate::language;

/// Reads a page. Its title is that of `<title>`, or the first `<h1>`; its address the canonical link.
pub(crate) fn read(source: &str) -> Document {
    let page = Page::read(source, true);
    // Something that is never closed, such as a `<nav>`, swallows the rest of the page: rather too much than nothing.
    let page = if page.skipping.is_some() { Page::read(source, false) } else { page };
    page.finish()
}

/// What stands on every page and is about none.
const LANDMARKS: [&str; 4] = ["nav", "footer", "aside", "dialog"];

/// What is no text.
const NO_TEXT: [&str; 12] = [
    "script", "style", "noscript", "template", "svg", "iframe", "button", "select", "textarea", "object", "canvas",
    "math",
];

const BLOCKS: [&str; 24] = [
    "p",
    "div",
    "section",
    "article",
    "main",
    "header",
    "ul",
    "ol",
    "dl",
    "dd",
    "dt",
    "table",
    "thead",
    "tbody",
    "tfoot",
    "blockquote",
    "pre",
    "form",
    "fieldset",
    "figure",
    "figcaption",
    "details",
    "summary",
    "address",
];

/// A page as far as it has been read.
#[derive(Debug, Default)]
struct Page {
    document: Document,
    skips_landmarks: bool,
    /// What is being skipped, and how many of its kind are open.
    skipping: Option<(String, usize)>,
    is_in_title: bool,
    title: String,
    first_heading: String,
    path: Vec<(u8, String)>,
    heading: Option<(u8, String)>,
    text: String,
    cells: usize,
    is_in_head_row: bool,
    has_main: bool,
    /// The main part has ended: what follows is not about the page.
    is_over: bool,
}

struct Sink(RefCell<Page>);

impl TokenSink for Sink {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        let mut page = self.0.borrow_mut();
        match token {
            Token::TagToken(tag) if tag.kind == TagKind::StartTag => return page.handle_start(&tag),
            Token::TagToken(tag) => page.handle_end(&tag.name),
            Token::CharacterTokens(text) => page.handle_text(&text),
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

impl Page {
    fn read(source: &str, skips_landmarks: bool) -> Self {
        let input = BufferQueue::default();
        input.push_back(StrTendril::from_slice(source));
        let sink = Sink(RefCell::new(Self { skips_landmarks, ..Self::default() }));
        let tokenizer = Tokenizer::new(sink, Default::default());
        // A script's end is reported so that a browser can run it; there is nothing to do here but to read on.
        while !input.is_empty() {
            let _ = tokenizer.feed(&input);
        }
        tokenizer.end();
        tokenizer.sink.0.into_inner()
    }

    fn finish(mut self) -> Document {
        self.end_section();
        let title = if self.title.trim().is_empty() { &self.first_heading } else { &self.title };
        self.document.title = one_line(title);
        let Document { title, sections, .. } = &mut self.document;
        for section in sections {
            if section.headings.first() == Some(title) {
                section.headings.remove(0);
            }
        }
        self.document
    }

    fn handle_start(&mut self, tag: &Tag) -> TokenSinkResult<()> {
        let name: &str = &tag.name;
        let raw = match name {
            "script" => TokenSinkResult::RawData(RawKind::ScriptData),
            "style" | "noscript" | "iframe" => TokenSinkResult::RawData(RawKind::Rawtext),
            "title" | "textarea" => TokenSinkResult::RawData(RawKind::Rcdata),
            _ => TokenSinkResult::Continue,
        };
        // Tags before it may not have been closed.
        if name == "main" && !self.has_main {
            self.handle_main();
        }
        if self.is_over {
            return raw;
        }
        if let Some((skipped, open)) = &mut self.skipping {
            *open += usize::from(skipped == name && !tag.self_closing);
        } else if !self.is_skipped(name) {
            self.handle_shown(tag);
        } else if !tag.self_closing {
            self.skipping = Some((name.to_owned(), 1));
        }
        raw
    }

    /// What stood before the main part was not about the page.
    fn handle_main(&mut self) {
        self.has_main = true;
        if self.skips_landmarks {
            self.skipping = None;
            self.heading = None;
            self.path.clear();
            self.first_heading.clear();
            self.text.clear();
            self.document.sections.clear();
        }
    }

    fn is_skipped(&self, name: &str) -> bool {
        NO_TEXT.contains(&name) || (self.skips_landmarks && LANDMARKS.contains(&name))
    }

    fn handle_shown(&mut self, tag: &Tag) {
        let name: &str = &tag.name;
        match name {
            "html" => self.document.language = attribute(tag, "lang").map(|tag| language::base(&tag)),
            "link" if attribute(tag, "rel").is_some_and(|rel| rel.eq_ignore_ascii_case("canonical")) => {
                self.document.url = attribute(tag, "href");
            }
            "title" => self.is_in_title = self.title.is_empty(),
            "br" => self.new_line(),
            "hr" => self.new_block(),
            "li" => {
                self.new_line();
                self.text.push_str("- ");
            }
            "tr" => {
                self.new_line();
                self.cells = 0;
                self.is_in_head_row = false;
            }
            "td" | "th" => {
                self.text.push_str(if self.cells == 0 { "| " } else { " | " });
                self.cells += 1;
                self.is_in_head_row |= name == "th";
            }
            _ => match level(name) {
                Some(level) => {
                    self.end_section();
                    self.heading = Some((level, String::new()));
                }
                None if BLOCKS.contains(&name) => self.new_block(),
                None => {}
            },
        }
    }

    fn handle_end(&mut self, name: &str) {
        if let Some((skipped, open)) = &mut self.skipping {
            if skipped == name {
                *open -= 1;
                if *open == 0 {
                    self.skipping = None;
                }
            }
            return;
        }
        match name {
            "title" => self.is_in_title = false,
            "tr" => self.end_row(),
            _ if level(name).is_some() => self.end_heading(),
            "main" if self.skips_landmarks => {
                self.end_section();
                self.is_over = true;
            }
            "li" => self.new_line(),
            _ if BLOCKS.contains(&name) => self.new_block(),
            _ => {}
        }
    }

    fn handle_text(&mut self, text: &str) {
        if self.skipping.is_some() || self.is_over {
        } else if self.is_in_title {
            self.title.push_str(text);
        } else if let Some((_, heading)) = &mut self.heading {
            heading.push_str(text);
        } else {
            self.push_words(text);
        }
    }

    /// Adds text with its spaces made one, and with what Markdown would read as markup escaped.
    fn push_words(&mut self, text: &str) {
        for letter in text.chars() {
            match letter {
                _ if letter.is_whitespace() => {
                    if !self.text.is_empty() && !self.text.ends_with(char::is_whitespace) {
                        self.text.push(' ');
                    }
                }
                '\\' | '*' | '`' | '[' | '<' => self.text.extend(['\\', letter]),
                '|' if self.cells > 0 => self.text.push_str("\\|"),
                _ => self.text.push(letter),
            }
        }
    }

    fn end_row(&mut self) {
        if self.cells == 0 {
            return;
        }
        self.text.push_str(" |");
        if self.is_in_head_row {
            self.text.push('\n');
            self.text.push_str(&"|---".repeat(self.cells));
            self.text.push('|');
        }
        (self.cells, self.is_in_head_row) = (0, false);
        self.text.push('\n');
    }

    /// In a table's cell a new line would end the row.
    fn new_line(&mut self) {
        if self.is_item_empty() {
            return;
        }
        let kept = self.text.trim_end_matches([' ', '\t']).len();
        self.text.truncate(kept);
        match self.text.chars().next_back() {
            None | Some('\n') => {}
            Some(_) => self.text.push(if self.cells > 0 { ' ' } else { '\n' }),
        }
    }

    /// Whether a list's item has begun and nothing of it has come.
    fn is_item_empty(&self) -> bool {
        self.text.strip_suffix("- ").is_some_and(|before| before.is_empty() || before.ends_with('\n'))
    }

    fn new_block(&mut self) {
        self.new_line();
        if self.cells == 0 && !self.text.is_empty() && !self.text.ends_with("\n\n") && !self.is_item_empty() {
            self.text.push('\n');
        }
    }

    fn end_heading(&mut self) {
        let Some((level, text)) = self.heading.take() else { return };
        let text = one_line(&text);
        if level == 1 && self.first_heading.is_empty() {
            self.first_heading.clone_from(&text);
        }
        self.path.retain(|(above, _)| *above < level);
        if !text.is_empty() {
            self.path.push((level, text));
        }
    }

    fn end_section(&mut self) {
        self.end_heading();
        let headings: Vec<_> = self.path.iter().map(|(_, text)| text.clone()).collect();
        let text = std::mem::take(&mut self.text);
        self.document.push(&headings, &text);
        (self.cells, self.is_in_head_row) = (0, false);
    }
}

/// `h1` to `h6`.
fn level(name: &str) -> Option<u8> {
    let level = name.strip_prefix('h')?.parse().ok()?;
    (1..=6).contains(&level).then_some(level)
}

fn attribute(tag: &Tag, name: &str) -> Option<String> {
    let attribute = tag.attrs.iter().find(|attribute| &*attribute.name.local == name)?;
    let value = attribute.value.trim();
    (!value.is_empty()).then(|| value.to_owned())
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(source: &str, sections: &[(&[&str], &str)]) -> Document {
        let document = read(source);
        let found: Vec<(Vec<&str>, &str)> = (document.sections.iter())
            .map(|section| (section.headings.iter().map(String::as_str).collect(), section.text.as_str()))
            .collect();
        let sections: Vec<_> = sections.iter().map(|(headings, text)| (headings.to_vec(), *text)).collect();
        assert_eq!(found, sections);
        document
    }

    #[test]
    fn a_page_is_cut_at_its_headings_without_scripts_styles_and_navigation() {
        let page = "<!doctype html><html lang='zh-Hans'><head><title>Our\n shop</title>
            <link rel=canonical href='https://shop.example/a'><style>p > a {}</style><script>if (a<b) '<p>no'</script></head>
            <body><nav><ul><li>Home</li></ul></nav><h1>Our shop</h1><p>We sell   <b>tea</b>.</p><p>And pots.
            <h2>When?</h2>Always &amp; ever.<footer>© us</footer></body></html>";
        let document = check(page, &[(&[], "We sell tea.\n\nAnd pots."), (&["When?"], "Always & ever.")]);
        assert_eq!(document.title, "Our shop");
        assert_eq!(document.url.as_deref(), Some("https://shop.example/a"));
        assert_eq!(document.language.as_deref(), Some("zh"));
    }

    #[test]
    fn lists_and_tables_become_markdown() {
        let page = "<ul><li>a<li><p>b</p></li></ul><table><tr><th>A</th><th>B</th></tr><tr><td>1<br>2</td><td>3|4</td></tr></table>";
        check(page, &[(&[], "- a\n- b\n\n| A | B |\n|---|---|\n| 1 2 | 3\\|4 |")]);
    }

    #[test]
    fn only_the_main_part_counts_where_there_is_one() {
        let page = "<body><div>Sale!<h1>Menu</h1></div><main><h1>Tea</h1>Good.</main><div>Cookies?</div>";
        assert_eq!(check(page, &[(&[], "Good.")]).title, "Tea");
    }

    #[test]
    fn a_navigation_that_is_never_closed_does_not_swallow_the_page() {
        check("<nav><a>Home</a><h1>Tea</h1><p>Good.</p>", &[(&[], "Home"), (&[], "Good.")]);
    }

    #[test]
    fn text_stays_text_in_markdown() {
        check("<p>2 * 3 * 4 &lt;b> [x] `y`</p>", &[(&[], "2 \\* 3 \\* 4 \\<b> \\[x] \\`y\\`")]);
        assert_eq!(crate::markdown::plain("2 \\* 3 \\* 4 \\<b> \\[x] \\`y\\`").trim(), "2 * 3 * 4 <b> [x] `y`");
    }
}
