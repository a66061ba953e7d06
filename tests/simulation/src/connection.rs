//! Connections: frames travel in order and with delay; a cut loses what is under way. The node's end pulls what its client
//! has not got, and every frame is checked.

use std::sync::Arc;

use conversation::{Audience, Event, Piece, Position, Resume, Seq};

use crate::agenda::{ClientFrame, ConnectionIx, ConversationIx, Happening, Incarnation, NodeIx, ServerFrame, TabIx};
use crate::slot::Slot;
use crate::store::{Answer, Request};
use crate::trace::tell;
use crate::watch::{Checked, ensure};
use crate::world::World;

/// The node's end.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) conversation: ConversationIx,
    audience: Audience,
    hello: Hello,
    position: Position,
    reading: bool,
    /// Frames that the client has not taken yet.
    in_socket: usize,
}

impl Connection {
    pub(crate) fn is_greeted(&self) -> bool {
        self.hello == Hello::Done
    }
}

/// How far the greeting is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hello {
    /// The client's cursor waits for the log.
    Waiting {
        refreshed: bool,
    },
    Done,
}

/// The wire, and what has gone over it.
#[derive(Debug)]
pub(crate) struct Pipe {
    pub(crate) tab: TabIx,
    pub(crate) conversation: ConversationIx,
    pub(crate) node: Incarnation,
    audience: Audience,
    pub(crate) open: bool,
    up_last: u64,
    down_last: u64,
    /// How long the log was when the client said hello: what it truly holds was stored before.
    head_at_hello: Seq,
    /// Where the client was said to stand, and then what it was sent.
    seen: Position,
    /// The newest event that the client holds, if that is known.
    newest: Option<Arc<Event>>,
    /// The run that is shown on this connection, and those whose place it took.
    shown: Option<(Seq, u32)>,
    left: Vec<(Seq, u32)>,
}

impl Pipe {
    pub(crate) fn new(tab: TabIx, conversation: ConversationIx, node: Incarnation, audience: Audience) -> Self {
        let seen = Position::default();
        Self {
            tab,
            conversation,
            node,
            audience,
            open: true,
            up_last: 0,
            down_last: 0,
            head_at_hello: 0,
            seen,
            newest: None,
            shown: None,
            left: vec![],
        }
    }
}

impl World {
    pub(crate) fn send_up(&mut self, connection: ConnectionIx, frame: ClientFrame) {
        let delay = self.rng.delay(20, self.plan.network.worst_delay);
        let pipe = &mut self.pipes[connection];
        pipe.up_last = pipe.up_last.max(self.now + delay);
        let (at, node) = (pipe.up_last, pipe.node);
        self.agenda.plan(at, Happening::ToNode(node, connection, frame));
        self.perhaps_cut(connection);
    }

    pub(crate) fn send_down(&mut self, connection: ConnectionIx, frame: ServerFrame) {
        let delay = self.rng.delay(20, self.plan.network.worst_delay);
        let pipe = &mut self.pipes[connection];
        pipe.down_last = pipe.down_last.max(self.now + delay);
        let at = pipe.down_last;
        self.agenda.plan(at, Happening::ToTab(connection, frame));
        self.perhaps_cut(connection);
    }

    fn perhaps_cut(&mut self, connection: ConnectionIx) {
        if self.rng.chance(self.plan.network.cuts) {
            self.cut(connection);
        }
    }

    /// A run that was shown here ends without its answer: another one's, shown before, may come in its place.
    pub(crate) fn may_show_again(&mut self, node: NodeIx, conversation: ConversationIx) {
        let of_it = |(ix, at): (&ConnectionIx, &Connection)| (at.conversation == conversation).then_some(*ix);
        for connection in self.nodes[node].connections.iter().filter_map(of_it) {
            self.pipes[connection].left.clear();
        }
    }

    /// Closes a connection after what was sent on it: the client is to come back.
    fn send_away(&mut self, node: NodeIx, connection: ConnectionIx) {
        self.nodes[node].connections.remove(&connection);
        self.agenda.plan(self.pipes[connection].down_last, Happening::SentAway(connection));
    }

    /// Breaks a connection; both ends notice in their own time.
    pub(crate) fn cut(&mut self, connection: ConnectionIx) {
        let pipe = &mut self.pipes[connection];
        if !std::mem::replace(&mut pipe.open, false) {
            return;
        }
        let (tab, node) = (pipe.tab, pipe.node);
        self.tally.cuts += 1;
        tell!(self, "wire    k{connection} of tab{tab} is cut");
        let tab_at = self.now + self.rng.delay(200, 3_000);
        self.agenda.plan(tab_at, Happening::TabNotices(tab, connection));
        let node_at = self.now + self.rng.delay(200, 15_000);
        self.agenda.plan(node_at, Happening::NodeNotices(node, connection));
    }

    pub(crate) fn node_gets_frame(&mut self, node: NodeIx, connection: ConnectionIx, frame: ClientFrame) -> Checked {
        match frame {
            ClientFrame::Hello { after, after_at, turn, run, offset } => {
                if self.store.place(self.pipes[connection].conversation).forgotten {
                    self.cut(connection); // Its visitor's conversation is another one now.
                    return Ok(());
                }
                let pipe = &mut self.pipes[connection];
                pipe.head_at_hello = self.watch.head(pipe.conversation);
                let (conversation, audience) = (pipe.conversation, pipe.audience);
                let position = Position { epoch: 0, seq: after, at: after_at, turn, run, offset };
                let hello = Hello::Waiting { refreshed: false };
                let greeted = Connection { conversation, audience, hello, position, reading: false, in_socket: 0 };
                self.nodes[node].connections.insert(connection, greeted);
                self.hold(node, conversation)?;
                self.wake_up(node, conversation)?;
                self.greet(node, connection)
            }
            ClientFrame::Command { reference, command } => self.node_gets_command(node, connection, reference, command),
        }
    }

    /// Something may have changed for the connections of a conversation.
    pub(crate) fn wake(&mut self, node: NodeIx, conversation: ConversationIx) -> Checked {
        let of_it = |(ix, c): (&ConnectionIx, &Connection)| (c.conversation == conversation).then_some(*ix);
        let connections: Vec<ConnectionIx> = self.nodes[node].connections.iter().filter_map(of_it).collect();
        for connection in connections {
            self.greet(node, connection)?;
            self.pump(node, connection)?;
        }
        Ok(())
    }

    /// Has a conversation that rests read its log again.
    fn wake_up(&mut self, node: NodeIx, conversation: ConversationIx) -> Checked {
        let rests = self.nodes[node].slots.get(&conversation).is_some_and(|slot| slot.awake().is_none());
        if rests { self.input(node, conversation, |_, _| {}) } else { Ok(()) }
    }

    /// Says where the client stands, as soon as the log is known. A cursor ahead of what is known here is compared with the
    /// log itself before it is called wrong.
    fn greet(&mut self, node: NodeIx, connection: ConnectionIx) -> Checked {
        let Some(Node { slot, at }) = self.at(node, connection) else { return Ok(()) };
        let Hello::Waiting { refreshed } = at.hello else { return Ok(()) };
        let conversation = at.conversation;
        let Some(live) = slot.awake() else { return self.wake_up(node, conversation) };
        if !live.is_loaded() || (refreshed && !live.is_current()) {
            return Ok(());
        }
        let (epoch, resume) = (live.epoch(), live.resume(at.position.seq, at.position.at));
        if resume == Resume::Reset && !refreshed {
            at.hello = Hello::Waiting { refreshed: true };
            return self.input(node, conversation, |live, now| live.handle_refresh(now));
        }
        self.open(node, connection, epoch, resume == Resume::Reset)
    }

    /// Tells the client where it stands: in which log, and whether at its start.
    fn open(&mut self, node: NodeIx, connection: ConnectionIx, epoch: u32, reset: bool) -> Checked {
        let Some(at) = self.nodes[node].connections.get_mut(&connection) else { return Ok(()) };
        let (after, conversation) = (at.position.seq, at.conversation);
        at.hello = Hello::Done;
        if reset {
            at.position = Position::default();
        }
        at.position.epoch = epoch;
        let pipe = &mut self.pipes[connection];
        pipe.seen = at.position;
        pipe.newest = if reset { None } else { self.tabs[pipe.tab].holds(after) };
        let (known, lost) = (pipe.head_at_hello, self.watch.has_lost(conversation));
        self.tally.resets += u64::from(reset);
        let head = self.watch.head(conversation);
        tell!(self, "node{node}   c{conversation} greets k{connection} at {after}, reset: {reset}");
        ensure!(4, reset || after <= head || lost, "a client at {after} of a log of {head} was not told to reset");
        ensure!(4, !reset || after > known || lost, "a client at {after} of a log of {known} was told to reset");
        self.send_down(connection, ServerFrame::Opened { reset });
        if reset && lost && self.nodes[node].slots.get(&conversation).is_some_and(|slot| slot.head() == 0) {
            self.send_away(node, connection);
        }
        self.pump(node, connection)
    }

    /// Sends what the client has not got, as far as the socket takes it.
    pub(crate) fn pump(&mut self, node: NodeIx, connection: ConnectionIx) -> Checked {
        loop {
            let room = self.plan.socket;
            let Some(Node { slot, at }) = self.at(node, connection) else { return Ok(()) };
            if at.hello != Hello::Done || at.reading || at.in_socket >= room {
                return Ok(());
            }
            let (conversation, audience) = (at.conversation, at.audience);
            let Some(piece) = slot.next_piece(&mut at.position, audience) else { return Ok(()) };
            if let Piece::History(after) = piece {
                at.reading = true;
                self.tally.history += 1;
                self.ask_store(self.incarnation(node), conversation, Request::History { connection, after });
                return Ok(());
            }
            self.send_piece(node, connection, piece)?;
        }
    }

    fn send_piece(&mut self, node: NodeIx, connection: ConnectionIx, piece: Piece) -> Checked {
        if let Piece::Reset(head) = piece {
            return self.send_reset(node, connection, head);
        }
        if let Some(at) = self.nodes[node].connections.get_mut(&connection) {
            at.in_socket += 1;
        }
        let frame = match piece {
            Piece::Event(event) => ServerFrame::Event(event),
            Piece::Hidden(seq, at) => ServerFrame::Hidden(seq, at),
            Piece::Delta { turn, run, offset, text } => ServerFrame::Delta { turn, run, offset, text },
            Piece::Reset(_) | Piece::History(_) => return Ok(()),
        };
        tell!(self, "node{node}   k{connection} gets {frame:?}");
        self.check_frame(connection, &frame)?;
        self.send_down(connection, frame);
        Ok(())
    }

    /// The log was lost, and another one stands in its place. One that is empty was forgotten, or will be as soon as the
    /// client comes back.
    fn send_reset(&mut self, node: NodeIx, connection: ConnectionIx, head: Seq) -> Checked {
        let pipe = &mut self.pipes[connection];
        let conversation = pipe.conversation;
        (pipe.seen, pipe.newest, pipe.shown) = (Position::default(), None, None);
        pipe.left.clear();
        self.tally.lost_resets += 1;
        tell!(self, "node{node}   k{connection} is reset, {head} events");
        ensure!(4, self.watch.has_lost(conversation), "k{connection} is reset, and nothing was lost");
        self.send_down(connection, ServerFrame::Opened { reset: true });
        if head == 0 {
            self.send_away(node, connection);
        }
        Ok(())
    }

    pub(crate) fn connection_gets_history(
        &mut self,
        from: Incarnation,
        connection: ConnectionIx,
        answer: Answer,
    ) -> Checked {
        let node = from.node;
        let Some(at) = self.nodes[node].connections.get_mut(&connection) else { return Ok(()) };
        at.reading = false;
        let Answer::Events { events, .. } = answer else {
            let again = self.now + 500;
            self.agenda.plan(again, Happening::PumpAgain(from, connection));
            return Ok(());
        };
        let conversation = at.conversation;
        if !at.position.is_continued_by(&events) {
            let epoch = at.position.epoch;
            at.position = Position { epoch, ..Position::default() };
            self.tally.torn += 1;
            self.send_reset(node, connection, Seq::MAX)?;
            self.pump(node, connection)?;
            return self.input(node, conversation, |live, now| live.handle_refresh(now));
        }
        let mut taken = 0;
        for event in events {
            let Some(at) = self.nodes[node].connections.get_mut(&connection) else { return Ok(()) };
            if let Some(piece) = at.position.take(event.into(), at.audience) {
                taken += 1;
                self.send_piece(node, connection, piece)?;
            }
        }
        if taken == 0 {
            // The log is shorter than it was; whoever is woken after it was read pulls again.
            return self.input(node, conversation, |live, now| live.handle_refresh(now));
        }
        self.pump(node, connection)
    }

    /// The client took a frame: there is room for the next.
    pub(crate) fn frame_is_taken(&mut self, connection: ConnectionIx, frame: &ServerFrame) -> Checked {
        let from = self.pipes[connection].node;
        if !self.is_alive(from) || matches!(frame, ServerFrame::Opened { .. } | ServerFrame::Reply { .. }) {
            return Ok(());
        }
        if let Some(at) = self.nodes[from.node].connections.get_mut(&connection) {
            at.in_socket -= 1;
        }
        self.pump(from.node, connection)
    }

    fn at(&mut self, node: NodeIx, connection: ConnectionIx) -> Option<Node<'_>> {
        let node = &mut self.nodes[node];
        let at = node.connections.get_mut(&connection)?;
        let slot = node.slots.get_mut(&at.conversation)?;
        Some(Node { slot, at })
    }

    /// What goes down one wire: each event once and in order from the cursor on; pieces of open turns only, without holes.
    fn check_frame(&mut self, connection: ConnectionIx, frame: &ServerFrame) -> Checked {
        let pipe = &mut self.pipes[connection];
        let (conversation, audience) = (pipe.conversation, pipe.audience);
        let in_order = |seen: Seq, seq: Seq| -> Checked {
            ensure!(4, seq == seen + 1, "k{connection} holds {seen} and gets {seq}");
            Ok(())
        };
        match frame {
            ServerFrame::Event(event) => {
                in_order(pipe.seen.seq, event.seq)?;
                pipe.seen.seq = event.seq;
                let newest = pipe.newest.replace(Arc::clone(event));
                self.watch.delivered(conversation, event, audience, newest.as_ref())
            }
            ServerFrame::Hidden(seq, _) => {
                in_order(pipe.seen.seq, *seq)?;
                pipe.seen.seq = *seq;
                pipe.newest = None;
                self.tally.hidden += 1;
                self.watch.hidden(conversation, *seq, audience)
            }
            ServerFrame::Delta { turn, run, offset, text } => {
                let begun = (pipe.seen.turn, pipe.seen.run) == (*turn, *run);
                if !begun {
                    ensure!(
                        4,
                        !pipe.left.contains(&(*turn, *run)),
                        "turn {turn} run {run} comes back after another run"
                    );
                    pipe.left.extend(pipe.shown.replace((*turn, *run)));
                }
                let expected = if begun { pipe.seen.offset } else { 0 };
                ensure!(4, *offset == expected, "turn {turn} run {run}: piece at {offset}, expected {expected}");
                pipe.seen = Position {
                    seq: pipe.seen.seq,
                    turn: *turn,
                    run: *run,
                    offset: offset + text.len(),
                    ..Position::default()
                };
                self.tally.deltas += 1;
                let seq = pipe.seen.seq;
                self.watch.streamed(conversation, seq, (*turn, *run), *offset, text)
            }
            ServerFrame::Opened { .. } | ServerFrame::Reply { .. } => Ok(()),
        }
    }
}

/// A connection and its conversation.
struct Node<'a> {
    slot: &'a mut Slot,
    at: &'a mut Connection,
}
