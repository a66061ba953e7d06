//! What a turn is about, before a model is asked and after it: who is to answer, from what, and what if nobody does.

use std::sync::Arc;

use intent::{Fallback, Model as Intents, PersonRequests, SmallTalk};
use knowledge::{Knowledge, Passage, Question};
use protocol::function::{
    AiAnswer, AiFailure, AiHandover, AiOutcome, AiRequest, FailureReason, HandoverReason, Message,
};
use tokio::time::Instant;

use crate::clocks::Clocks;
use crate::mask::Mask;
use crate::prompt::{self, Prompt};
use crate::settings::Settings;
use crate::site::Site;
use crate::speech::Speech;
use crate::stands_alone::stands_alone;
use crate::summary::{Handed, summary};

/// The most of a model's question that passages take, in bytes.
const MAX_PASSAGE_BYTES: usize = 6_000;

/// How much of the first token's clock is waited for texts that are still being prepared: a half.
const PREPARING: u32 = 2;

/// One turn, all that is known of it.
pub(crate) struct Plan {
    site_key: String,
    site: Arc<Site>,
    /// What the visitor asks, as they wrote it.
    question: String,
    /// BCP 47 tag of the language the visitor's client shows.
    language: String,
    /// The recent messages, as they may leave for a model.
    messages: Vec<Message>,
    mask: Mask,
    intents: Option<Arc<Intents>>,
    /// What answers the question. Nothing: the site has no texts.
    passages: Option<Vec<Passage>>,
    models: Vec<String>,
    failures: u32,
    try_until: Instant,
}

impl Plan {
    /// Puts together what the turn needs.
    ///
    /// # Errors
    /// The outcome of a turn that needs no model, or cannot be.
    pub(crate) async fn new(request: &AiRequest, settings: &Settings, clocks: &Clocks) -> Result<Self, AiOutcome> {
        let failure = |reason| AiOutcome::Failure(AiFailure { reason });
        let now = Instant::now();
        if clocks.try_until() <= now {
            return Err(failure(FailureReason::Deadline));
        }
        let recent = prompt::recent(&request.messages, settings.max_prompt_bytes);
        let recent = recent.ok_or(failure(FailureReason::InvalidRequest))?;
        let site = settings.site(&request.site);
        let mut plan = Self::begin(request, site, &recent, clocks.try_until());
        if let Some(reason) = plan.handover_asked(&recent, &settings.people) {
            return Err(plan.handover(reason, "", String::new()));
        }
        let prepared_by = now + (clocks.try_until() - now) / PREPARING;
        if let Some(intents) = &plan.site.intents {
            plan.intents = intents.by(prepared_by).await;
        }
        if let Some(outcome) = plan.instant(&recent) {
            return Err(outcome);
        }
        if let Some(knowledge) = &plan.site.knowledge {
            let knowledge = knowledge.by(prepared_by).await;
            plan.passages = knowledge.map(|knowledge| plan.passages(&knowledge, &recent));
        }
        Ok(plan)
    }

    fn begin(request: &AiRequest, site: Arc<Site>, recent: &[Message], try_until: Instant) -> Self {
        let mut mask = Mask::default();
        let text =
            |text: &str, mask: &mut Mask| if site.mask_personal_data { mask.mask(text) } else { text.to_owned() };
        let message =
            |message: &Message| Message { role: message.role, text: prompt::plain(&text(&message.text, &mut mask)) };
        let messages = recent.iter().map(message).collect();
        let models = if request.models.is_empty() { site.models.clone() } else { request.models.clone() };
        Self {
            site_key: request.site.clone(),
            question: prompt::unanswered(recent),
            language: request.language.clone(),
            messages,
            mask,
            intents: None,
            passages: None,
            models,
            failures: request.failures,
            try_until,
            site,
        }
    }

    /// Why a person should take over at once.
    fn handover_asked(&self, messages: &[Message], people: &PersonRequests) -> Option<HandoverReason> {
        if prompt::since_the_answer(messages).any(|text| people.asks_for_person(text)) {
            return Some(HandoverReason::VisitorAsked);
        }
        let is_rule = |text| intent::has_phrase(text, &self.site.handover_words);
        prompt::since_the_answer(messages).any(is_rule).then_some(HandoverReason::Rule)
    }

    /// The outcome of a message that the intents are sure enough of to ask no model.
    fn instant(&self, messages: &[Message]) -> Option<AiOutcome> {
        let intents = self.intents.as_deref().filter(|_| stands_alone(messages))?;
        match intent::instant(intents, &self.question, &self.language) {
            Fallback::Reply(text) => self.site.instant.then(|| replied(text)),
            // The site said itself that such messages are for people.
            Fallback::Handover { text } => Some(self.handover(HandoverReason::Rule, "", text)),
            Fallback::AskBack { .. } | Fallback::Nothing => None,
        }
    }

    fn passages(&self, knowledge: &Knowledge, messages: &[Message]) -> Vec<Passage> {
        let language = Some(self.language.as_str()).filter(|language| !language.is_empty());
        // A question that says by itself what it asks must not be answered with the texts for the one before it.
        let previous = prompt::previous(messages).filter(|_| !stands_alone(messages));
        let question = Question { text: &self.question, previous, language };
        match knowledge.search(question) {
            Ok(found) if found.is_answerable => {
                let passages = found.passages.into_iter().map(|scored| scored.passage).collect();
                prompt::fitting(passages, MAX_PASSAGE_BYTES)
            }
            Ok(_) => Vec::new(),
            Err(error) => {
                tracing::error!(site = self.site_key, %error, "the site's texts cannot be searched");
                Vec::new()
            }
        }
    }

    /// What to ask the model.
    pub(crate) fn prompt(&self) -> Prompt {
        Prompt {
            site: self.site_key.clone(),
            rules: prompt::rules(&self.site, self.passages.as_deref()),
            messages: self.messages.clone(),
            language: self.language.clone(),
            models: self.models.clone(),
            may_hand_over: true,
            passages: self.passages.clone(),
            try_until: self.try_until,
        }
    }

    /// The way of the model's answer to the visitor.
    pub(crate) fn speech(&self) -> Speech {
        let mut links = self.site.links.clone();
        let passages = self.passages.as_deref().unwrap_or_default();
        for passage in passages {
            links.allow_those_in(&passage.text);
            links.allow_those_in(passage.url.as_deref().unwrap_or_default());
        }
        Speech::new(passages.len(), links, self.site.secret(), &self.mask)
    }

    /// The passages that the model was shown.
    pub(crate) fn shown(&self) -> &[Passage] {
        self.passages.as_deref().unwrap_or_default()
    }

    /// Whether the site's texts say nothing to the question, so that the honest answer is not to know.
    pub(crate) fn is_unanswerable(&self) -> bool {
        self.passages.as_ref().is_some_and(Vec::is_empty) && SmallTalk::of(&self.question).is_none()
    }

    /// The outcome where the model said nothing.
    pub(crate) fn fallback(&self) -> AiOutcome {
        match intent::fallback(self.intents.as_deref(), &self.question, &self.language, self.failures) {
            Fallback::Reply(text) => replied(text),
            Fallback::AskBack { text, choices } => not_answered(text, choices),
            Fallback::Handover { text } => self.handover(HandoverReason::Rule, "", text),
            Fallback::Nothing if self.failures > 0 => self.handover(HandoverReason::Failures, "", String::new()),
            Fallback::Nothing => {
                not_answered(self.site.fallback_text(&self.question, &self.language).to_owned(), vec![])
            }
        }
    }

    /// A person should take over. `note`: what the model wrote for them; `text`: what the visitor reads before.
    pub(crate) fn handover(&self, reason: HandoverReason, note: &str, text: String) -> AiOutcome {
        let ranking = self.intents.as_deref().map(|intents| intents.classify(&self.question));
        let ranked = ranking.as_ref().filter(|ranking| ranking.in_scope).and_then(|ranking| ranking.intents.first());
        let about = ranked.map(|ranked| ranked.intent.key.as_str());
        let failures = self.failures.saturating_add(u32::from(reason == HandoverReason::Failures));
        let handed = Handed { messages: &self.messages, intent: about, failures, note };
        AiOutcome::Handover(AiHandover { reason, summary: summary(handed), text })
    }
}

/// The site's own words answer the message.
fn replied(text: String) -> AiOutcome {
    AiOutcome::Answer(AiAnswer { text, intent: true, ..AiAnswer::default() })
}

/// The site's own words, which do not answer it, and what the visitor may say to them.
fn not_answered(text: String, choices: Vec<String>) -> AiOutcome {
    AiOutcome::Answer(AiAnswer { text, fallback: true, offer_person: true, choices, ..AiAnswer::default() })
}
