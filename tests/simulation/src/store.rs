//! The store: a linearizable log per conversation and the due index, which can be slow, fail before or after doing what it
//! was asked for, and do it late.

use std::sync::Arc;

use conversation::{Event, Millis, Seq};

use crate::agenda::{ConnectionIx, ConversationIx, Happening, Incarnation, OperationIx};
use crate::trace::tell;
use crate::watch::Checked;
use crate::world::World;

/// What is stored, and every operation of the history.
#[derive(Debug)]
pub(crate) struct Store {
    due: Vec<Option<Millis>>,
    operations: Vec<Operation>,
    down_until: Millis,
}

#[derive(Debug)]
struct Operation {
    from: Incarnation,
    conversation: ConversationIx,
    request: Request,
    answer: Answer,
}

/// What a node asks the store for.
#[derive(Debug, Clone)]
pub(crate) enum Request {
    Append { event: Arc<Event>, due: Option<Millis> },
    Read { after: Seq },
    History { connection: ConnectionIx, after: Seq },
    Claim { now: Millis, until: Millis },
}

/// What the store says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Not carried out, or nobody knows.
    Failed,
    Stored,
    Conflict,
    Events {
        events: Vec<Event>,
        more: bool,
    },
    Claimed(Vec<ConversationIx>),
}

impl Store {
    pub(crate) fn new(conversations: usize) -> Self {
        Self { due: vec![None; conversations], operations: vec![], down_until: 0 }
    }

    pub(crate) fn due(&self, conversation: ConversationIx) -> Option<Millis> {
        self.due[conversation]
    }

    pub(crate) fn set_due(&mut self, conversation: ConversationIx, due: Option<Millis>) {
        self.due[conversation] = due;
    }

    pub(crate) fn fail_until(&mut self, until: Millis) {
        self.down_until = until;
    }
}

impl World {
    /// Sends a request off. What becomes of it is decided now, and happens later.
    pub(crate) fn ask_store(&mut self, from: Incarnation, conversation: ConversationIx, request: Request) {
        let operation = self.store.operations.len();
        let is_append = matches!(request, Request::Append { .. });
        self.store.operations.push(Operation { from, conversation, request, answer: Answer::Failed });
        let worst = self.plan.store.worst_delay;
        let applies_at = self.now + self.rng.delay(5, worst);
        let answers_at = applies_at + self.rng.delay(5, worst);
        let fails = StoreFate::draw(self, is_append);
        if let Some(at) = fails.applies_at(applies_at, answers_at, self) {
            self.agenda.plan(at, Happening::StoreApplies(operation));
        }
        let failed = fails != StoreFate::Works;
        self.agenda.plan(answers_at, Happening::StoreAnswers { operation, failed });
    }

    pub(crate) fn store_applies(&mut self, operation: OperationIx) -> Checked {
        let Operation { conversation, request, .. } = &self.store.operations[operation];
        let (conversation, request) = (*conversation, request.clone());
        let answer = match request {
            Request::Append { event, due } => self.append(conversation, &event, due)?,
            Request::Read { after } | Request::History { after, .. } => self.read(conversation, after),
            Request::Claim { now, until } => self.claim(now, until),
        };
        self.store.operations[operation].answer = answer;
        Ok(())
    }

    pub(crate) fn store_answers(&mut self, operation: OperationIx, failed: bool) -> Checked {
        let Operation { from, conversation, request, answer } = &mut self.store.operations[operation];
        let answer = if failed { Answer::Failed } else { std::mem::replace(answer, Answer::Failed) };
        let (from, conversation, request) = (*from, *conversation, request.clone());
        self.node_hears_store(from, conversation, &request, answer)
    }

    /// Whose node an answer is for.
    pub(crate) fn asker(&self, operation: OperationIx) -> Incarnation {
        self.store.operations[operation].from
    }

    /// Appends at the event's seq if that is the next one.
    pub(crate) fn append(
        &mut self,
        conversation: ConversationIx,
        event: &Arc<Event>,
        due: Option<Millis>,
    ) -> Checked<Answer> {
        if event.seq != self.watch.head(conversation) + 1 {
            tell!(self, "store   c{conversation} {} is taken", event.seq);
            self.tally.conflicts += 1;
            return Ok(Answer::Conflict);
        }
        tell!(self, "store   c{conversation} {} {:?} due {due:?}", event.seq, event.body);
        self.watch.stored(conversation, event, due)?;
        self.store.set_due(conversation, due);
        self.tally.count(&event.body);
        Ok(Answer::Stored)
    }

    fn read(&mut self, conversation: ConversationIx, after: Seq) -> Answer {
        let limit = self.plan.page;
        let log = self.watch.log(conversation);
        let rest = log.get(after as usize..).unwrap_or_default();
        let events: Vec<Event> = rest.iter().take(limit).map(|event| (**event).clone()).collect();
        let all = events.len() == rest.len();
        // A store may say "perhaps more" when there is none; only an empty answer is certain.
        let more = !events.is_empty() && (!all || self.rng.chance(500));
        Answer::Events { events, more }
    }

    fn claim(&mut self, now: Millis, until: Millis) -> Answer {
        let mut claimed = vec![];
        for (conversation, due) in self.store.due.iter_mut().enumerate() {
            if due.is_some_and(|due| due <= now) {
                *due = Some(until);
                claimed.push(conversation);
            }
        }
        Answer::Claimed(claimed)
    }
}

/// What becomes of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StoreFate {
    Works,
    FailsBefore,
    FailsAfter,
    LandsLate,
}

impl StoreFate {
    fn draw(world: &mut World, is_append: bool) -> Self {
        let weather = world.plan.store.clone();
        if world.now < world.store.down_until {
            return if is_append && world.rng.chance(weather.lands_late) { Self::LandsLate } else { Self::FailsBefore };
        }
        match () {
            () if world.rng.chance(weather.fails_before) => Self::FailsBefore,
            () if world.rng.chance(weather.fails_after) => Self::FailsAfter,
            () if is_append && world.rng.chance(weather.lands_late) => Self::LandsLate,
            () => Self::Works,
        }
    }

    fn applies_at(self, soon: Millis, answered: Millis, world: &mut World) -> Option<Millis> {
        match self {
            Self::Works | Self::FailsAfter => Some(soon),
            Self::FailsBefore => None,
            Self::LandsLate => Some(answered + world.rng.delay(500, 20_000)),
        }
    }
}
