//! Arbitrary frames, events and texts.

use conversation::{AnswerEnd, Assignee, Body, ClosedBy, Event, HandoverReason, MessageId, Source};
use proptest::collection::vec;
use proptest::prelude::*;
use protocol::v1::{self, ClientFrame, ServerFrame, client_frame, server_frame};

/// Texts of every script, with what JSON must escape; sometimes empty.
pub(crate) fn text() -> BoxedStrategy<String> {
    prop_oneof![".{0,40}", "[\\x00-\\x1f\"\\\\/é漢😀\u{2028}]{0,12}", Just(String::new())].boxed()
}

/// Small and large numbers, with the ends.
fn number() -> BoxedStrategy<u32> {
    prop_oneof![0..300u32, any::<u32>(), Just(u32::MAX)].boxed()
}

/// Ids of the right length, and others, which a frame can carry as well.
fn id() -> BoxedStrategy<Vec<u8>> {
    prop_oneof![any::<[u8; 16]>().prop_map(Vec::from), vec(any::<u8>(), 0..40)].boxed()
}

pub(crate) fn client_frame() -> BoxedStrategy<ClientFrame> {
    use client_frame::Kind;
    let held = (number(), number(), any::<i64>(), number(), number(), number());
    let hello = (text(), text(), text(), text(), held).prop_map(
        |(site, token, identity, language, (conversation, after, after_at_ms, turn, run, offset))| v1::Hello {
            site,
            token,
            identity,
            language,
            conversation,
            after,
            turn,
            run,
            offset,
            after_at_ms,
        },
    );
    prop_oneof![
        hello.prop_map(Kind::Hello),
        (id(), text()).prop_map(|(id, text)| Kind::Send(v1::Send { id, text })),
        (id(), number()).prop_map(|(id, turn)| Kind::Stop(v1::Stop { id, turn })),
        id().prop_map(|id| Kind::AskPerson(v1::AskPerson { id })),
        id().prop_map(|id| Kind::Close(v1::Close { id })),
        (id(), number(), text()).prop_map(|(id, score, comment)| Kind::Rate(v1::Rate { id, score, comment })),
        number().prop_map(|after_conversation| Kind::Begin(v1::Begin { after_conversation })),
        Just(Kind::Ping(v1::Ping {})),
    ]
    .prop_map(ClientFrame::from)
    .boxed()
}

pub(crate) fn server_frame() -> BoxedStrategy<ServerFrame> {
    use server_frame::Kind;
    prop_oneof![
        welcome().prop_map(Kind::Welcome),
        (id(), number()).prop_map(|(id, seq)| Kind::Ack(v1::Ack { id, seq })),
        wire_event().prop_map(Kind::Event),
        (number(), number(), number(), text()).prop_map(|(turn, run, offset, text)| Kind::Delta(v1::Delta {
            turn,
            run,
            offset,
            text
        })),
        (error_code(), text(), id(), number()).prop_map(|(code, message, id, retry_after_ms)| {
            Kind::Error(v1::Error { code, message, id, retry_after_ms })
        }),
        opened().prop_map(Kind::Opened),
        (text(), any::<i64>()).prop_map(|(token, expires_at_ms)| Kind::Token(v1::Token { token, expires_at_ms })),
        number().prop_map(|retry_after_ms| Kind::GoAway(v1::GoAway { retry_after_ms })),
        Just(Kind::Pong(v1::Pong {})),
    ]
    .prop_map(ServerFrame::from)
    .boxed()
}

fn welcome() -> impl Strategy<Value = v1::Welcome> {
    (text(), text(), any::<i64>(), proptest::option::of(opened()), any::<i64>(), number()).prop_map(
        |(visitor, token, token_expires_at_ms, opened, now_ms, max_text_bytes)| v1::Welcome {
            visitor,
            token,
            token_expires_at_ms,
            opened,
            now_ms,
            max_text_bytes,
        },
    )
}

fn opened() -> impl Strategy<Value = v1::Opened> {
    (number(), number(), any::<bool>()).prop_map(|(conversation, head, reset)| v1::Opened { conversation, head, reset })
}

fn error_code() -> impl Strategy<Value = i32> {
    (0..100i32).prop_filter("no such error code", |code| v1::ErrorCode::try_from(*code).is_ok())
}

fn wire_event() -> impl Strategy<Value = v1::Event> {
    let hidden = (1..=u32::MAX, 0..=i64::MAX as u64).prop_map(|(seq, at)| protocol::convert::hidden(seq, at));
    prop_oneof![9 => core_event().prop_map(|event| v1::Event::from(&event)), 1 => hidden]
}

/// Every event that the core can make.
pub(crate) fn core_event() -> BoxedStrategy<Event> {
    (1..=u32::MAX, 0..=i64::MAX as u64, body()).prop_map(|(seq, at, body)| Event { seq, at, body }).boxed()
}

fn body() -> BoxedStrategy<Body> {
    let id = || any::<[u8; 16]>().prop_map(MessageId);
    let agent = || "[a-z0-9_-]{1,20}";
    let end = prop_oneof![
        Just(AnswerEnd::Complete),
        Just(AnswerEnd::Stopped),
        Just(AnswerEnd::Interrupted),
        Just(AnswerEnd::Fallback),
        Just(AnswerEnd::Intent)
    ];
    let by = prop_oneof![Just(ClosedBy::Visitor), Just(ClosedBy::Agent), Just(ClosedBy::Site)];
    let reason = prop_oneof![
        Just(HandoverReason::VisitorAsked),
        Just(HandoverReason::Assistant),
        Just(HandoverReason::Rule),
        Just(HandoverReason::Failures)
    ];
    let source = (text(), text()).prop_map(|(title, url)| Source { title: title.into(), url: url.into() });
    let sources = vec(source, 0..4).prop_map(|sources| (!sources.is_empty()).then(|| sources.into()));
    let choices =
        vec(text().prop_map(Into::into), 0..4).prop_map(|choices| (!choices.is_empty()).then(|| choices.into()));
    let to = prop_oneof![Just(Assignee::Queue), agent().prop_map(|agent| Assignee::Agent(agent.into()))];
    prop_oneof![
        (id(), text()).prop_map(|(id, text)| Body::VisitorMessage { id, text: text.into() }),
        (number(), text(), end, any::<bool>(), sources, choices).prop_map(
            |(turn, text, end, offer_person, sources, choices)| {
                Body::Answer { turn, text: text.into(), end, offer_person, sources, choices }
            }
        ),
        (reason, text(), text()).prop_map(|(reason, summary, text)| {
            Body::Handover { reason, summary: summary.into(), text: text.into() }
        }),
        to.prop_map(|to| Body::Assigned { to }),
        (agent(), id(), text()).prop_map(|(agent, id, text)| Body::AgentMessage {
            agent: agent.into(),
            id,
            text: text.into()
        }),
        (agent(), text()).prop_map(|(agent, text)| Body::Note { agent: agent.into(), text: text.into() }),
        by.prop_map(|by| Body::Closed { by }),
        (1..=5u8, text()).prop_map(|(score, comment)| Body::Rated { score, comment: comment.into() }),
    ]
    .boxed()
}

/// `bytes` with some of them changed, cut out, doubled, or all after a point dropped.
pub(crate) fn mutated(bytes: Vec<u8>) -> BoxedStrategy<Vec<u8>> {
    let step = (any::<proptest::sample::Index>(), any::<u8>(), 0..4u8);
    vec(step, 1..6)
        .prop_map(move |steps| {
            let mut bytes = bytes.clone();
            for (index, byte, how) in steps {
                if bytes.is_empty() {
                    break;
                }
                let at = index.index(bytes.len());
                match how {
                    0 => bytes[at] = byte,
                    1 => {
                        bytes.remove(at);
                    }
                    2 => bytes.insert(at, byte),
                    _ => bytes.truncate(at),
                }
            }
            bytes
        })
        .boxed()
}
