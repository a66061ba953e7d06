//! The real program under a Lambda runtime API.

use anyhow::Result;
use protocol::function::{AiFailure, Assignee, FailureReason, RoutingLine, RoutingOutcome};
use runtime_api::{Process, RuntimeApi};
use serde_json::json;

const ROUTING: &str = env!("CARGO_BIN_EXE_routing");

#[tokio::test]
async fn a_queue_is_routed_and_then_the_next() -> Result<()> {
    let api = RuntimeApi::start().await?;
    let _process = Process::start(ROUTING, &api, &[])?;
    for conversation in ["shop/v1/1", "shop/v2/3"] {
        let queue = json!([{"conversation": conversation, "since_ms": 5}]);
        let request = json!({"site": "shop", "queue": queue, "roster": [], "deadline_ms": 9});
        let lines: Vec<RoutingLine> = api.invoke(&request)?.lines().await?;
        let [RoutingLine::Outcome(RoutingOutcome::Assignments(assignments))] = &lines[..] else { panic!("{lines:?}") };
        assert_eq!(assignments.len(), 1);
        assert_eq!((assignments[0].conversation.as_str(), &assignments[0].to), (conversation, &Assignee::Queue));
    }
    Ok(())
}

#[tokio::test]
async fn a_request_of_another_shape_fails_by_name() -> Result<()> {
    let api = RuntimeApi::start().await?;
    let process = Process::start(ROUTING, &api, &[])?;
    let lines: Vec<RoutingLine> = api.invoke(&json!({"site": ["a secret"]}))?.lines().await?;
    let failure = RoutingOutcome::Failure(AiFailure { reason: FailureReason::InvalidRequest });
    assert_eq!(lines, [RoutingLine::Outcome(failure)]);
    assert!(!process.kill().await?.log.contains("secret"));
    Ok(())
}

#[tokio::test]
async fn bad_configuration_ends_it_with_64_and_the_reason() -> Result<()> {
    let api = RuntimeApi::start().await?;
    let ended = Process::start(ROUTING, &api, &[("FRONTDESK_LOG_LEVEL", "loud")])?.ended().await?;
    assert_eq!(ended.status.code(), Some(64));
    assert!(ended.log.contains("log.level") && ended.log.contains("loud"), "{}", ended.log);
    Ok(())
}
