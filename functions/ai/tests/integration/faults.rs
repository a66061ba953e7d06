//! What the visitor gets for each way in which a model's server can behave.

use anyhow::Result;
use protocol::function::AiAnswer;

use crate::openai_server::{OpenAiServer, Reply, Step};
use crate::program::{FALLBACK, answer, lines, turn};

const HI: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"Hi \"}}]}\n\n";
const THERE: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"there\"}}]}\n\n";
const STOP: &str = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
const DONE: &str = "data: [DONE]\n\n";

/// The answer of a server that gives these replies. The clocks are short for what must run out, and long for the rest.
async fn answered(replies: Vec<Reply>, clocks: &[(&str, &str)]) -> Result<AiAnswer> {
    let server = OpenAiServer::start(replies).await?;
    let url = server.url();
    let model = [
        ("FRONTDESK_AI_MODEL", "openai"),
        ("FRONTDESK_AI_MODEL_URL", url.as_str()),
        ("FRONTDESK_AI_MODEL_NAME", "tiny"),
        ("FRONTDESK_TURN_DEADLINE_MS", "900000"),
        ("FRONTDESK_AI_TOTAL_MS", "800000"),
        ("FRONTDESK_AI_FIRST_TOKEN_MS", "700000"),
        ("FRONTDESK_AI_GAP_MS", "700000"),
    ];
    let set_otherwise = |(name, _): &&(&str, &str)| !clocks.iter().any(|(other, _)| other == name);
    let variables: Vec<_> = model.iter().filter(set_otherwise).chain(clocks).copied().collect();
    let (deltas, answer) = answer(&lines(&turn("Where is my parcel?"), &variables).await?);
    if !answer.fallback {
        assert_eq!(deltas, answer.text);
    }
    Ok(answer)
}

fn stream(parts: &[&str]) -> Reply {
    Reply::Stream(parts.iter().map(|part| Step::Bytes((*part).into())).collect())
}

fn stream_then(parts: &[&str], step: Step) -> Reply {
    Reply::Stream(parts.iter().map(|part| Step::Bytes((*part).into())).chain([step]).collect())
}

async fn check_whole(reply: Reply) -> Result<()> {
    let expected = AiAnswer { text: "Hi there".into(), ..AiAnswer::default() };
    assert_eq!(answered(vec![reply], &[]).await?, expected);
    Ok(())
}

async fn check_interrupted(reply: Reply, clocks: &[(&str, &str)]) -> Result<()> {
    let expected = AiAnswer { text: "Hi ".into(), interrupted: true, ..AiAnswer::default() };
    assert_eq!(answered(vec![reply], clocks).await?, expected);
    Ok(())
}

async fn check_fallback(reply: Reply, clocks: &[(&str, &str)]) -> Result<()> {
    let expected = AiAnswer { text: FALLBACK.into(), fallback: true, offer_person: true, ..AiAnswer::default() };
    assert_eq!(answered(vec![reply], clocks).await?, expected);
    Ok(())
}

#[tokio::test]
async fn an_ordinary_answer_is_whole() -> Result<()> {
    let usage = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2}}\n\n";
    check_whole(stream(&[HI, THERE, STOP, usage, DONE])).await
}

#[tokio::test]
async fn chunks_without_content_are_passed_over() -> Result<()> {
    let nothing = concat!(
        ": keep-alive\n\n",
        "data: {\"choices\":[]}\n\n",
        "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\n",
        "data: {\"choices\":[{\"delta\":{\"content\":null}}]}\n\n",
        "data: {\"choices\":[{\"delta\":{\"content\":\"\"},\"finish_reason\":\"\"}],\"usage\":{}}\n\n",
        "event: ping\ndata: {}\n\n",
        "data:\n\n",
    );
    check_whole(stream(&[nothing, HI, nothing, THERE, nothing, STOP, DONE])).await
}

#[tokio::test]
async fn no_usage_and_no_done_are_forgiven() -> Result<()> {
    check_whole(stream(&[HI, THERE, STOP])).await?;
    check_whole(stream(&[HI, THERE, "data: [DONE]"])).await
}

#[tokio::test]
async fn a_server_that_keeps_the_connection_open_after_the_answer_is_not_waited_for() -> Result<()> {
    check_whole(stream_then(&[HI, THERE, STOP], Step::Hold)).await?;
    check_whole(stream_then(&[HI, THERE, STOP], Step::KeepAlive)).await?;
    check_whole(stream_then(&[HI, THERE, DONE], Step::KeepAlive)).await
}

#[tokio::test]
async fn a_server_that_does_not_stream_is_understood() -> Result<()> {
    check_whole(stream(&["{\"choices\":[{\"message\":{\"content\":\"Hi there\"},\"finish_reason\":\"stop\"}]}"])).await
}

#[tokio::test]
async fn characters_cut_in_two_are_put_together() -> Result<()> {
    let event = "data: {\"choices\":[{\"delta\":{\"content\":\"你好🙂\"},\"finish_reason\":\"stop\"}]}\n\n".as_bytes();
    let steps = event.chunks(1).map(|byte| Step::Bytes(byte.to_vec())).collect();
    assert_eq!(answered(vec![Reply::Stream(steps)], &[]).await?.text, "你好🙂");
    Ok(())
}

#[tokio::test]
async fn bytes_that_are_no_text_do_not_stop_an_answer() -> Result<()> {
    let mut event =
        b"data: {\"choices\":[{\"delta\":{\"content\":\"a\xff\xfeb\"},\"finish_reason\":\"stop\"}]}\n\n".to_vec();
    event.extend_from_slice(DONE.as_bytes());
    assert_eq!(answered(vec![Reply::Stream(vec![Step::Bytes(event)])], &[]).await?.text, "a\u{fffd}\u{fffd}b");
    Ok(())
}

#[tokio::test]
async fn keep_alive_comments_alone_end_at_the_first_token_clock() -> Result<()> {
    check_fallback(stream_then(&[], Step::KeepAlive), &[("FRONTDESK_AI_FIRST_TOKEN_MS", "150"), CONNECT]).await
}

/// A part of the first token's time, and so not longer.
const CONNECT: (&str, &str) = ("FRONTDESK_AI_CONNECT_MS", "100");

#[tokio::test]
async fn a_server_that_sends_no_headers_ends_at_the_first_token_clock() -> Result<()> {
    check_fallback(Reply::Silence, &[("FRONTDESK_AI_FIRST_TOKEN_MS", "150"), CONNECT]).await
}

#[tokio::test]
async fn keep_alive_comments_after_content_end_at_the_gap_clock() -> Result<()> {
    check_interrupted(stream_then(&[HI], Step::KeepAlive), &[("FRONTDESK_AI_GAP_MS", "150")]).await
}

#[tokio::test]
async fn a_connection_cut_after_the_first_token_leaves_the_part() -> Result<()> {
    check_interrupted(stream_then(&[HI], Step::Cut), &[]).await?;
    check_interrupted(stream(&[HI]), &[]).await
}

#[tokio::test]
async fn a_connection_cut_before_the_first_token_is_a_fallback() -> Result<()> {
    check_fallback(stream_then(&[": hello\n\n"], Step::Cut), &[]).await?;
    check_fallback(stream(&[DONE]), &[]).await
}

#[tokio::test]
async fn an_error_inside_a_good_status_is_a_fallback_before_content_and_an_interruption_after_it() -> Result<()> {
    let event = "event: error\ndata: {\"message\":\"overloaded\"}\n\n";
    let object = "data: {\"error\":{\"message\":\"overloaded\",\"type\":\"server_error\"}}\n\n";
    let document = "{\"error\":{\"message\":\"overloaded\"}}";
    for error in [event, object, document] {
        check_fallback(stream(&[error]), &[]).await?;
    }
    for error in [event, object] {
        check_interrupted(stream(&[HI, error]), &[]).await?;
    }
    Ok(())
}

#[tokio::test]
async fn an_event_that_is_no_json_ends_the_answer() -> Result<()> {
    check_fallback(stream(&["data: {\"choices\":[{\n\n"]), &[]).await?;
    check_interrupted(stream(&[HI, "data: {\"choices\":[{\n\n", THERE, STOP, DONE]), &[]).await
}

#[tokio::test]
async fn a_giant_line_ends_the_answer() -> Result<()> {
    let giant = format!("data: {}", "x".repeat(1_000_000));
    check_fallback(stream_then(&[&giant], Step::Hold), &[]).await?;
    check_interrupted(stream_then(&[HI, &giant], Step::Hold), &[]).await
}

#[tokio::test]
async fn an_answer_cut_by_the_models_own_limit_is_interrupted() -> Result<()> {
    let length = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"length\"}]}\n\n";
    check_interrupted(stream(&[HI, length, DONE]), &[]).await
}

#[tokio::test]
async fn an_answer_that_never_ends_stops_at_its_limit_and_drops_the_request() -> Result<()> {
    let mut server = OpenAiServer::start(vec![stream_then(&[&HI.repeat(600)], Step::Hold)]).await?;
    let url = server.url();
    let variables = [
        ("FRONTDESK_AI_MODEL", "openai"),
        ("FRONTDESK_AI_MODEL_URL", url.as_str()),
        ("FRONTDESK_AI_MODEL_NAME", "tiny"),
        ("FRONTDESK_TURN_MAX_ANSWER_BYTES", "1024"),
    ];
    let (_, answer) = answer(&lines(&turn("Where is my parcel?"), &variables).await?);
    assert_eq!((answer.text.len(), answer.interrupted), (1024, true));
    server.left.recv().await.expect("the request was kept");
    Ok(())
}
