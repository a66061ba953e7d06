//! A model without a model: deterministic answers from a site's own texts, at the pace of a real one.
//!
//! It shows the product with no key and no network, and it is what the tests talk to.

mod directive;
mod index;
mod knowledge;
mod pace;
mod small_talk;
mod words;

use std::collections::BTreeMap;
use std::time::Duration;

use protocol::function::{Message, Role};
use tokio::time::{Instant, sleep_until};

use self::directive::Directive;
use self::knowledge::Knowledge;
use crate::Error;
use crate::language;
use crate::model::{End, Model, ModelError, Piece, Pieces, Usage};
use crate::prompt::Prompt;
use crate::settings::ScriptedSettings;

/// The scripted model.
#[derive(Debug)]
pub struct ScriptedModel {
    pace: Pace,
    test_directives: bool,
    /// By site.
    knowledge: BTreeMap<String, Knowledge>,
    /// For sites that name no folder.
    demo: Knowledge,
}

/// When tokens come.
#[derive(Clone, Copy, Debug)]
struct Pace {
    first_token: Duration,
    /// From one token to the next. Zero: the whole answer at once.
    token: Duration,
}

/// What to say, and what happens then.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Script {
    text: String,
    offer_person: bool,
    delay: Duration,
    finale: Finale,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Finale {
    End,
    Handover,
    Fail,
    Stall,
    Hang,
    Crash,
}

impl ScriptedModel {
    /// Reads the sites' texts.
    ///
    /// # Errors
    /// A folder cannot be read, or has no texts.
    pub fn new(settings: &ScriptedSettings) -> Result<Self, Error> {
        let read = |(site, folder): (&String, &std::path::PathBuf)| match Knowledge::read(folder) {
            Ok(knowledge) => Ok((site.clone(), knowledge)),
            Err(reason) => Err(Error::Knowledge { site: site.clone(), reason }),
        };
        Ok(Self {
            pace: Pace { first_token: settings.first_token, token: settings.token },
            test_directives: settings.test_directives,
            knowledge: settings.knowledge.iter().map(read).collect::<Result<_, _>>()?,
            demo: Knowledge::demo(),
        })
    }

    fn script(&self, prompt: &Prompt) -> Script {
        if self.test_directives
            && let Some(directive) = directive::parse(prompt.question())
        {
            return Script::directed(directive);
        }
        let knowledge = self.knowledge.get(&prompt.site).unwrap_or(&self.demo);
        let asked = unanswered(&prompt.messages);
        let language = language::choose(knowledge.languages(), &asked, &prompt.language).unwrap_or("en");
        if let Some(kind) = small_talk::kind(&asked) {
            return Script::answer(small_talk::reply(kind, language));
        }
        let index = knowledge.index(language);
        let best = |question: &str, is_sure| index.and_then(|index| index.best(question, is_sure));
        let follow_up = || best(&follow_up(&prompt.messages)?, false);
        match best(&asked, true).or_else(follow_up).or_else(|| best(&asked, false)) {
            Some(section) => Script::answer(&section.text),
            None => Script { offer_person: true, ..Script::answer(small_talk::unknown(language)) },
        }
    }
}

impl Model for ScriptedModel {
    fn answer(&self, prompt: Prompt) -> Pieces {
        let asked_at = Instant::now();
        let script = self.script(&prompt);
        let pace = self.pace;
        let prompt_bytes: usize =
            prompt.rules.len() + prompt.messages.iter().map(|message| message.text.len()).sum::<usize>();
        Box::pin(async_stream::stream! {
            let mut due = asked_at + pace.first_token + script.delay;
            let mut completion_tokens = 0;
            if script.offer_person {
                yield Ok(Piece::OfferPerson);
            }
            for token in pace::tokens(&script.text) {
                sleep_until(due).await;
                due += pace.token;
                completion_tokens += 1;
                yield Ok(Piece::Text(token.to_owned()));
            }
            if completion_tokens == 0 {
                sleep_until(due).await;
            }
            match script.finale {
                Finale::End => {
                    yield Ok(Piece::Usage(Usage { prompt_tokens: prompt_bytes.div_ceil(4) as u64, completion_tokens }));
                    yield Ok(Piece::End(End::Complete));
                }
                Finale::Handover => yield Ok(Piece::Handover),
                Finale::Fail => yield Err(ModelError::Unreachable("as the test asked for".into())),
                Finale::Stall => std::future::pending().await,
                Finale::Hang => hang(),
                Finale::Crash => std::process::exit(70),
            }
        })
    }

    fn name(&self) -> &str {
        "scripted"
    }
}

impl Script {
    fn answer(text: &str) -> Self {
        Self { text: text.to_owned(), offer_person: false, delay: Duration::ZERO, finale: Finale::End }
    }

    fn directed(directive: Directive) -> Self {
        let after = |tokens, finale| Self { finale, ..Self::answer(&directive::filler(tokens)) };
        match directive {
            Directive::Crash(tokens) => after(tokens, Finale::Crash),
            Directive::Hang(tokens) => after(tokens, Finale::Hang),
            Directive::Fail(tokens) => after(tokens, Finale::Fail),
            Directive::Stall(tokens) => after(tokens, Finale::Stall),
            Directive::Long(tokens) => after(tokens, Finale::End),
            Directive::Handover => after(0, Finale::Handover),
            Directive::Slow(delay) => Self { delay, ..after(8, Finale::End) },
        }
    }
}

/// The visitor's messages since the last answer, as one text.
fn unanswered(messages: &[Message]) -> String {
    let texts: Vec<_> = messages.iter().rev().take_while(|message| message.role == Role::Visitor).collect();
    texts.iter().rev().map(|message| message.text.as_str()).collect::<Vec<_>>().join("\n")
}

/// The visitor's newest message with the one before it, if the newest makes sense only so: "And to Germany?"
fn follow_up(messages: &[Message]) -> Option<String> {
    const OPENINGS: [&str; 8] = ["and ", "what about", "how about", "then ", "also ", "那", "还有", "如果是"];
    let mut texts =
        messages.iter().rev().filter(|message| message.role == Role::Visitor).map(|message| message.text.as_str());
    let (newest, previous) = (texts.next()?, texts.next()?);
    let begins_so = OPENINGS.iter().any(|opening| newest.trim_start().to_lowercase().starts_with(opening));
    (begins_so || words::count(newest) <= 1).then(|| format!("{previous}\n{newest}"))
}

/// Blocks the thread for good, as a function does that is stuck: no clock of its own ends the turn.
fn hang() {
    loop {
        std::thread::park();
    }
}

#[cfg(test)]
mod tests;
