//! Several models, what their servers say of quotas, and handing over by a tool call.

use anyhow::{Context, Result};
use protocol::function::{AiLine, AiOutcome, AiReport, HandoverReason};
use runtime_api::{Process, RuntimeApi};
use serde_json::{Value, json};

use crate::openai_server::{OpenAiServer, Reply, Step};
use crate::program::{AI, turn};

const HI: &str =
    "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";

/// A call in three pieces, as OpenAI streams it.
const CALL: &str = concat!(
    "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"hand_over\",\"arguments\":\"\"}}]}}]}\n\n",
    "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\\\"summary\\\":\"}}]}}]}\n\n",
    "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"\\\"Wants a refund.\\\"}\"}}]}}]}\n\n",
    "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\ndata: [DONE]\n\n",
);

fn good() -> Reply {
    Reply::Stream(vec![Step::Bytes(HI.into())])
}

/// The lines of one turn with two models, of which the site tries `own` first.
async fn lines(own: &OpenAiServer, public: &OpenAiServer, turn: &Value) -> Result<Vec<AiLine>> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("frontdesk.toml");
    let toml = format!(
        "[ai]\nmodel = \"openai\"\nmodel_url = \"{}\"\nmodel_name = \"large\"\n[models.own]\nmodel_url = \"{}\"\n\
         model_name = \"small\"\n[sites.shop]\nname = \"Shop\"\norigins = [\"*\"]\nmodels = [\"own\", \"default\"]\n",
        public.url(),
        own.url()
    );
    std::fs::write(&file, toml)?;
    let file = file.to_string_lossy().into_owned();
    let api = RuntimeApi::start().await?;
    let _process = Process::start(AI, &api, &[("FRONTDESK_CONFIG", file.as_str())])?;
    api.invoke(turn)?.lines().await
}

fn report(lines: &[AiLine]) -> Result<&AiReport> {
    let report = lines.iter().find_map(|line| match line {
        AiLine::Report(report) => Some(report),
        _ => None,
    });
    report.context("no report")
}

fn text(lines: &[AiLine]) -> Option<&str> {
    match lines.last() {
        Some(AiLine::Outcome(AiOutcome::Answer(answer))) => Some(&answer.text),
        _ => None,
    }
}

#[tokio::test]
async fn a_site_tries_its_own_server_first_and_the_public_one_second() -> Result<()> {
    let (mut own, mut public) = (OpenAiServer::start(vec![good()]).await?, OpenAiServer::start(vec![good()]).await?);
    let said = lines(&own, &public, &turn("Where is my parcel?")).await?;
    assert_eq!((text(&said), report(&said)?.model.as_str()), (Some("Hi"), "own"));
    assert_eq!((own.count(), public.count()), (1, 0));

    for broken in [
        Reply::Status(401, vec![], ""),
        Reply::Status(503, vec![], ""),
        Reply::Stream(vec![Step::Bytes(
            b": keep-alive\n\ndata: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\n".into(),
        )]),
    ] {
        let own = OpenAiServer::start(vec![broken]).await?;
        let said = lines(&own, &public, &turn("Where is my parcel?")).await?;
        let report = report(&said)?;
        assert_eq!((text(&said), report.model.as_str(), report.attempts), (Some("Hi"), "default", 2));
    }
    Ok(())
}

#[tokio::test]
async fn the_nodes_choice_of_models_counts_more_than_the_sites() -> Result<()> {
    let (mut own, public) = (OpenAiServer::start(vec![good()]).await?, OpenAiServer::start(vec![good()]).await?);
    let mut asked = turn("Where is my parcel?");
    asked["models"] = json!(["default"]);
    assert_eq!(report(&lines(&own, &public, &asked).await?)?.model, "default");
    assert_eq!(own.count(), 0);
    Ok(())
}

#[tokio::test]
async fn what_every_server_says_of_its_quota_is_passed_on_before_the_answer() -> Result<()> {
    let headers =
        vec![("retry-after", "7"), ("x-ratelimit-limit-requests", "60"), ("x-ratelimit-remaining-requests", "0")];
    let own = OpenAiServer::start(vec![Reply::Status(429, headers, "")]).await?;
    let public = OpenAiServer::start(vec![Reply::Status(429, vec![], ""), good()]).await?;
    let said = lines(&own, &public, &turn("Where is my parcel?")).await?;
    let quotas: Vec<_> = said.iter().filter(|line| matches!(line, AiLine::Quota(_))).collect();
    assert_eq!(
        serde_json::to_value(quotas)?,
        json!([
            {"quota": {"model": "own", "requests": {"limit": 60, "remaining": 0}, "refused": true, "retry_after_ms": 7000}},
            {"quota": {"model": "default", "refused": true}},
        ])
    );
    assert_eq!((text(&said), report(&said)?.attempts), (Some("Hi"), 3));
    Ok(())
}

#[tokio::test]
async fn a_models_call_hands_over_with_its_summary() -> Result<()> {
    let own = OpenAiServer::start(vec![Reply::Stream(vec![Step::Bytes(CALL.into())])]).await?;
    let public = OpenAiServer::start(vec![good()]).await?;
    let said = lines(&own, &public, &turn("My tea is broken.")).await?;
    let Some(AiLine::Outcome(AiOutcome::Handover(handover))) = said.last() else { panic!("{said:?}") };
    assert_eq!(handover.reason, HandoverReason::Assistant);
    assert!(handover.summary.contains("Wants a refund."), "{handover:?}");
    Ok(())
}

#[tokio::test]
async fn a_server_that_refuses_the_tool_is_asked_without_it() -> Result<()> {
    let refusal = "{\"error\":{\"message\":\"tiny does not support tools\"}}";
    let mut own = OpenAiServer::start(vec![Reply::Status(400, vec![], refusal), good()]).await?;
    let public = OpenAiServer::start(vec![good()]).await?;
    let said = lines(&own, &public, &turn("Where is my parcel?")).await?;
    assert_eq!((text(&said), report(&said)?.model.as_str()), (Some("Hi"), "own"));
    let (first, second) = (own.requests.recv().await.context("no")?, own.requests.recv().await.context("no second")?);
    assert_eq!(first.body["tools"][0]["function"]["name"], "hand_over");
    assert_eq!(second.body["tools"], Value::Null);
    Ok(())
}
