//! Functions as real processes under the Runtime API, invoked over HTTP.

use std::time::Duration;

use anyhow::Result;
use http::{Request, StatusCode};
use http_body_util::Full;
use local_dev::invocation::now_ms;
use local_dev::pool::PoolLimits;
use serde_json::{Value, json};

use crate::support::{Gate, Scene, invoke, kill_9, piece, post, send, states, text};

fn limits(most: usize) -> PoolLimits {
    PoolLimits { most, ..PoolLimits::default() }
}

#[tokio::test]
async fn a_process_is_used_again() -> Result<()> {
    let scene = Scene::start(limits(4)).await?;
    let first = scene.who().await?;
    for _ in 0..20 {
        assert_eq!(scene.who().await?, first);
    }
    assert_eq!(scene.status().await?["starts"], 1);
    scene.stop().await;
    Ok(())
}

#[tokio::test]
async fn as_many_processes_run_as_there_are_invocations_and_one_more_is_refused() -> Result<()> {
    let scene = Scene::start(limits(3)).await?;
    let gate = Gate::new().await?;
    let mut held = Vec::new();
    for _ in 0..3 {
        let response = scene.invoke(json!(["say_who", gate.step()?])).await?;
        held.push((response, gate.arrival().await?));
    }
    let refused = scene.invoke(json!(["say_who"])).await?;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.headers()["x-amzn-errortype"], "TooManyRequestsException");
    assert_eq!(text(refused).await?, r#"{"Type":"User","message":"Rate Exceeded."}"#);
    let mut pids = Vec::new();
    for (response, held_here) in held {
        drop(held_here);
        pids.push(text(response).await?);
    }
    pids.sort();
    pids.dedup();
    assert_eq!(pids.len(), 3);
    scene.who().await?;
    scene.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_piece_arrives_while_the_function_still_runs() -> Result<()> {
    let scene = Scene::start(limits(1)).await?;
    let gate = Gate::new().await?;
    let mut response = scene.invoke(json!([{ "say": "a\n" }, gate.step()?, { "say": "b\n" }, gate.step()?])).await?;
    assert_eq!(piece(&mut response).await?, "a\n");
    drop(gate.arrival().await?);
    assert_eq!(piece(&mut response).await?, "b\n");
    drop(gate.arrival().await?);
    assert_eq!(text(response).await?, "");
    scene.stop().await;
    Ok(())
}

#[tokio::test]
async fn the_function_sees_its_deadline_and_the_callers_request_id() -> Result<()> {
    let scene = Scene::start(limits(1)).await?;
    let deadline_ms = now_ms() + 5_000;
    let response = invoke(scene.address, &json!({ "steps": ["say_context"], "deadline_ms": deadline_ms })).await?;
    assert_eq!(response.status(), StatusCode::OK);
    let id = response.headers()["x-amzn-requestid"].to_str()?.to_owned();
    assert_eq!(text(response).await?, format!("{id} {deadline_ms}\n"));
    scene.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_function_that_fails_is_reported_and_used_again() -> Result<()> {
    let scene = Scene::start(limits(1)).await?;
    let before = scene.who().await?;
    let response = scene.invoke(json!([{ "fail": "no such model" }])).await?;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["x-amz-function-error"], "Unhandled");
    let error: Value = serde_json::from_str(&text(response).await?)?;
    assert_eq!(error["errorMessage"], "no such model");
    assert_eq!(scene.who().await?, before);
    scene.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_crash_before_the_first_byte_is_reported_and_the_process_replaced() -> Result<()> {
    let scene = Scene::start(limits(1)).await?;
    let before = scene.who().await?;
    let response = scene.invoke(json!([{ "exit": 1 }])).await?;
    assert_eq!(response.headers()["x-amz-function-error"], "Unhandled");
    let error: Value = serde_json::from_str(&text(response).await?)?;
    assert_eq!(error["errorType"], "Runtime.ExitError");
    assert_ne!(scene.who().await?, before);
    scene.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_crash_in_the_middle_cuts_the_body_off() -> Result<()> {
    let scene = Scene::start(limits(1)).await?;
    let gate = Gate::new().await?;
    let mut response = scene.invoke(json!([{ "say": "a\n" }, gate.step()?, { "exit": 1 }])).await?;
    assert_eq!(piece(&mut response).await?, "a\n");
    drop(gate.arrival().await?);
    assert!(text(response).await.is_err());
    scene.who().await?;
    scene.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_killed_process_is_replaced_at_rest_and_at_work() -> Result<()> {
    let scene = Scene::start(limits(1)).await?;
    let gate = Gate::new().await?;
    kill_9(&scene.who().await?)?;
    scene.until(|status| status["ended"] == 1 && states(status) == ["idle"]).await?;
    let mut response = scene.invoke(json!(["say_who", gate.step()?])).await?;
    let who = piece(&mut response).await?;
    let held = gate.arrival().await?;
    kill_9(who.split(' ').next().unwrap_or_default())?;
    assert!(text(response).await.is_err());
    drop(held);
    scene.until(|status| status["ended"] == 2 && states(status) == ["idle"]).await?;
    scene.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_process_that_hangs_is_killed_after_its_deadline_and_replaced() -> Result<()> {
    let scene = Scene::start(PoolLimits { grace: Duration::from_millis(50), ..limits(1) }).await?;
    let before = scene.who().await?;
    let payload = json!({ "steps": ["hang"], "deadline_ms": now_ms() + 100 });
    let response = invoke(scene.address, &payload).await?;
    assert_eq!(response.headers()["x-amz-function-error"], "Unhandled");
    assert!(text(response).await?.contains("Task timed out"));
    assert_ne!(scene.who().await?, before);
    let payload = json!({ "steps": [{ "say": "a\n" }, "hang"], "deadline_ms": now_ms() + 100 });
    assert!(text(invoke(scene.address, &payload).await?).await.is_err());
    scene.who().await?;
    scene.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_function_whose_caller_left_runs_to_its_end() -> Result<()> {
    let scene = Scene::start(limits(1)).await?;
    let gate = Gate::new().await?;
    let mut response = scene.invoke(json!([{ "say": "a\n" }, gate.step()?, { "say": "b\n" }, gate.step()?])).await?;
    piece(&mut response).await?;
    let held = gate.arrival().await?;
    drop(response);
    scene.until(|status| status["processes"][0]["abandoned"] == true).await?;
    assert_eq!(scene.invoke(json!(["say_who"])).await?.status(), StatusCode::TOO_MANY_REQUESTS);
    drop(held);
    drop(gate.arrival().await?);
    scene.until(|status| states(status) == ["idle"]).await?;
    assert_eq!(scene.status().await?["starts"], 1);
    scene.stop().await;
    Ok(())
}

#[tokio::test]
async fn idle_processes_are_let_go_except_the_warm_one() -> Result<()> {
    let scene = Scene::start(PoolLimits { idle: Duration::from_millis(200), ..limits(3) }).await?;
    let gate = Gate::new().await?;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push((scene.invoke(json!(["say_who", gate.step()?])).await?, gate.arrival().await?));
    }
    assert_eq!(states(&scene.status().await?), ["busy"; 3]);
    drop(held);
    let status = scene.until(|status| status["ended"] == 2 && states(status) == ["idle"]).await?;
    assert_eq!(status["starts"], 3);
    scene.stop().await;
    Ok(())
}

#[tokio::test]
async fn several_invocations_share_a_process_that_may_run_so_many() -> Result<()> {
    let scene = Scene::start(PoolLimits { per_process: 2, ..limits(3) }).await?;
    let gate = Gate::new().await?;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push((scene.invoke(json!(["say_who", gate.step()?])).await?, gate.arrival().await?));
    }
    assert_eq!(scene.invoke(json!(["say_who"])).await?.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(scene.status().await?["starts"], 2);
    let mut pids = Vec::new();
    for (response, held_here) in held {
        drop(held_here);
        pids.push(text(response).await?);
    }
    pids.sort();
    pids.dedup();
    assert_eq!(pids.len(), 2);
    assert!(pids.concat().contains(&scene.who().await?), "the next one needs no new process");
    scene.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_late_invocation_leaves_the_others_of_its_process_alone() -> Result<()> {
    let limits = PoolLimits { per_process: 2, grace: Duration::from_millis(50), ..limits(2) };
    let scene = Scene::start(limits).await?;
    let gate = Gate::new().await?;
    let other = scene.invoke(json!(["say_who", gate.step()?, { "say": "end\n" }])).await?;
    let held = gate.arrival().await?;
    let payload = json!({ "steps": ["hang"], "deadline_ms": now_ms() + 100 });
    assert!(text(invoke(scene.address, &payload).await?).await?.contains("Task timed out"));
    drop(held);
    let other = text(other).await?;
    assert!(other.ends_with("end\n"), "{other}");
    scene.until(|status| status["ended"] == 1).await?;
    assert!(!other.starts_with(&scene.who().await?), "where something hangs nothing is begun any more");
    assert_eq!(scene.status().await?["starts"], 2);
    scene.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_process_that_dies_takes_all_of_its_invocations_along() -> Result<()> {
    let scene = Scene::start(PoolLimits { per_process: 2, ..limits(2) }).await?;
    let gate = Gate::new().await?;
    let mut held = Vec::new();
    for _ in 0..2 {
        held.push((scene.invoke(json!(["say_who", gate.step()?])).await?, gate.arrival().await?));
    }
    let status = scene.status().await?;
    assert_eq!((status["starts"].as_u64(), states(&status)), (Some(1), vec!["busy"; 2]));
    kill_9(&status["processes"][0]["pid"].to_string())?;
    for (response, _) in held {
        assert!(text(response).await.is_err());
    }
    scene.who().await?;
    scene.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_function_that_cannot_start_is_reported_to_its_caller() -> Result<()> {
    let scene = Scene::start_with(limits(1), vec![("TEST_FUNCTION_CANNOT_START", "1")]).await?;
    let response = scene.invoke(json!(["say_who"])).await?;
    assert_eq!(response.headers()["x-amz-function-error"], "Unhandled");
    assert!(text(response).await?.contains("Runtime.InitError"));
    scene.stop().await;
    Ok(())
}

#[tokio::test]
async fn bad_requests_are_named() -> Result<()> {
    let scene = Scene::start(limits(1)).await?;
    let unknown = post(scene.address, "/2015-03-31/functions/nobody/invocations", &json!({})).await?;
    assert_eq!(unknown.status(), StatusCode::NOT_FOUND);
    assert_eq!(unknown.headers()["x-amzn-errortype"], "ResourceNotFoundException");
    assert!(text(unknown).await?.contains("There are: test."));
    let not_json = invoke(scene.address, &json!("text")).await?;
    assert_eq!(not_json.headers()["x-amzn-errortype"], "InvalidRequestContentException");
    let too_large = invoke(scene.address, &json!({ "text": "x".repeat(6 * 1024 * 1024) })).await?;
    assert_eq!(too_large.status(), StatusCode::PAYLOAD_TOO_LARGE);
    scene.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_web_page_cannot_invoke_a_function() -> Result<()> {
    let scene = Scene::start(limits(1)).await?;
    let request = Request::post("/2015-03-31/functions/test/invocations")
        .header("host", scene.address.to_string())
        .header("origin", "https://example.com")
        .body(Full::from(r#"{"steps":["say_who"]}"#))?;
    assert_eq!(send(scene.address, request).await?.status(), StatusCode::FORBIDDEN);
    scene.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_web_page_whose_name_leads_to_this_machine_learns_nothing() -> Result<()> {
    let scene = Scene::start(limits(1)).await?;
    let answers = [
        ("page.example", StatusCode::FORBIDDEN),
        ("page.example:7003", StatusCode::FORBIDDEN),
        ("localhost.page.example:7003", StatusCode::FORBIDDEN),
        ("127.0.0.1.page.example", StatusCode::FORBIDDEN),
        ("", StatusCode::FORBIDDEN),
        ("localhost:7003", StatusCode::OK),
        ("127.0.0.1", StatusCode::OK),
        ("[::1]:7003", StatusCode::OK),
    ];
    for (host, expected) in answers {
        let request = Request::get("/dev/status").header("host", host).body(Full::default())?;
        assert_eq!(send(scene.address, request).await?.status(), expected, "{host}");
    }
    let request = Request::post("/2015-03-31/functions/test/invocations")
        .header("host", "page.example:7003")
        .body(Full::from(r#"{"steps":["say_who"]}"#))?;
    assert_eq!(send(scene.address, request).await?.status(), StatusCode::FORBIDDEN);
    scene.stop().await;
    Ok(())
}

#[tokio::test]
async fn faults_happen_when_asked_for() -> Result<()> {
    let scene = Scene::start(PoolLimits { grace: Duration::from_millis(50), ..limits(1) }).await?;
    scene.fault(&json!({ "fault": "throttle" })).await?;
    assert_eq!(scene.invoke(json!(["say_who"])).await?.status(), StatusCode::TOO_MANY_REQUESTS);
    scene.fault(&json!({ "fault": "crash" })).await?;
    assert!(text(scene.invoke(json!(["say_who"])).await?).await?.contains("Runtime.ExitError"));
    scene.fault(&json!({ "fault": "crash_mid_stream" })).await?;
    let mut cut = scene.invoke(json!([{ "say": "a\n" }, "hang"])).await?;
    assert_eq!(piece(&mut cut).await?, "a\n");
    assert!(text(cut).await.is_err());
    scene.fault(&json!({ "fault": "hang" })).await?;
    let payload = json!({ "steps": ["say_who"], "deadline_ms": now_ms() + 100 });
    assert!(text(invoke(scene.address, &payload).await?).await?.contains("Task timed out"));
    scene.who().await?;
    scene.stop().await;
    Ok(())
}
