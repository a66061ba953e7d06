//! One conversation on a node, with what is under way for it. It rests when nothing happens in it: then only its
//! [`Rested`] is kept, and the next input reads its log again.

use std::collections::BTreeMap;
use std::sync::Arc;

use conversation::{Audience, Command, CommandKey, Live, Millis, Notice, Piece, Policy, Position, Rested, Seq};

use crate::agenda::ConnectionIx;

/// One conversation on a node.
#[derive(Debug)]
pub(crate) struct Slot {
    /// Tells it from the others of this history, also from one of the same conversation on the same node.
    pub(crate) number: u64,
    policy: Arc<Policy>,
    /// `None`: it rests.
    live: Option<Live>,
    rested: Rested,
    /// When a command came last.
    pub(crate) touched: Millis,
    /// Commands without a reply.
    pub(crate) asked: BTreeMap<CommandKey, (ConnectionIx, u32, Command)>,
    pub(crate) under_way: bool,
    pub(crate) run: Option<u32>,
    pub(crate) routing: bool,
    pub(crate) timer: Option<Millis>,
    /// The highest seq the bus told of.
    pub(crate) heard: Seq,
    /// The highest seq at which an append met another.
    pub(crate) taken: Seq,
    /// The newest command that was acknowledged.
    pub(crate) acked: CommandKey,
}

impl Slot {
    pub(crate) fn new(number: u64, policy: Arc<Policy>, now: Millis) -> Self {
        Self {
            number,
            live: Some(Live::new(Arc::clone(&policy))),
            policy,
            rested: Rested::default(),
            touched: now,
            asked: BTreeMap::new(),
            under_way: false,
            run: None,
            routing: false,
            timer: None,
            heard: 0,
            taken: 0,
            acked: 0,
        }
    }

    /// The conversation, for an input: one that rested wants its log again.
    pub(crate) fn live(&mut self) -> &mut Live {
        self.live.get_or_insert_with(|| Live::wake(Arc::clone(&self.policy), self.rested))
    }

    /// The conversation, if it does not rest.
    pub(crate) fn awake(&self) -> Option<&Live> {
        self.live.as_ref()
    }

    /// The same, for its outputs.
    pub(crate) fn awake_mut(&mut self) -> Option<&mut Live> {
        self.live.as_mut()
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.awake().is_none_or(Live::is_idle)
    }

    /// The newest event known here.
    pub(crate) fn head(&self) -> Seq {
        self.awake().map_or(self.rested.head, |live| live.state().head())
    }

    /// Lets it rest if nothing is under way; whether it did.
    pub(crate) fn rest(&mut self) -> bool {
        let Some(live) = self.live.take_if(|live| live.may_rest()) else { return false };
        self.rested = live.rest();
        true
    }

    /// What a connection at `position` gets next.
    pub(crate) fn next_piece(&self, position: &mut Position, audience: Audience) -> Option<Piece> {
        match self.awake() {
            Some(live) => live.next_piece(position, audience),
            None if position.epoch != self.rested.epoch => {
                *position = Position { epoch: self.rested.epoch, ..Position::default() };
                Some(Piece::Reset(self.rested.head))
            }
            None => (position.seq < self.rested.head).then_some(Piece::History(position.seq)),
        }
    }

    /// Whether it rests and need not be woken for this: it runs no turn, and knows the event.
    pub(crate) fn sleeps_through(&self, notice: &Notice) -> bool {
        self.live.is_none()
            && match notice {
                Notice::AskTurn => true,
                Notice::Event { event, .. } => event.seq <= self.rested.head,
                Notice::Turn(_) | Notice::Forgotten => false,
            }
    }
}
