//! A model without a model: deterministic answers, the best passage of a site's own texts, at the pace of a real one.
//!
//! It shows the product with no key and no network, and it is what the tests talk to.

mod directive;
mod pace;

use std::time::Duration;

use intent::SmallTalk;
use tokio::time::{Instant, sleep_until};

use self::directive::Directive;
use crate::model::{End, Model, ModelError, Piece, Pieces, Usage};
use crate::prompt::{self, Prompt};
use crate::settings::ScriptedSettings;

/// The scripted model.
#[derive(Debug)]
pub struct ScriptedModel {
    name: String,
    pace: Pace,
    test_directives: bool,
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
    /// `name` is the model's in the configuration.
    pub fn new(name: &str, settings: &ScriptedSettings) -> Self {
        Self {
            name: name.to_owned(),
            pace: Pace { first_token: settings.first_token, token: settings.token },
            test_directives: settings.test_directives,
        }
    }

    fn script(&self, prompt: &Prompt) -> Script {
        if self.test_directives
            && let Some(directive) = directive::parse(prompt.question())
        {
            return Script::directed(directive);
        }
        let asked = prompt::unanswered(&prompt.messages);
        let language = language::choose(["en", "zh"].into_iter(), &asked, &prompt.language).unwrap_or("en");
        match (SmallTalk::of(&asked), prompt.passages.as_deref().unwrap_or_default()) {
            (Some(about), _) => Script::answer(about.reply(language)),
            (None, [best, ..]) => Script::answer(&best.text),
            (None, []) => Script { offer_person: true, ..Script::answer(unknown(language)) },
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
                Finale::Handover => yield Ok(Piece::Handover { summary: String::new() }),
                Finale::Fail => yield Err(ModelError::Unreachable("as the test asked for".into())),
                Finale::Stall => std::future::pending().await,
                Finale::Hang => hang(),
                Finale::Crash => std::process::exit(70),
            }
        })
    }

    fn name(&self) -> &str {
        &self.name
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

/// The honest answer where the texts have none. A person is offered beside it.
fn unknown(language: &str) -> &'static str {
    match language {
        "zh" => "抱歉，这个问题我在本站的资料里没有找到答案。您可以换个说法再问我，或者找真人客服。",
        _ => {
            "I am sorry, I don't know: this site's texts do not say. You can ask me in other words, or talk to a person."
        }
    }
}

/// Blocks the thread for good, as a function does that is stuck: no clock of its own ends the turn.
fn hang() {
    loop {
        std::thread::park();
    }
}

#[cfg(test)]
mod tests;
