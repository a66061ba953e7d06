//! Traces of turns over real processes, as a collector sees them.

use anyhow::{Context, Result, ensure};
use provider::{Options, Provider};
use serde_json::Value;
use servers::{NatsOptions, NatsServer, RedisOptions, RedisServer};
use tokio::process::Command;

use crate::support::collector::{Collector, Manner, Seen};
use crate::support::program::{Program, address, answering};
use crate::support::visitor::Visitor;
use crate::support::{get, text};

/// Stands in the visitor's message, in the model's key and in the collector's: in nothing that leaves for a collector.
const CANARY: &str = "canary-7f3a";

/// `local-dev` with a collector.
fn tracing(collector: &Collector, args: &[&str]) -> Command {
    let mut command = answering(&[&["--data", "memory"], args].concat());
    command
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{}", collector.address))
        .env("OTEL_EXPORTER_OTLP_HEADERS", format!("x-key={CANARY}"))
        .env("FRONTDESK_LOG_LEVEL", "info")
        .env("FRONTDESK_LOG_FORMAT", "json");
    command
}

/// The same with a model behind a server.
fn asking(collector: &Collector, provider: &Provider) -> Command {
    let mut command = tracing(collector, &[]);
    command
        .env("FRONTDESK_AI_MODEL", "openai")
        .env("FRONTDESK_AI_MODEL_URL", provider.url())
        .env("FRONTDESK_AI_MODEL_NAME", "mock/ok")
        .env("FRONTDESK_AI_API_KEY", CANARY);
    command
}

async fn visitor(program: &Program) -> Result<Visitor> {
    let node = *program.nodes().await?.first().context("no node")?;
    let mut visitor = Visitor::connect(node, String::new(), 1);
    visitor.welcomed().await?;
    Ok(visitor)
}

fn named<'s>(seen: &'s [Seen], name: &str) -> Result<&'s Seen> {
    let mut found = seen.iter().filter(|seen| seen.span.name == name);
    let one = found.next().with_context(|| format!("no {name}"))?;
    ensure!(found.next().is_none(), "more than one {name}");
    Ok(one)
}

fn is_below(child: &Seen, parent: &Seen) -> bool {
    let (child, parent) = (&child.span, &parent.span);
    child.parent_span_id == parent.span_id
        && child.start_time_unix_nano >= parent.start_time_unix_nano
        && child.trace_id == parent.trace_id
}

fn events(seen: &Seen) -> Vec<&str> {
    seen.span.events.iter().map(|event| event.name.as_str()).collect()
}

#[tokio::test]
async fn a_turn_is_one_trace_over_node_and_function_without_a_word_of_it() -> Result<()> {
    let (collector, provider) = (Collector::start(Manner::Take).await?, Provider::start(Options::default()).await?);
    let program = Program::start_with(asking(&collector, &provider)).await?;
    let mut visitor = visitor(&program).await?;
    visitor.say(1, &format!("What about {CANARY}?")).await?;
    visitor.answered().await?;

    let seen = collector.spans(&["turn", "invoke ai", "answer", "chat mock/ok"]).await?;
    let (turn, invoke) = (named(&seen, "turn")?, named(&seen, "invoke ai")?);
    let (answer, chat) = (named(&seen, "answer")?, named(&seen, "chat mock/ok")?);
    assert!(turn.span.parent_span_id.is_empty(), "{turn:?}");
    assert!(is_below(invoke, turn) && is_below(answer, invoke) && is_below(chat, answer), "{seen:?}");
    let appends: Vec<_> = seen.iter().filter(|seen| seen.span.name == "append").collect();
    assert!(appends.len() == 2 && appends.iter().all(|append| is_below(append, turn)), "{seen:?}");
    assert_eq!(seen.len(), 6, "{seen:?}");

    assert_eq!(
        [&turn.service, &invoke.service, &answer.service, &chat.service],
        ["conn-node", "conn-node", "ai", "ai"]
    );
    assert_eq!(events(turn), ["invoked", "first_token"]);
    assert_eq!(turn.attribute("frontdesk.outcome").as_deref(), Some("complete"));
    assert_eq!(turn.attribute("gen_ai.conversation.id"), answer.attribute("gen_ai.conversation.id"));
    assert_eq!(invoke.attribute("frontdesk.result").as_deref(), Some("ok"));
    for (key, value) in [
        ("gen_ai.operation.name", "chat"),
        ("gen_ai.provider.name", "openai"),
        ("gen_ai.request.model", "mock/ok"),
        ("gen_ai.response.finish_reasons", "[stop]"),
        ("server.address", "127.0.0.1"),
    ] {
        assert_eq!(chat.attribute(key).as_deref(), Some(value), "{key}: {chat:?}");
    }
    for key in ["gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"] {
        let tokens: u64 = chat.attribute(key).context(key)?.parse()?;
        assert!(tokens > 0, "{key}");
    }

    for (headers, body) in collector.requests() {
        assert_eq!(headers["x-key"], CANARY);
        assert!(!body.windows(CANARY.len()).any(|part| part == CANARY.as_bytes()), "the canary is in a span");
    }
    let trace = hex(&turn.span.trace_id);
    let lines = program.stop_for_lines().await?;
    let of_turn = |line: &String| line.contains("turn ended") && line.contains(&format!("\"trace_id\":\"{trace}\""));
    assert!(lines.iter().any(of_turn), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains(CANARY)), "{lines:?}");
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn a_turn_that_ends_with_a_person_has_routing_in_its_trace() -> Result<()> {
    let collector = Collector::start(Manner::Take).await?;
    let program = Program::start_with(tracing(&collector, &[])).await?;
    let visitor = visitor(&program).await?;
    visitor.say(1, "I want to talk to a person, please.").await?;

    let seen = collector.spans(&["turn", "invoke routing", "route"]).await?;
    let (turn, invoke, route) = (named(&seen, "turn")?, named(&seen, "invoke routing")?, named(&seen, "route")?);
    assert!(is_below(invoke, turn) && is_below(route, invoke), "{seen:?}");
    assert_eq!(turn.attribute("frontdesk.outcome").as_deref(), Some("handover"));
    assert_eq!(route.service, "routing");
    Ok(())
}

#[tokio::test]
async fn a_model_that_refuses_is_an_error_of_its_span_and_named() -> Result<()> {
    let (collector, provider) = (Collector::start(Manner::Take).await?, Provider::start(Options::default()).await?);
    let mut command = asking(&collector, &provider);
    command.env("FRONTDESK_AI_MODEL_NAME", "mock/500");
    let program = Program::start_with(command).await?;
    let mut visitor = visitor(&program).await?;
    visitor.say(1, "Do you ship to the moon?").await?;
    visitor.answered().await?;

    let seen = collector.spans(&["turn", "answer"]).await?;
    let chats: Vec<_> = seen.iter().filter(|seen| seen.span.name.starts_with("chat ")).collect();
    assert!(!chats.is_empty() && chats.iter().all(|chat| chat.has_failed()), "{seen:?}");
    assert!(chats.iter().all(|chat| chat.attribute("error.type").is_some()), "{chats:?}");
    let answer = named(&seen, "answer")?;
    assert!(answer.has_failed() && answer.attribute("error.type").is_some(), "{answer:?}");
    Ok(())
}

#[tokio::test]
async fn a_collector_that_hangs_or_refuses_takes_no_turn_with_it() -> Result<()> {
    for manner in [Manner::Hang, Manner::Refuse] {
        let collector = Collector::start(manner).await?;
        let program = Program::start_with(tracing(&collector, &[])).await?;
        let mut visitor = visitor(&program).await?;
        for id in 1..=3 {
            visitor.say(id, "How long does shipping take?").await?;
            visitor.answered().await?;
        }
        collector.asked(1).await?;
        if manner == Manner::Refuse {
            refused(&program).await?;
        }
    }
    Ok(())
}

/// Waits until the node counts spans that were refused.
async fn refused(program: &Program) -> Result<()> {
    let metrics = address(&program.printed, "metrics       http://")?;
    let counted = async {
        loop {
            let page = text(get(metrics, "/metrics").await?).await?;
            let mut counts = page.lines().filter(|line| line.starts_with("frontdesk_spans_dropped_total{"));
            if counts.any(|line| line.contains("reason=\"refused\"") && !line.ends_with(" 0")) {
                return Ok(());
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(crate::support::program::LONGEST_WAIT, counted).await.context("none was counted")?
}

#[tokio::test]
async fn each_of_several_nodes_names_itself_in_its_lines() -> Result<()> {
    if servers::missing("redis-server") || servers::missing("nats-server") {
        return Ok(());
    }
    let (redis, nats) = (RedisServer::start(RedisOptions::default())?, NatsServer::start(NatsOptions::default())?);
    let mut command = answering(&["--nodes", "3", "--data", "memory", "--store", &redis.url(), "--bus", &nats.url()]);
    command.env("FRONTDESK_LOG_LEVEL", "info").env("FRONTDESK_LOG_FORMAT", "json");
    let lines = Program::start_with(command).await?.stop_for_lines().await?;

    let lines = lines.iter().map(|line| Ok(serde_json::from_str(line)?)).collect::<Result<Vec<Value>>>()?;
    let of_nodes = lines.iter().filter(|line| line["target"].as_str().is_some_and(|it| it.starts_with("conn_node")));
    let mut names: Vec<_> = of_nodes.map(|line| line["node"].as_str().unwrap_or("nobody").to_owned()).collect();
    names.sort();
    names.dedup();
    assert_eq!(names, ["node-1", "node-2", "node-3"]);
    Ok(())
}
