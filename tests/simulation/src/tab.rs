//! Tabs: what a visitor's client does, and what it believes.
//!
//! A tab keeps an outbox until each message is acknowledged, sends it again with the same id after every reconnect, and
//! takes events through its own cursor, as the widget does.

use std::collections::VecDeque;
use std::sync::Arc;

use conversation::{Audience, Body, Command, Cursor, Event, MessageId, Millis, Offered, Refusal, Reply, Seq};

use crate::agenda::{ClientFrame, ConnectionIx, ConversationIx, Happening, NodeIx, ServerFrame, TabIx};
use crate::connection::Pipe;
use crate::trace::tell;
use crate::watch::{Checked, ensure};
use crate::world::World;

/// One tab of a visitor, or one console of an agent.
#[derive(Debug)]
pub(crate) struct Tab {
    pub(crate) conversation: ConversationIx,
    pub(crate) audience: Audience,
    connection: Option<ConnectionIx>,
    opened: bool,
    cursor: Cursor<()>,
    copy: Vec<Copied>,
    /// The answer being shown: turn, run, text.
    shown: Option<(Seq, u32, String)>,
    outbox: VecDeque<Message>,
    /// What was acknowledged, to be repeated without need.
    sent: Vec<Message>,
    commands: Vec<(u32, Option<MessageId>)>,
    next_reference: u32,
    resends: bool,
    /// Left for good.
    pub(crate) gone: bool,
}

/// What a tab holds at one seq.
#[derive(Debug)]
enum Copied {
    Event(Arc<Event>),
    /// An event that it may not see, and when it was decided.
    Hidden(Millis),
    /// It only claims to hold it.
    Invented,
}

#[derive(Debug, Clone)]
struct Message {
    id: MessageId,
    text: Arc<str>,
}

impl Tab {
    pub(crate) fn new(conversation: ConversationIx, audience: Audience) -> Self {
        Self {
            conversation,
            audience,
            connection: None,
            opened: false,
            cursor: Cursor::at(0),
            copy: vec![],
            shown: None,
            outbox: VecDeque::new(),
            sent: vec![],
            commands: vec![],
            next_reference: 0,
            resends: false,
            gone: false,
        }
    }

    /// The newest event it holds, if that is one that it could read.
    fn newest(&self) -> Option<&Arc<Event>> {
        match self.copy.last() {
            Some(Copied::Event(event)) => Some(event),
            _ => None,
        }
    }

    /// When its newest event was decided; 0: it holds none, or only claims to.
    fn newest_at(&self) -> Millis {
        match self.copy.last() {
            Some(Copied::Event(event)) => event.at,
            Some(Copied::Hidden(at)) => *at,
            Some(Copied::Invented) | None => 0,
        }
    }

    /// What it holds at `seq`, its newest.
    pub(crate) fn holds(&self, seq: Seq) -> Option<Arc<Event>> {
        self.newest().filter(|event| event.seq == seq).cloned()
    }

    fn forget(&mut self) {
        self.cursor.reset();
        self.copy.clear();
        self.shown = None;
    }
}

impl World {
    pub(crate) fn tab_connects(&mut self, tab: TabIx) {
        if self.tabs[tab].connection.is_some() || self.tabs[tab].gone {
            return;
        }
        if self.store.place(self.tabs[tab].conversation).forgotten {
            return self.tab_begins_anew(tab);
        }
        let is_open = |node: &NodeIx| self.nodes[*node].up && !self.nodes[*node].draining;
        let up: Vec<NodeIx> = (0..self.nodes.len()).filter(is_open).collect();
        if up.is_empty() {
            let again = self.now + self.rng.between(100, 2_000);
            return self.agenda.plan(again, Happening::TabConnects(tab));
        }
        let node = *self.rng.pick(&up);
        let node = self.incarnation(node);
        let connection = self.pipes.len();
        let Tab { conversation, audience, .. } = self.tabs[tab];
        self.pipes.push(Pipe::new(tab, conversation, node, audience));
        if self.rng.chance(self.plan.lies) {
            self.tab_lies(tab);
        }
        let ix = tab;
        let tab = &mut self.tabs[ix];
        (tab.connection, tab.opened) = (Some(connection), false);
        tab.commands.clear();
        let (turn, run, offset) = tab.shown.as_ref().map_or((0, 0, 0), |(turn, run, text)| (*turn, *run, text.len()));
        let after_at = tab.newest_at();
        let hello = ClientFrame::Hello { after: tab.cursor.seq(), after_at, turn, run, offset };
        tell!(self, "tab{ix}    connects k{connection} to node{} with {hello:?}", node.node);
        self.send_up(connection, hello);
    }

    /// Its conversation was forgotten: the visitor's next one has another number, and is none of this history.
    fn tab_begins_anew(&mut self, tab: TabIx) {
        tell!(self, "tab{tab}    finds its conversation forgotten");
        self.tabs[tab].forget();
        self.tabs[tab].gone = true;
    }

    /// From now on the tab claims to hold more than there is.
    fn tab_lies(&mut self, tab: TabIx) {
        let after = self.watch.head(self.tabs[tab].conversation) + self.rng.between(1, 5) as Seq;
        let tab = &mut self.tabs[tab];
        tab.copy.clear();
        tab.copy.resize_with(after as usize, || Copied::Invented);
        tab.cursor = Cursor::at(after);
        tab.shown = None;
    }

    pub(crate) fn tab_notices(&mut self, tab: TabIx, connection: ConnectionIx) {
        if self.tabs[tab].connection == Some(connection) {
            self.tab_disconnects(tab);
        }
    }

    fn tab_disconnects(&mut self, tab: TabIx) {
        let gone = &mut self.tabs[tab];
        gone.opened = false;
        if let Some(connection) = gone.connection.take() {
            self.cut(connection);
        }
        let again = self.now + self.rng.delay(1_000, 60_000);
        self.agenda.plan(again, Happening::TabConnects(tab));
    }

    /// The tab is closed and never comes back: what its visitor asked must end all the same.
    pub(crate) fn tab_leaves(&mut self, tab: TabIx) {
        tell!(self, "tab{tab}    leaves");
        self.tabs[tab].gone = true;
        self.tab_disconnects(tab);
    }

    pub(crate) fn tab_acts(&mut self, tab: TabIx) {
        if self.calm {
            return;
        }
        let next = self.now + self.rng.between(1, 2 * self.plan.pace);
        self.agenda.plan(next, Happening::TabActs(tab));
        if self.tabs[tab].audience == Audience::Agents {
            return;
        }
        match self.rng.weighted(&[46, 3, 5, 4, 4, 9, 2, 2, 5, 8, 3]) {
            0 => self.tab_writes(tab, 1),
            1 => self.tab_writes(tab, 12),
            2 => self.tab_repeats(tab, None),
            3 => self.tab_repeats(tab, Some("something else".into())),
            4 => self.tab_writes_badly(tab),
            5 => self.tab_stops(tab),
            6 => self.tab_commands(tab, Command::AskPerson, None),
            7 => self.tab_commands(tab, Command::Close, None),
            8 => {
                let (score, comment) = (self.rng.below(7) as u32, *self.rng.pick(&["", "", "fine"]));
                self.tab_commands(tab, Command::Rate { score, comment: comment.into() }, None);
            }
            9 => self.tab_disconnects(tab),
            _ => {
                // Reloaded without anything kept but the outbox.
                self.tabs[tab].forget();
                self.tab_disconnects(tab);
            }
        }
    }

    fn tab_writes(&mut self, tab: TabIx, messages: u64) {
        for _ in 0..self.rng.between(1, messages) {
            let text = *self.rng.pick(&["where is my order?", "绿茶多少钱？", "thanks", "a person please"]);
            let message = Message { id: self.fresh_id(), text: text.into() };
            self.tabs[tab].outbox.push_back(message.clone());
            self.tab_sends(tab, message);
        }
    }

    fn tab_writes_badly(&mut self, tab: TabIx) {
        let text = if self.rng.chance(500) { " \n ".to_owned() } else { "x".repeat(61) };
        let message = Message { id: self.fresh_id(), text: text.into() };
        self.tabs[tab].outbox.push_back(message.clone());
        self.tab_sends(tab, message);
    }

    /// Sends again what was acknowledged, or its id with another text.
    fn tab_repeats(&mut self, tab: TabIx, other: Option<Arc<str>>) {
        if self.tabs[tab].sent.is_empty() {
            return;
        }
        let message = self.rng.pick(&self.tabs[tab].sent).clone();
        let text = other.unwrap_or(message.text);
        self.tab_sends(tab, Message { id: message.id, text });
    }

    fn tab_stops(&mut self, tab: TabIx) {
        let this = &self.tabs[tab];
        let shown = this.shown.as_ref().map(|(turn, ..)| *turn);
        let newest = this.copy.len() as Seq;
        let turn = match self.rng.weighted(&[6, 3, 1]) {
            0 => shown.unwrap_or(newest),
            1 => newest,
            _ => self.rng.below(u64::from(newest) + 3) as Seq,
        };
        self.tab_commands(tab, Command::Stop { turn }, None);
    }

    fn tab_sends(&mut self, tab: TabIx, message: Message) {
        let Message { id, text } = message;
        self.tab_commands(tab, Command::Send { id, text }, Some(id));
    }

    fn tab_commands(&mut self, tab: TabIx, command: Command, id: Option<MessageId>) {
        let this = &mut self.tabs[tab];
        let Some(connection) = this.connection.filter(|_| this.opened) else { return };
        let reference = this.next_reference;
        this.next_reference += 1;
        this.commands.push((reference, id));
        tell!(self, "tab{tab}    k{connection} sends {command:?}");
        self.send_up(connection, ClientFrame::Command { reference, command });
    }

    /// After a reconnect, or when a refusal's wait is over: what has no reply goes out again, in order.
    pub(crate) fn tab_resends(&mut self, tab: TabIx) {
        let this = &mut self.tabs[tab];
        this.resends = false;
        let is_asked = |id| this.commands.iter().any(|(_, asked)| *asked == Some(id));
        let outbox: Vec<Message> = this.outbox.iter().filter(|message| !is_asked(message.id)).cloned().collect();
        for mut message in outbox {
            // Somebody edits what he thinks was never sent.
            if !self.calm && self.rng.chance(20) {
                message.text = "edited".into();
                let kept = self.tabs[tab].outbox.iter_mut().find(|kept| kept.id == message.id);
                kept.into_iter().for_each(|kept| kept.text = Arc::clone(&message.text));
            }
            self.tab_sends(tab, message);
        }
    }

    pub(crate) fn tab_gets_frame(&mut self, connection: ConnectionIx, frame: ServerFrame) -> Checked {
        let tab = self.pipes[connection].tab;
        if self.tabs[tab].connection != Some(connection) {
            return Ok(());
        }
        let this = &mut self.tabs[tab];
        match frame {
            ServerFrame::Opened { reset } => {
                this.opened = true;
                if reset {
                    this.forget();
                }
                self.tab_resends(tab);
            }
            ServerFrame::Event(event) => return this.take(event.seq, Copied::Event(event)),
            ServerFrame::Hidden(seq, at) => return this.take(seq, Copied::Hidden(at)),
            ServerFrame::Delta { turn, run, offset, text } => return this.show(turn, run, offset, &text),
            ServerFrame::Reply { reference, reply } => self.tab_gets_reply(tab, reference, reply),
        }
        Ok(())
    }

    fn tab_gets_reply(&mut self, tab: TabIx, reference: u32, reply: Reply) {
        let this = &mut self.tabs[tab];
        let Some(at) = this.commands.iter().position(|(asked, _)| *asked == reference) else { return };
        let (_, Some(id)) = this.commands.swap_remove(at) else { return };
        let Some(at) = this.outbox.iter().position(|message| message.id == id) else { return };
        match reply {
            Reply::Acked(_) => this.sent.extend(this.outbox.remove(at)),
            Reply::Refused(Refusal::Unavailable | Refusal::Busy, wait) => self.tab_waits(tab, wait),
            Reply::Refused(..) => {
                this.outbox.remove(at);
            }
        }
    }

    fn tab_waits(&mut self, tab: TabIx, wait: Millis) {
        if std::mem::replace(&mut self.tabs[tab].resends, true) {
            return;
        }
        let again = self.now + wait + self.rng.between(1, 500);
        self.agenda.plan(again, Happening::TabResends(tab));
    }

    /// At the end: the tab holds what the log holds, and nothing waits.
    pub(crate) fn check_tab(&self, tab: TabIx) -> Checked {
        let this = &self.tabs[tab];
        if this.gone {
            return Ok(());
        }
        ensure!(4, this.opened, "tab{tab} is not connected at the end");
        ensure!(2, this.outbox.is_empty(), "tab{tab} still waits for {:?}", this.outbox);
        let log = self.watch.log(this.conversation);
        ensure!(4, this.copy.len() == log.len(), "tab{tab} holds {} of {} events", this.copy.len(), log.len());
        for (copied, event) in this.copy.iter().zip(log) {
            let same = match copied {
                Copied::Event(copied) => copied == event,
                Copied::Hidden(_) => !event.body.is_visible_to(this.audience),
                Copied::Invented => true,
            };
            ensure!(4, same, "tab{tab} holds {copied:?} for {event:?}");
        }
        ensure!(6, this.shown.is_none(), "tab{tab} still shows an answer being written: {:?}", this.shown);
        Ok(())
    }
}

impl Tab {
    fn take(&mut self, seq: Seq, copied: Copied) -> Checked {
        let offered = self.cursor.offer(seq, ());
        ensure!(4, offered == Offered::Next, "a client at {} takes {seq} for {offered:?}", self.cursor.seq());
        self.cursor.next();
        if let Copied::Event(event) = &copied {
            let id = match &event.body {
                Body::VisitorMessage { id, .. } => Some(*id),
                _ => None,
            };
            // The event is as good as the acknowledgement.
            if let Some(at) = self.outbox.iter().position(|message| Some(message.id) == id) {
                self.sent.extend(self.outbox.remove(at));
            }
            if self.shown.as_ref().is_some_and(|(turn, ..)| is_over(*turn, &event.body)) {
                self.shown = None;
            }
        }
        self.copy.push(copied);
        Ok(())
    }

    fn show(&mut self, turn: Seq, run: u32, offset: usize, text: &str) -> Checked {
        let (_, _, shown) = match &mut self.shown {
            Some(shown) if (shown.0, shown.1) == (turn, run) => shown,
            other => other.insert((turn, run, String::new())),
        };
        ensure!(4, offset == shown.len(), "a client shows {} bytes of turn {turn} and gets {offset}", shown.len());
        shown.push_str(text);
        Ok(())
    }
}

/// Whether nothing more is to be shown of a turn after this.
fn is_over(shown: Seq, body: &Body) -> bool {
    match body {
        Body::Answer { turn, .. } => *turn >= shown,
        Body::Handover { .. } | Body::Closed { .. } => true,
        _ => false,
    }
}
