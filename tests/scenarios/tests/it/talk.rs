//! A conversation in which all goes well.

use client::Command;
use protocol::Subprotocol;
use protocol::v1::{AnswerEnd, event, server_frame};
use scenarios::{Incoming, Setup, Tab, Wire, assert_whole, conversation_of, frames, hello};

#[tokio::test]
async fn a_visitor_asks_and_the_answer_streams_back_in_both_subprotocols() {
    for subprotocol in Subprotocol::ALL {
        let setup = Setup::new();
        let node = setup.start().await;
        let mut tab = Tab::speaking(&node, subprotocol).await;
        assert!(tab.visitor().starts_with("a_"));
        assert!(!tab.client().token().is_empty());

        assert_eq!(tab.say("Do you ship to Norway? 你好").await, 1);
        let call = setup.functions.ai().await;
        assert_eq!(call.messages(), ["visitor: Do you ship to Norway? 你好"]);
        assert_eq!(call.request["turn"], 1);
        let answering = call.accept();
        answering.delta("Yes – in ");
        tab.reads("Yes – in ").await;
        answering.delta("four days.");
        tab.reads("Yes – in four days.").await;
        answering.answer("Yes – in four days.");

        assert_eq!(tab.answer(2).await, "Yes – in four days.");
        assert!(tab.client().written().is_none());
        assert_eq!(assert_whole(&*setup.store, &conversation_of(tab.visitor(), 1)).await.len(), 2);
    }
}

#[tokio::test]
async fn an_ack_and_the_event_say_the_same() {
    let node = Setup::new().start().await;
    let (mut wire, welcome) = Wire::welcomed(node.address(), hello()).await;
    assert_eq!(welcome.max_text_bytes, 4_000);
    let opened = welcome.opened.unwrap();
    assert_eq!((opened.conversation, opened.head, opened.reset), (1, 0, false));

    wire.send(frames::send(7, "hello")).await;

    let (mut acked, mut delivered) = (None, None);
    while acked.is_none() || delivered.is_none() {
        match wire.frame().await {
            server_frame::Kind::Ack(ack) => acked = Some((ack.id, ack.seq)),
            server_frame::Kind::Event(event) => {
                let Some(event::Body::VisitorMessage(message)) = event.body else { panic!("{event:?}") };
                assert_eq!(message.text, "hello");
                delivered = Some((message.id, event.seq));
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(acked, Some((vec![7; 16], 1)));
    assert_eq!(acked, delivered);
}

#[tokio::test]
async fn a_second_tab_gets_the_same_and_acks_only_of_its_own() {
    let setup = Setup::new();
    let node = setup.start().await;
    let mut first = Tab::open(&node).await;
    let mut second = Wire::open(node.address()).await;
    let token = first.client().token().to_owned();
    second.send(protocol::v1::Hello { token, ..hello() }).await;
    assert_eq!(second.welcome().await.visitor, first.visitor());

    first.say("hello").await;
    let answering = setup.functions.ai().await.accept();
    answering.delta("Good ");
    first.reads("Good ").await;
    answering.delta("day");
    answering.answer("Good day");
    first.answer(2).await;

    let (mut events, mut text) = (vec![], String::new());
    while events.len() < 2 {
        match second.frame().await {
            server_frame::Kind::Event(event) => events.push(event),
            server_frame::Kind::Delta(delta) => {
                assert_eq!(delta.offset as usize, text.len());
                text.push_str(&delta.text);
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(events, first.client().log());
    assert!("Good day".starts_with(&text) && !text.is_empty(), "{text:?}");
}

#[tokio::test]
async fn a_reload_in_mid_answer_goes_on_where_it_was() {
    let setup = Setup::new();
    let node = setup.start().await;
    let mut tab = Tab::open(&node).await;
    tab.say("hello").await;
    let answering = setup.functions.ai().await.accept();
    answering.delta("One, ");
    tab.reads("One, ").await;
    let written = tab.client().written().unwrap().clone();

    let cursor = protocol::v1::Hello {
        token: tab.client().token().to_owned(),
        conversation: 1,
        after: 1,
        turn: written.turn,
        run: written.run,
        offset: written.text.len() as u32,
        ..hello()
    };
    tab.leave();
    let (mut wire, welcome) = Wire::welcomed(node.address(), cursor).await;
    assert!(!welcome.opened.unwrap().reset);
    assert_eq!(welcome.token, "", "the token is still good");
    answering.delta("two, ");

    let delta = wire.delta().await;
    assert_eq!((delta.offset, delta.text.as_str(), delta.run), (5, "two, ", written.run));
    answering.answer("One, two, three");
    let event = loop {
        match wire.next().await {
            Incoming::Frame(server_frame::Kind::Event(event)) => break event,
            Incoming::Frame(server_frame::Kind::Delta(_)) => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(event.seq, 2, "event 1 does not come again");
}

#[tokio::test]
async fn what_another_run_wrote_is_replaced() {
    let setup = Setup::new();
    let node = setup.start().await;
    let mut tab = Tab::open(&node).await;
    tab.say("hello").await;
    let answering = setup.functions.ai().await.accept();
    answering.delta("Good day");
    tab.reads("Good day").await;
    let run = tab.client().written().unwrap().run;

    // As after the death of a node that had written more.
    let cursor = protocol::v1::Hello {
        token: tab.client().token().to_owned(),
        conversation: 1,
        after: 1,
        turn: 1,
        run: run + 1,
        offset: 30,
        ..hello()
    };
    let (mut wire, _) = Wire::welcomed(node.address(), cursor).await;

    let delta = wire.delta().await;
    assert_eq!((delta.run, delta.offset, delta.text.as_str()), (run, 0, "Good day"));
}

#[tokio::test]
async fn who_joins_late_gets_the_whole_text_so_far() {
    let setup = Setup::new();
    let node = setup.start().await;
    let mut tab = Tab::open(&node).await;
    tab.say("hello").await;
    let answering = setup.functions.ai().await.accept();
    let long = "many words ".repeat(2_000);
    for piece in ["a", "b", long.as_str(), "茶"] {
        answering.delta(piece);
    }
    let whole = format!("ab{long}茶");
    tab.reads(&whole).await;

    let mut late = tab.another(&node).await;

    late.reads(&whole).await;
    assert_eq!(late.client().log(), tab.client().log());
}

#[tokio::test]
async fn a_conversation_is_closed_rated_and_followed_by_the_next() {
    let setup = Setup::new();
    let node = setup.start().await;
    let mut tab = Tab::open(&node).await;
    tab.say("hello").await;
    setup.functions.ai().await.answer("Good day");
    tab.answer(2).await;

    assert_eq!(tab.get(Command::Close).await, 3);
    assert_eq!(tab.get(Command::Close).await, 3, "it is closed already");
    assert_eq!(tab.get(Command::Rate(5, "quick".to_owned())).await, 4);
    let refused = tab.order(Command::Send("one more".to_owned())).await;
    assert_eq!(tab.refusal_of(refused).await, protocol::v1::ErrorCode::ConversationClosed);
    match tab.event(4).await.body {
        Some(event::Body::Rated(rated)) => assert_eq!((rated.score, rated.comment.as_str()), (5, "quick")),
        other => panic!("{other:?}"),
    }

    assert_eq!(tab.begin().await, 2);
    assert_eq!(tab.say("again").await, 1);
    setup.functions.ai().await.answer("Good day again");
    assert_eq!(tab.answer(2).await, "Good day again");
    assert_eq!(assert_whole(&*setup.store, &conversation_of(tab.visitor(), 1)).await.len(), 4);
    assert_eq!(assert_whole(&*setup.store, &conversation_of(tab.visitor(), 2)).await.len(), 2);
}

#[tokio::test]
async fn a_rating_out_of_range_is_refused() {
    let node = Setup::new().start().await;
    let mut tab = Tab::open(&node).await;
    for score in [0, 6, u32::MAX] {
        let id = tab.order(Command::Rate(score, String::new())).await;
        assert_eq!(tab.refusal_of(id).await, protocol::v1::ErrorCode::InvalidScore);
    }
}

#[tokio::test]
async fn two_tabs_that_begin_at_once_end_in_one_conversation() {
    let setup = Setup::new();
    let node = setup.start().await;
    let mut first = Tab::open(&node).await;
    let mut second = first.another(&node).await;
    first.get(Command::Close).await;
    second.event(1).await;

    let (one, other) = tokio::join!(first.begin(), second.begin());

    assert_eq!((one, other), (2, 2));
    first.say("hello").await;
    assert_eq!(first.event(1).await, second.event(1).await);
}

#[tokio::test]
async fn a_repeated_begin_starts_nothing_twice() {
    let node = Setup::new().start().await;
    let (mut wire, _) = Wire::welcomed(node.address(), hello()).await;
    let begin = |after_conversation| protocol::v1::Begin { after_conversation };
    wire.send(begin(1)).await;
    wire.refused(protocol::v1::ErrorCode::ConversationOpen).await;
    // All at once: replies come in the order of the commands.
    wire.send(frames::close(1)).await;
    wire.send(begin(1)).await;
    wire.send(begin(1)).await;
    wire.send(begin(2)).await;

    assert_eq!(wire.ack().await.seq, 1);
    let mut opened = vec![];
    while opened.len() < 2 {
        match wire.frame().await {
            server_frame::Kind::Opened(next) => opened.push((next.conversation, next.reset)),
            server_frame::Kind::Event(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(opened, [(2, true), (2, false)], "the second finds the connection moved and sends nothing again");
    wire.refused(protocol::v1::ErrorCode::ConversationOpen).await;
}

#[tokio::test]
async fn a_visitor_begins_only_so_many_conversations_a_day() {
    let node = Setup::new().with("limits.conversations_per_visitor_per_day", 2).start().await;
    let (mut wire, _) = Wire::welcomed(node.address(), hello()).await;
    for conversation in 1..=2 {
        wire.send(frames::close(1)).await;
        assert_eq!(wire.ack().await.seq, 1);
        wire.send(protocol::v1::Begin { after_conversation: conversation }).await;
        loop {
            match wire.frame().await {
                server_frame::Kind::Opened(opened) => break assert_eq!(opened.conversation, conversation + 1),
                server_frame::Kind::Event(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }
    wire.send(frames::close(1)).await;
    wire.ack().await;
    wire.send(protocol::v1::Begin { after_conversation: 3 }).await;

    let error = wire.refused(protocol::v1::ErrorCode::TooManyConversations).await;
    assert!(error.retry_after_ms > 0);
    assert!(wire.is_alive().await);
}

#[tokio::test]
async fn an_answer_that_ends_well_is_marked_complete() {
    let setup = Setup::new();
    let node = setup.start().await;
    let mut tab = Tab::open(&node).await;
    tab.say("hello").await;
    setup.functions.ai().await.answer("Good day");
    match tab.event(2).await.body {
        Some(event::Body::Answer(answer)) => {
            assert_eq!((answer.turn, answer.end(), answer.offer_person), (1, AnswerEnd::Complete, false));
        }
        other => panic!("{other:?}"),
    }
}
