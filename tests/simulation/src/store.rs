//! The store: a linearizable log per conversation, the due index and its claims, which can be slow, fail before or after
//! doing what it was asked for, and do it late. What it can lose is in `loss.rs`.

use std::sync::Arc;

use conversation::{AnswerEnd, Body, Claim, Event, Fence, HandoverReason, Millis, Seq};

use crate::agenda::{ConnectionIx, ConversationIx, Happening, Incarnation, OperationIx};
use crate::trace::tell;
use crate::watch::{Checked, ensure};
use crate::world::World;

/// What is stored, and every operation of the history.
#[derive(Debug)]
pub(crate) struct Store {
    places: Vec<Place>,
    operations: Vec<Operation>,
    down_until: Millis,
}

/// What is stored of one conversation besides its log.
#[derive(Debug, Default)]
pub(crate) struct Place {
    pub(crate) due: Option<Millis>,
    pub(crate) claim: Option<Standing>,
    /// The due time that came with each event.
    pub(crate) dues: Vec<Option<Millis>>,
    pub(crate) forgotten: bool,
}

/// A claim that has not ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standing {
    pub(crate) claim: Claim,
    pub(crate) by: Incarnation,
    pub(crate) until: Millis,
}

#[derive(Debug)]
struct Operation {
    from: Incarnation,
    conversation: ConversationIx,
    /// Which of the node's slots asked; 0: none.
    slot: u64,
    request: Request,
    answer: Answer,
}

/// What a node asks the store for.
#[derive(Debug, Clone)]
pub(crate) enum Request {
    Append(Append),
    Read { after: Seq },
    History { connection: ConnectionIx, after: Seq },
    SetDue { head: Seq, due: Option<Millis>, fence: Fence },
    Claim { now: Millis, until: Millis, claim: Claim },
}

/// One event for a log.
#[derive(Debug, Clone)]
pub(crate) struct Append {
    pub(crate) event: Arc<Event>,
    pub(crate) due: Option<Millis>,
    pub(crate) fence: Fence,
    pub(crate) previous_at: Millis,
}

/// What the store says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Not carried out, or nobody knows.
    Failed,
    Stored,
    Conflict,
    Fenced,
    Events {
        events: Vec<Event>,
        more: bool,
    },
    Claimed(Vec<ConversationIx>),
}

impl Store {
    pub(crate) fn new(conversations: usize) -> Self {
        Self { places: (0..conversations).map(|_| Place::default()).collect(), operations: vec![], down_until: 0 }
    }

    pub(crate) fn place(&self, conversation: ConversationIx) -> &Place {
        &self.places[conversation]
    }

    pub(crate) fn place_mut(&mut self, conversation: ConversationIx) -> &mut Place {
        &mut self.places[conversation]
    }

    pub(crate) fn fail_until(&mut self, until: Millis) {
        self.down_until = until;
    }
}

impl World {
    /// Sends a request off. What becomes of it is decided now, and happens later.
    pub(crate) fn ask_store(&mut self, from: Incarnation, conversation: ConversationIx, request: Request) {
        let operation = self.store.operations.len();
        let slot = self.slot_of(from.node, conversation);
        let is_append = matches!(request, Request::Append(_));
        self.store.operations.push(Operation { from, conversation, slot, request, answer: Answer::Failed });
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
        let Operation { from, conversation, request, .. } = &self.store.operations[operation];
        let (from, conversation, request) = (*from, *conversation, request.clone());
        let answer = match request {
            Request::Append(append) => self.append(Some(from), conversation, &append)?,
            Request::SetDue { head, due, fence } => self.set_due(conversation, head, due, fence),
            Request::Read { after } => self.read(conversation, after),
            // It begins with the event that the client holds, which must be found again.
            Request::History { after, .. } => self.read(conversation, after.saturating_sub(1)),
            Request::Claim { now, until, claim } => self.claim(from, now, until, claim)?,
        };
        self.store.operations[operation].answer = answer;
        Ok(())
    }

    pub(crate) fn store_answers(&mut self, operation: OperationIx, failed: bool) -> Checked {
        let Operation { from, conversation, slot, request, answer } = &mut self.store.operations[operation];
        let answer = if failed { Answer::Failed } else { std::mem::replace(answer, Answer::Failed) };
        let (from, conversation, slot, request) = (*from, *conversation, *slot, request.clone());
        self.node_hears_store(from, conversation, slot, &request, answer)
    }

    /// Whose node an answer is for.
    pub(crate) fn asker(&self, operation: OperationIx) -> Incarnation {
        self.store.operations[operation].from
    }

    /// Appends at the event's seq if that is the next one and no claim keeps it out.
    pub(crate) fn append(
        &mut self,
        from: Option<Incarnation>,
        conversation: ConversationIx,
        append: &Append,
    ) -> Checked<Answer> {
        let Append { event, due, fence, previous_at } = append;
        let newest_at = self.watch.log(conversation).last().map_or(0, |newest| newest.at);
        // Only a store that can lose events compares times.
        let is_other = self.plan.loses() && newest_at != *previous_at;
        let place = self.store.place(conversation);
        if event.seq != self.watch.head(conversation) + 1 || is_other || place.forgotten {
            tell!(self, "store   c{conversation} {} is taken", event.seq);
            self.tally.conflicts += 1;
            return Ok(Answer::Conflict);
        }
        if !fence.lets_through(place.claim.map(|standing| standing.claim)) {
            tell!(self, "store   c{conversation} {} is kept out", event.seq);
            self.tally.fenced += 1;
            return Ok(Answer::Fenced);
        }
        let claimed_by_other = place.claim.filter(|standing| from.is_some_and(|from| from != standing.by));
        if let Some(standing) = claimed_by_other {
            let what = &event.body;
            let allowed = !is_own(what);
            ensure!(5, allowed, "{from:?} appends {what:?} though {standing:?} has claimed the conversation since");
        }
        tell!(self, "store   c{conversation} {} {:?} due {due:?}", event.seq, event.body);
        self.watch.stored(conversation, event, *due)?;
        let place = self.store.place_mut(conversation);
        (place.due, place.claim) = (*due, None);
        place.dues.push(*due);
        self.tally.count(&event.body);
        Ok(Answer::Stored)
    }

    fn set_due(&mut self, conversation: ConversationIx, head: Seq, due: Option<Millis>, fence: Fence) -> Answer {
        let is_next = head == self.watch.head(conversation);
        let place = self.store.place_mut(conversation);
        if !is_next || place.forgotten {
            return Answer::Conflict;
        }
        if !fence.lets_through(place.claim.map(|standing| standing.claim)) {
            return Answer::Fenced;
        }
        tell!(self, "store   c{conversation} is due {due:?}");
        let place = self.store.place_mut(conversation);
        (place.due, place.claim) = (due, None);
        self.tally.moved += 1;
        Answer::Stored
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

    fn claim(&mut self, by: Incarnation, now: Millis, until: Millis, claim: Claim) -> Checked<Answer> {
        let mut claimed = vec![];
        for (conversation, place) in self.store.places.iter_mut().enumerate() {
            if place.due.is_none_or(|due| due > now) {
                continue;
            }
            let standing = place.claim.replace(Standing { claim, by, until });
            let ended = standing.is_none_or(|standing| standing.until <= now);
            ensure!(5, ended, "{by:?} claims c{conversation} at {now}, which {standing:?} has claimed");
            place.due = Some(until);
            claimed.push(conversation);
        }
        Ok(Answer::Claimed(claimed))
    }
}

/// Whether a node does it of its own accord, and not for somebody who asked for it.
fn is_own(body: &Body) -> bool {
    match body {
        Body::Answer { end, .. } => *end != AnswerEnd::Stopped,
        Body::Handover { reason, .. } => *reason != HandoverReason::VisitorAsked,
        Body::Assigned { .. } => true,
        _ => false,
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
