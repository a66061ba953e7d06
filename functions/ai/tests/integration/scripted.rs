//! The scripted model under the runtime API: answers, and the directives that tests of other parts rely on.

use anyhow::{Context, Result};
use protocol::function::{AiFailure, AiHandover, AiLine, AiOutcome, FailureReason, HandoverReason};
use runtime_api::{Process, RuntimeApi};
use serde_json::json;

use crate::program::{AI, FALLBACK, answer, lines, turn};

/// No pace, and directives are understood.
const INSTANT: [(&str, &str); 3] = [
    ("FRONTDESK_AI_SCRIPTED_FIRST_TOKEN_MS", "0"),
    ("FRONTDESK_AI_SCRIPTED_TOKENS_PER_SECOND", "1000000"),
    ("FRONTDESK_AI_TEST_DIRECTIVES", "true"),
];

#[tokio::test]
async fn one_process_answers_turn_after_turn_in_the_visitors_language() -> Result<()> {
    let api = RuntimeApi::start().await?;
    let _process = Process::start(AI, &api, &INSTANT)?;
    for _ in 0..20 {
        for (question, part) in [("How much is shipping?", "€4.90"), ("运费是多少?", "12 元")] {
            let (deltas, answer) = answer(&api.invoke(&turn(question))?.lines().await?);
            assert!(answer.text.contains(part), "{answer:?}");
            assert_eq!(deltas, answer.text);
        }
    }
    Ok(())
}

#[tokio::test]
async fn deltas_come_before_the_answer_is_over() -> Result<()> {
    let api = RuntimeApi::start().await?;
    let _process = Process::start(AI, &api, &INSTANT)?;
    let mut reply = api.invoke(&turn("/stall 2"))?;
    assert_eq!(reply.line().await?, Some(AiLine::Delta("One".into())));
    assert_eq!(reply.line().await?, Some(AiLine::Delta(" two".into())));
    Ok(())
}

#[tokio::test]
async fn a_person_who_is_asked_for_is_a_handover() -> Result<()> {
    let (asked, given) = (HandoverReason::VisitorAsked, HandoverReason::Assistant);
    for (text, reason, summary) in [
        ("I want to talk to a human", asked, "Last question: I want to talk to a human"),
        ("转人工", asked, "最近的问题：转人工"),
        ("/handover", given, "Last question: /handover"),
    ] {
        let handover = [AiLine::Outcome(AiOutcome::Handover(AiHandover {
            reason,
            summary: summary.into(),
            ..AiHandover::default()
        }))];
        assert_eq!(lines(&turn(text), &INSTANT).await?, handover, "{text}");
    }
    Ok(())
}

#[tokio::test]
async fn failing_before_and_after_the_first_token_differ() -> Result<()> {
    let (_, failed) = answer(&lines(&turn("/fail"), &INSTANT).await?);
    assert_eq!((failed.text.as_str(), failed.fallback, failed.offer_person), (FALLBACK, true, true));
    let (_, failed) = answer(&lines(&turn("/fail 3"), &INSTANT).await?);
    assert_eq!((failed.text.as_str(), failed.interrupted, failed.fallback), ("One two three", true, false));
    Ok(())
}

#[tokio::test]
async fn a_long_answer_has_the_tokens_asked_for() -> Result<()> {
    let lines = lines(&turn("/long 500"), &INSTANT).await?;
    assert!(lines.len() > 400, "{} pieces", lines.len());
    assert_eq!(answer(&lines).0.split_whitespace().count(), 500);
    Ok(())
}

#[tokio::test]
async fn a_crash_ends_the_process_and_breaks_its_response_off() -> Result<()> {
    let api = RuntimeApi::start().await?;
    let process = Process::start(AI, &api, &INSTANT)?;
    let mut reply = api.invoke(&turn("/crash 200"))?;
    let broken = loop {
        match reply.line::<AiLine>().await {
            Ok(Some(AiLine::Delta(_))) => {}
            other => break other,
        }
    };
    assert!(broken.is_err(), "{broken:?}");
    assert_eq!(process.ended().await?.status.code(), Some(70));
    Ok(())
}

#[tokio::test]
async fn a_deadline_that_has_passed_and_a_request_of_another_shape_fail_by_name() -> Result<()> {
    let failure = |reason| [AiLine::Outcome(AiOutcome::Failure(AiFailure { reason }))];
    let mut late = turn("hi");
    late["deadline_ms"] = json!(1);
    assert_eq!(lines(&late, &INSTANT).await?, failure(FailureReason::Deadline));
    let mut early = turn("hi");
    early["deadline_ms"] = json!(-1);
    assert_eq!(lines(&early, &INSTANT).await?, failure(FailureReason::Deadline));
    for wrong in [json!(null), json!([]), json!({"site": "shop"}), json!("purple elephant")] {
        assert_eq!(lines(&wrong, &INSTANT).await?, failure(FailureReason::InvalidRequest), "{wrong}");
    }
    Ok(())
}

#[tokio::test]
async fn lambdas_own_deadline_ends_a_turn_too() -> Result<()> {
    let api = RuntimeApi::start().await?;
    let _process = Process::start(AI, &api, &INSTANT)?;
    // The process is up before the short turn begins.
    api.invoke(&turn("thanks"))?.lines::<AiLine>().await?;
    let reply = api.invoke_within(&turn("/stall 1"), std::time::Duration::from_secs(2))?;
    let (_, answer) = answer(&reply.lines().await?);
    assert_eq!((answer.text.as_str(), answer.interrupted), ("One", true));
    Ok(())
}

#[tokio::test]
async fn bytes_that_are_no_json_are_an_error_and_the_next_turn_goes_on() -> Result<()> {
    let api = RuntimeApi::start().await?;
    let _process = Process::start(AI, &api, &INSTANT)?;
    let deadline_ms = runtime_api::deadline_ms(std::time::Duration::from_secs(600))?;
    let error = api.invoke_raw(b"{".to_vec(), deadline_ms)?.line::<AiLine>().await.err().context("no error")?;
    assert!(error.to_string().contains("reported an error"), "{error}");
    let (_, answer) = answer(&api.invoke(&turn("thanks"))?.lines().await?);
    assert!(answer.text.starts_with("You are welcome"), "{answer:?}");
    Ok(())
}
