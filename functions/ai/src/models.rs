//! The models of a site, tried in its order until one has begun to answer.
//!
//! The next model is asked while not one character of content has come; what a server sends before it (headers, roles,
//! keep-alives, white space, reasoning) is none. From the first content on nothing is tried again: what follows it is that
//! model's, and its error too.
//!
//! All attempts share the clock of the first token. While another model is still to be tried, one attempt gets **half** of
//! what is left of it, the last model all of it: with 8 s and two models, a first one that stalls leaves 4 s to the second.
//! See [`course`] for who comes next, and [`health`] for models that have just failed.

mod course;
mod health;

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use config::{Config, DEFAULT_MODEL, ModelKind};
use futures_util::StreamExt;
use futures_util::future::join_all;
use tokio::time::{Instant, sleep_until, timeout_at};

use self::course::{Course, Step};
use self::health::Health;
use crate::Error;
use crate::model::{Model, ModelError, Piece, Pieces};
use crate::openai::OpenAiModel;
use crate::prompt::Prompt;
use crate::scripted::ScriptedModel;
use crate::settings::{self, OpenAiSettings};

/// All models of the configuration. Itself a model.
pub struct Models {
    list: Arc<Vec<Entry>>,
}

struct Entry {
    model: Arc<dyn Model>,
    health: Mutex<Health>,
}

impl Models {
    /// These models, the first one for prompts that name none.
    pub fn new(list: Vec<Arc<dyn Model>>) -> Self {
        let entry = |model| Entry { model, health: Mutex::default() };
        Self { list: Arc::new(list.into_iter().map(entry).collect()) }
    }

    /// The models of `config`, `default` first. Connects to nothing.
    ///
    /// # Errors
    /// A key cannot be sent, TLS cannot be set up, or a site's texts cannot be read.
    pub fn configured(config: &Config) -> Result<Self, Error> {
        let names = std::iter::once(DEFAULT_MODEL).chain(config.models.keys().map(String::as_str));
        let models = names.filter_map(|name| Some((name, config.model(name)?)));
        let list = models.map(|(name, model)| configured(name, &model, config)).collect::<Result<_, _>>()?;
        Ok(Self::new(list))
    }

    /// Where the models named are in the list; of those that failed just now, the last.
    fn order(&self, names: &[String], now: Instant) -> Vec<usize> {
        let position = |name: &String| self.list.iter().position(|entry| entry.model.name() == name);
        let mut order: Vec<usize> = match names {
            [] => (0..self.list.len().min(1)).collect(),
            names => names.iter().filter_map(position).collect(),
        };
        order.sort_by_key(|index| self.list[*index].health().is_behind(now));
        order
    }
}

fn configured(name: &str, model: &config::Model, config: &Config) -> Result<Arc<dyn Model>, Error> {
    Ok(match (model.model, OpenAiSettings::new(name, model, &config.ai)) {
        (ModelKind::OpenAi, Some(settings)) => Arc::new(OpenAiModel::new(&settings)?),
        // The configuration refuses an `openai` without its address or name.
        _ => Arc::new(ScriptedModel::new(name, &settings::scripted(&config.ai))),
    })
}

impl Entry {
    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Model for Models {
    fn answer(&self, prompt: Prompt) -> Pieces {
        let mut course = Course::new(self.order(&prompt.models, Instant::now()), prompt.try_until);
        let list = Arc::clone(&self.list);
        Box::pin(async_stream::stream! {
            loop {
                let (index, until) = match course.poll_step(Instant::now()) {
                    Step::Ask { index, until } => (index, until),
                    Step::Wait(until) => {
                        sleep_until(until).await;
                        continue;
                    }
                    Step::GiveUp(error) => {
                        yield Err(error);
                        return;
                    }
                };
                let entry = &list[index];
                yield Ok(Piece::Asking(entry.model.name().to_owned()));
                let mut attempt = Attempt { pieces: entry.model.answer(prompt.clone()), offers_person: false };
                let error = loop {
                    match attempt.next(until).await {
                        Before::Content(piece) => {
                            entry.health().handle_answer();
                            if attempt.offers_person {
                                yield Ok(Piece::OfferPerson);
                            }
                            yield Ok(piece);
                            while let Some(piece) = attempt.pieces.next().await {
                                yield piece;
                            }
                            return;
                        }
                        Before::Other(piece) => yield Ok(piece),
                        Before::Failed(error) => break error,
                    }
                };
                drop(attempt);
                let now = Instant::now();
                entry.health().handle_error(&error, now);
                course.handle_error(index, error.clone(), jitter(), now);
                if !course.is_over() {
                    tracing::warn!(model = entry.model.name(), %error, "the model gave no answer; another attempt follows");
                    yield Ok(Piece::Failed(error));
                }
            }
        })
    }

    fn name(&self) -> &str {
        self.list.first().map_or("", |entry| entry.model.name())
    }

    fn warm_up(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let all: Vec<_> = self.list.iter().map(|entry| entry.model.warm_up()).collect();
        Box::pin(async move {
            join_all(all).await;
        })
    }
}

/// One attempt, until its first content.
struct Attempt {
    pieces: Pieces,
    /// It offered a person, which counts only if it answers.
    offers_person: bool,
}

/// What comes of an attempt while there is no content.
enum Before {
    /// The answer has begun: with text, or with its announcement, or with a handover.
    Content(Piece),
    /// What is no part of the answer.
    Other(Piece),
    Failed(ModelError),
}

impl Attempt {
    /// `until`: when the next model's time begins; without it the turn's own clock stops the waiting.
    async fn next(&mut self, until: Option<Instant>) -> Before {
        loop {
            let next = self.pieces.next();
            let next = match until {
                Some(until) => match timeout_at(until, next).await {
                    Ok(next) => next,
                    Err(_elapsed) => return Before::Failed(ModelError::TimedOut("no first token in its share")),
                },
                None => next.await,
            };
            return match next {
                Some(Ok(Piece::Text(text))) => match text.trim_start() {
                    "" => continue,
                    content => Before::Content(Piece::Text(content.to_owned())),
                },
                Some(Ok(Piece::OfferPerson)) => {
                    self.offers_person = true;
                    continue;
                }
                Some(Ok(piece @ (Piece::Heard(_) | Piece::Handover { .. }))) => Before::Content(piece),
                Some(Ok(Piece::End(_))) => Before::Failed(ModelError::Invalid("an answer without a word".into())),
                Some(Ok(piece)) => Before::Other(piece),
                Some(Err(error)) => Before::Failed(error),
                None => Before::Failed(ModelError::Invalid("it ended without an end".into())),
            };
        }
    }
}

/// A random number in 0..1, another one in each process.
fn jitter() -> f64 {
    use std::hash::{BuildHasher, RandomState};
    f64::from(RandomState::new().hash_one(0) as u32) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests;
