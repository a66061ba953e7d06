use std::time::Duration;

use protocol::function::{AiAnswer, AiQuota, Message, Role};

use super::*;
use crate::model::End;

const MS: Duration = Duration::from_millis(1);

fn metrics() -> Arc<AiMetrics> {
    Arc::new(AiMetrics::new(["shop"], ["own", "public"]).unwrap())
}

fn record(metrics: &Arc<AiMetrics>, started: Instant) -> Record {
    let request = AiRequest {
        site: "shop".into(),
        conversation: "shop/v1/1".into(),
        turn: 1,
        messages: vec![],
        language: String::new(),
        deadline_ms: 0,
        models: vec![],
        failures: 0,
    };
    Record::new(&request, Arc::clone(metrics), started)
}

fn asking(model: &str) -> Piece {
    Piece::Asking(model.into())
}

fn overloaded() -> ModelError {
    ModelError::RateLimited { detail: "status 429".into(), retry_after: None }
}

fn fallback() -> AiOutcome {
    AiOutcome::Answer(AiAnswer { fallback: true, ..AiAnswer::default() })
}

#[tokio::test(start_paused = true)]
async fn the_report_tells_the_models_time_from_the_turns() {
    let (metrics, start) = (metrics(), Instant::now());
    let mut record = record(&metrics, start);
    record.handle_piece(&asking("own"), start + 10 * MS);
    record.handle_piece(&Piece::Failed(overloaded()), start + 30 * MS);
    record.handle_piece(&asking("public"), start + 80 * MS);
    record.handle_piece(&Piece::Heard(start + 480 * MS), start + 481 * MS);
    record.handle_delta("Hello", start + 482 * MS);
    record.handle_piece(&Piece::Usage(Usage { prompt_tokens: 70, completion_tokens: 2 }), start + 900 * MS);
    let expected = AiReport {
        model: "public".into(),
        attempts: 2,
        first_token_us: Some(482_000),
        total_us: 901_000,
        model_us: 420_000,
        prompt_tokens: 70,
        completion_tokens: 2,
        counted: true,
        failure: None,
    };
    assert_eq!(record.report(start + 901 * MS), expected);
    let page = |record: Record| {
        drop(record);
        metrics.render().unwrap()
    };
    let page = page(record);
    for line in [
        r#"frontdesk_ai_attempts_total{model="own"} 1"#,
        r#"frontdesk_ai_failed_attempts_total{model="own",reason="model_overloaded"} 1"#,
        r#"frontdesk_ai_wait_ms_sum{model="public"} 50"#,
        r#"frontdesk_ai_added_us_sum{model="public"} 62000"#,
    ] {
        assert!(page.contains(line), "{line} is not in: {page}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_turn_without_an_answer_says_why_and_waits_for_its_model_to_the_end() {
    let (metrics, start) = (metrics(), Instant::now());
    let mut record = record(&metrics, start);
    record.handle_piece(&asking("own"), start);
    record
        .handle_piece(&Piece::Quota(AiQuota { model: "own".into(), refused: true, ..AiQuota::default() }), start + MS);
    record.handle_error(overloaded(), start + 2 * MS);
    record.handle_outcome(&fallback());
    let report = record.report(start + 3 * MS);
    assert_eq!((report.model_us, report.failure), (2_000, Some(FailureReason::ModelOverloaded)));
    drop(record);
    let page = metrics.render().unwrap();
    for line in [
        r#"frontdesk_ai_refusals_total{model="own"} 1"#,
        r#"frontdesk_ai_fallbacks_total{reason="model_overloaded",site="shop"} 1"#,
        r#"ai_response_duration_count{model="own",outcome="fallback",site="shop"} 1"#,
    ] {
        assert!(page.contains(line), "{line} is not in: {page}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_is_abandoned_is_counted_as_such() {
    let (metrics, start) = (metrics(), Instant::now());
    let mut record = record(&metrics, start);
    record.handle_piece(&asking("own"), start);
    drop(record);
    let page = metrics.render().unwrap();
    assert!(page.contains(r#"ai_response_duration_count{model="own",outcome="abandoned",site="shop"} 1"#), "{page}");
}

#[tokio::test(start_paused = true)]
async fn tokens_that_the_server_did_not_count_are_estimated() {
    let (metrics, start) = (metrics(), Instant::now());
    let mut prompt = crate::model::tests::prompt();
    prompt.rules = "r".repeat(40);
    prompt.messages = vec![Message { role: Role::Visitor, text: "你好吗".into() }];
    let mut record = record(&metrics, start);
    record.handle_prompt(&prompt);
    assert_eq!(record.report(start).prompt_tokens, 0, "no model was asked");
    record.handle_piece(&asking("own"), start);
    record.handle_delta("Hello there!", start);
    record.handle_piece(&Piece::Usage(Usage { prompt_tokens: 0, completion_tokens: 5 }), start);
    record.handle_piece(&Piece::End(End::Complete), start);
    let report = record.report(start);
    assert_eq!((report.prompt_tokens, report.completion_tokens, report.counted), (10 + 4 + 3 + 4, 5, false));
}
