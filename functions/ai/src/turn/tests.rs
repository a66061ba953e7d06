use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::stream;
use intent::PersonRequests;
use proptest::prelude::*;
use protocol::function::{AiFailure, AiHandover, FailureReason, Message, Role};

use super::*;
use crate::clocks::Limits;
use crate::prompt::Prompt;

mod of_a_site;
mod of_floods;

type Told = Result<Piece, ModelError>;

const SECOND: Duration = Duration::from_secs(1);

/// A model that says these pieces, each after its wait, and then nothing more.
struct Scripted {
    pieces: Vec<(Duration, Told)>,
    then: Then,
}

#[derive(Clone, Copy, Debug)]
enum Then {
    Silence,
    EndOfStream,
    Panic,
}

impl Model for Scripted {
    fn answer(&self, _prompt: Prompt) -> Pieces {
        let (pieces, then) = (self.pieces.clone(), self.then);
        let told = stream::iter(pieces).then(|(wait, piece)| async move {
            tokio::time::sleep(wait).await;
            piece
        });
        match then {
            Then::Silence => Box::pin(told.chain(stream::pending())),
            Then::EndOfStream => Box::pin(told),
            Then::Panic => Box::pin(told.chain(stream::once(async { panic!("a fault in the model's code") }))),
        }
    }

    fn name(&self) -> &str {
        "test"
    }
}

fn settings() -> Settings {
    Settings {
        clocks: Limits { first_token: 10 * SECOND, gap: 5 * SECOND, total: 60 * SECOND },
        max_prompt_bytes: 1_000,
        max_answer_bytes: 100,
        sites: BTreeMap::new(),
        knowledge_elsewhere: None,
        people: PersonRequests::new(),
    }
}

fn request(text: &str) -> AiRequest {
    AiRequest {
        site: "shop".into(),
        conversation: "shop/v1/1".into(),
        turn: 1,
        messages: vec![Message { role: Role::Visitor, text: text.into() }],
        language: "en".into(),
        deadline_ms: 0,
        models: vec![],
        failures: 0,
    }
}

fn metrics() -> Arc<AiMetrics> {
    Arc::new(AiMetrics::new([], []).unwrap())
}

/// What a turn sends beside its report, and how long it takes.
async fn sent(request: AiRequest, pieces: &[(Duration, Told)], then: Then) -> (Vec<AiLine>, Duration) {
    let model = Arc::new(Scripted { pieces: pieces.to_vec(), then });
    let started = Instant::now();
    let lines = lines(request, model, Arc::new(settings()), metrics(), started + 100 * SECOND);
    let lines = lines.filter(|line| std::future::ready(!matches!(line, AiLine::Report(_)))).collect().await;
    (lines, started.elapsed())
}

fn text(text: &str) -> Told {
    Ok(Piece::Text(text.into()))
}

fn deltas(texts: &[&str]) -> Vec<AiLine> {
    texts.iter().map(|text| AiLine::Delta((*text).into())).collect()
}

fn answer(text: &str, interrupted: bool) -> AiLine {
    AiLine::Outcome(AiOutcome::Answer(AiAnswer { text: text.into(), interrupted, ..AiAnswer::default() }))
}

fn fallback(text: &str) -> AiLine {
    let answer = AiAnswer { text: text.into(), fallback: true, offer_person: true, ..AiAnswer::default() };
    AiLine::Outcome(AiOutcome::Answer(answer))
}

fn failure(reason: FailureReason) -> AiLine {
    AiLine::Outcome(AiOutcome::Failure(AiFailure { reason }))
}

const SORRY: &str = "Sorry, I cannot answer right now. Would you like to talk to a person?";

#[tokio::test(start_paused = true)]
async fn pieces_become_deltas_and_the_answer_is_all_of_them() {
    let pieces = [text("\n"), text("Hello"), text(" there"), Ok(Piece::End(End::Complete))];
    let (lines, _) = sent(request("Where is my parcel?"), &pieces.map(|piece| (SECOND, piece)), Then::Silence).await;
    assert_eq!(lines, [deltas(&["Hello", " there"]), vec![answer("Hello there", false)]].concat());
}

#[tokio::test(start_paused = true)]
async fn a_model_that_is_silent_is_given_up_when_the_first_token_is_due() {
    let (lines, took) = sent(request("Where is my parcel?"), &[], Then::Silence).await;
    assert_eq!((lines, took), (vec![fallback(SORRY)], 10 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn what_is_no_content_resets_no_clock() {
    let pieces: Vec<_> = (0..9).map(|_| (3 * SECOND, text(" \n"))).collect();
    let (lines, took) = sent(request("Where is my parcel?"), &pieces, Then::Silence).await;
    assert_eq!((lines, took), (vec![fallback(SORRY)], 10 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn a_pause_between_tokens_interrupts_the_answer_and_keeps_its_part() {
    let (lines, took) = sent(request("Where is my parcel?"), &[(9 * SECOND, text("Half"))], Then::Silence).await;
    assert_eq!((lines, took), ([deltas(&["Half"]), vec![answer("Half", true)]].concat(), 14 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_never_ends_is_interrupted_when_the_turns_time_is_over() {
    let pieces: Vec<_> = (0..30).map(|_| (4 * SECOND, text("a"))).collect();
    let (lines, took) = sent(request("Where is my parcel?"), &pieces, Then::Silence).await;
    assert_eq!(took, 60 * SECOND);
    assert_eq!(lines.last(), Some(&answer(&"a".repeat(15), true)));
}

#[tokio::test(start_paused = true)]
async fn an_error_before_the_first_token_is_the_sites_fallback_in_the_visitors_language() {
    let broken = [(SECOND, Err(ModelError::Refused("status 401".into())))];
    let (lines, _) = sent(request("运费是多少?"), &broken, Then::Silence).await;
    assert_eq!(lines, [fallback("抱歉，我现在无法回答。需要为您转接人工客服吗？")]);
}

#[tokio::test(start_paused = true)]
async fn an_error_after_the_first_token_keeps_the_part() {
    let pieces = [(SECOND, text("Half")), (SECOND, Err(ModelError::Unreachable("it broke".into())))];
    let (lines, _) = sent(request("Where is my parcel?"), &pieces, Then::Silence).await;
    assert_eq!(lines, [deltas(&["Half"]), vec![answer("Half", true)]].concat());
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_just_ends_is_an_error() {
    let (lines, _) = sent(request("Where is my parcel?"), &[(SECOND, text("Half"))], Then::EndOfStream).await;
    assert_eq!(lines.last(), Some(&answer("Half", true)));
    let (lines, _) = sent(request("Where is my parcel?"), &[], Then::EndOfStream).await;
    assert_eq!(lines, [fallback(SORRY)]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_a_word_is_a_fallback() {
    let (lines, _) =
        sent(request("Where is my parcel?"), &[(SECOND, Ok(Piece::End(End::Complete)))], Then::Silence).await;
    assert_eq!(lines, [fallback(SORRY)]);
}

#[tokio::test(start_paused = true)]
async fn a_model_that_panics_does_not_end_the_function() {
    let (lines, _) = sent(request("Where is my parcel?"), &[(SECOND, text("Half"))], Then::Panic).await;
    assert_eq!(lines.last(), Some(&answer("Half", true)));
}

#[tokio::test(start_paused = true)]
async fn an_answer_over_the_limit_ends_there() {
    let pieces: Vec<_> = (0..20).map(|_| (SECOND, text("123456"))).collect();
    let (lines, took) = sent(request("Where is my parcel?"), &pieces, Then::Silence).await;
    assert_eq!((lines.last(), took), (Some(&answer(&"123456".repeat(17)[..100], true)), 17 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn a_model_cut_off_by_its_own_limit_leaves_an_interrupted_answer() {
    let pieces = [(SECOND, text("Half")), (SECOND, Ok(Piece::End(End::Cut)))];
    let (lines, _) = sent(request("Where is my parcel?"), &pieces, Then::Silence).await;
    assert_eq!(lines.last(), Some(&answer("Half", true)));
}

#[tokio::test(start_paused = true)]
async fn a_handover_is_a_field_of_its_own() {
    let handover = |reason, summary: &str| {
        [AiLine::Outcome(AiOutcome::Handover(AiHandover { reason, summary: summary.into(), ..AiHandover::default() }))]
    };
    let (lines, _) = sent(
        request("Where is my parcel?"),
        &[(SECOND, Ok(Piece::Handover { summary: "Angry.".into() }))],
        Then::Silence,
    )
    .await;
    assert_eq!(
        lines,
        handover(HandoverReason::Assistant, "Last question: Where is my parcel?\nThe assistant notes: Angry.")
    );
    let (lines, took) = sent(request("I want to talk to a human"), &[(SECOND, text("No"))], Then::Silence).await;
    assert_eq!(
        (lines.as_slice(), took),
        (handover(HandoverReason::VisitorAsked, "Last question: I want to talk to a human").as_slice(), Duration::ZERO)
    );
}

#[tokio::test(start_paused = true)]
async fn an_offer_of_a_person_is_kept_for_the_outcome() {
    let pieces = [Ok(Piece::OfferPerson), text("I don't know."), Ok(Piece::End(End::Complete))];
    let (lines, _) = sent(request("Where is my parcel?"), &pieces.map(|piece| (SECOND, piece)), Then::Silence).await;
    let Some(AiLine::Outcome(AiOutcome::Answer(answer))) = lines.last() else { panic!("{lines:?}") };
    assert!(answer.offer_person && !answer.fallback);
}

#[tokio::test(start_paused = true)]
async fn a_turn_without_time_or_without_a_question_fails_by_name() {
    let model = || Arc::new(Scripted { pieces: vec![], then: Then::Silence });
    let late = lines(request("Where is my parcel?"), model(), Arc::new(settings()), metrics(), Instant::now());
    let late: Vec<_> = late.collect().await;
    assert_eq!(late.last(), Some(&failure(FailureReason::Deadline)));
    assert!(matches!(late[..], [AiLine::Report(_), _]), "{late:?}");
    let (lines, _) = sent(AiRequest { messages: vec![], ..request("") }, &[], Then::Silence).await;
    assert_eq!(lines, [failure(FailureReason::InvalidRequest)]);
}

/// A model that never speaks and sets a flag when its stream is dropped.
struct Watched(Arc<AtomicBool>);

struct Flag(Arc<AtomicBool>);

impl Drop for Flag {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Model for Watched {
    fn answer(&self, _prompt: Prompt) -> Pieces {
        let flag = Flag(Arc::clone(&self.0));
        Box::pin(stream::once(async move {
            let _flag = flag;
            std::future::pending().await
        }))
    }

    fn name(&self) -> &str {
        "watched"
    }
}

#[tokio::test(start_paused = true)]
async fn dropping_the_lines_drops_the_models_stream() {
    let dropped = Arc::new(AtomicBool::new(false));
    let model = Arc::new(Watched(Arc::clone(&dropped)));
    let mut lines = Box::pin(lines(
        request("Where is my parcel?"),
        model,
        Arc::new(settings()),
        metrics(),
        Instant::now() + 100 * SECOND,
    ));
    assert!(timeout_at(Instant::now() + SECOND, lines.next()).await.is_err());
    assert!(!dropped.load(Ordering::Relaxed));
    drop(lines);
    assert!(dropped.load(Ordering::Relaxed));
}

fn any_piece() -> impl Strategy<Value = (Duration, Told)> {
    let piece = prop_oneof![
        6 => "[ \\n你a-z]{1,40}".prop_map(|said| Ok(Piece::Text(said))),
        1 => Just(Ok(Piece::OfferPerson)),
        1 => Just(Ok(Piece::Usage(crate::model::Usage::default()))),
        1 => Just(Ok(Piece::End(End::Complete))),
        1 => Just(Ok(Piece::End(End::Cut))),
        1 => Just(Ok(Piece::Handover { summary: String::new() })),
        1 => Just(Err(ModelError::Unreachable("it broke".into()))),
    ];
    ((0_u64..12_000).prop_map(Duration::from_millis), piece)
}

proptest! {
    #[test]
    fn whatever_the_model_does_there_is_one_outcome_and_it_is_last(
        pieces in prop::collection::vec(any_piece(), 0..20),
        then in prop_oneof![Just(Then::Silence), Just(Then::EndOfStream)],
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let (lines, took) = runtime.block_on(sent(request("Where is my parcel?"), &pieces, then));
        let (last, before) = lines.split_last().unwrap();
        let deltas: Option<Vec<&str>> = before.iter().map(|line| match line {
            AiLine::Delta(delta) => Some(delta.as_str()),
            _ => None,
        }).collect();
        let deltas = deltas.expect("an outcome before the last line");
        prop_assert!(took <= 60 * SECOND);
        prop_assert!(deltas.iter().all(|delta| !delta.is_empty()));
        match last {
            AiLine::Outcome(AiOutcome::Answer(answer)) if answer.fallback => prop_assert!(deltas.is_empty() && answer.offer_person),
            AiLine::Outcome(AiOutcome::Answer(answer)) => prop_assert_eq!(&answer.text, &deltas.concat()),
            AiLine::Outcome(AiOutcome::Handover(_)) => {}
            other => prop_assert!(false, "{:?}", other),
        }
    }
}
