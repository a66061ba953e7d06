//! What a conversation's log is made of.

use std::sync::Arc;

use crate::id::{MessageId, Millis, Seq};

/// One entry of a log. Once stored it never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its place in the log, from 1.
    pub seq: Seq,
    /// When the node that stored it decided it.
    pub at: Millis,
    /// What happened.
    pub body: Body,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// The visitor wrote.
    VisitorMessage {
        /// The client's name for the message.
        id: MessageId,
        /// Plain text.
        text: Arc<str>,
    },
    /// The assistant's one answer to a turn.
    Answer {
        /// The turn: the seq of the newest visitor message it answers.
        turn: Seq,
        /// Markdown.
        text: Arc<str>,
        /// How it ended.
        end: AnswerEnd,
        /// Whether the visitor is to be offered a person.
        offer_person: bool,
        /// The site's texts that it rests on, the best first.
        sources: Sources,
        /// What the visitor may say next, to tap.
        choices: Choices,
    },
    /// People answer from here on; the assistant is silent.
    Handover {
        /// Who wanted it.
        reason: HandoverReason,
        /// What the agent should know; empty only where the visitor has said nothing. Visitors never get it.
        summary: Arc<str>,
        /// The assistant's last words to the visitor, Markdown: the site's reply to what was asked, or what had been written
        /// of an answer. May be empty.
        text: Arc<str>,
    },
    /// Who takes a conversation that was handed over.
    Assigned {
        /// The queue or an agent.
        to: Assignee,
    },
    /// An agent wrote to the visitor.
    AgentMessage {
        /// The agent's key.
        agent: Arc<str>,
        /// The client's name for the message.
        id: MessageId,
        /// Plain text.
        text: Arc<str>,
    },
    /// An agent wrote to agents. Visitors never get it.
    Note {
        /// The agent's key.
        agent: Arc<str>,
        /// Plain text.
        text: Arc<str>,
    },
    /// The conversation is over; nothing but a rating may follow.
    Closed {
        /// Who ended it.
        by: ClosedBy,
    },
    /// The visitor rated the conversation.
    Rated {
        /// 1 (bad) to 5 (good).
        score: u8,
        /// Plain text, may be empty.
        comment: Arc<str>,
    },
}

/// The texts of a site that an answer rests on. Mostly there are none.
pub type Sources = Option<Arc<[Source]>>;

/// Short texts of which the visitor may say one, where the assistant asks back. Mostly there are none.
pub type Choices = Option<Arc<[Arc<str>]>>;

/// A text of the site that an answer rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// What to call it.
    pub title: Arc<str>,
    /// Where it can be read; may be empty.
    pub url: Arc<str>,
}

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerEnd {
    /// Whole.
    Complete,
    /// The visitor pressed Stop; the text is what had been written, perhaps nothing.
    Stopped,
    /// The model or the function broke off; the text is what had been written.
    Interrupted,
    /// The model said nothing in time; the text is the site's own.
    Fallback,
    /// The site's own reply to what the message was recognised to ask; no model wrote it.
    Intent,
}

/// Why people took over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandoverReason {
    /// The visitor asked for a person.
    VisitorAsked,
    /// The assistant gave the conversation away.
    Assistant,
    /// A rule of the site.
    Rule,
    /// The assistant failed turn after turn.
    Failures,
}

/// Who takes a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Assignee {
    /// Nobody yet: it waits in the site's queue.
    Queue,
    /// An agent, by key.
    Agent(Arc<str>),
}

/// Who ended a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClosedBy {
    /// The visitor.
    Visitor,
    /// An agent.
    Agent,
    /// The site's rules, for example after long silence.
    Site,
}

/// For whom events are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// The visitor, who must not see notes.
    Visitor,
    /// Agents, who see all.
    Agents,
}

impl Body {
    /// Whether `audience` may see it. Who may not gets only its seq, so that the log stays dense for everybody.
    pub fn is_visible_to(&self, audience: Audience) -> bool {
        !matches!((self, audience), (Body::Note { .. }, Audience::Visitor))
    }

    /// Bytes of text it holds: what memory and context bounds count.
    pub fn text_bytes(&self) -> usize {
        match self {
            Body::Answer { text, sources, choices, .. } => {
                let sources = sources.iter().flat_map(|sources| sources.iter());
                let sources = sources.map(|source| source.title.len() + source.url.len());
                let choices = choices.iter().flat_map(|choices| choices.iter()).map(|choice| choice.len());
                text.len() + sources.chain(choices).sum::<usize>()
            }
            Body::VisitorMessage { text, .. } | Body::AgentMessage { text, .. } | Body::Note { text, .. } => text.len(),
            Body::Rated { comment, .. } => comment.len(),
            Body::Handover { summary, text, .. } => summary.len() + text.len(),
            Body::Assigned { .. } | Body::Closed { .. } => 0,
        }
    }
}
