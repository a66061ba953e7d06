//! What a site knows: its folder of Markdown, HTML and text, cut into passages, indexed and searched.
//!
//! ```text
//! folder ─ Texts ─ Document ─ cut ─ Passage ─ tantivy (BM25) ─┐
//!                                                             ├─ candidates ─ coverage ─ Found
//! question ─ words, spelling, synonyms ─ Concept ─────────────┘
//! ```
//!
//! BM25 finds the candidates. Its scores mean nothing from one question to the next, so that whether there is an answer is
//! decided by **coverage**: how much of what was asked, rare words counting more, the best passage speaks of.
//! `docs/knowledge.md` has the format of the folder, the rule and the figures.

mod chinese;
mod concept;
mod coverage;
mod cut;
mod document;
mod error;
mod folder;
mod html;
mod index;
mod language;
mod markdown;
mod packed;
mod panics;
mod passage;
mod report;
mod schema;
mod search;
mod stop_words;
mod synonyms;
mod words;

pub use chinese::Dictionary;
pub use error::Error;
pub use folder::{Limits, Texts};
pub use index::{Knowledge, Options, build};
pub use passage::Passage;
pub use report::{Report, Skipped};
pub use search::{Found, Question, Scored};
