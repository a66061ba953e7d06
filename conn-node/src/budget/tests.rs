use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::FutureExt;
use protocol::function::{AiLimit, AiQuota, AiReport};
use store::EmbeddedStore;
use telemetry::NodeMetrics;

use super::*;

const T0: Millis = 1_790_000_000_000;

/// A store, and a clock that only the test moves.
struct Bench {
    store: Arc<dyn Store>,
    time: Arc<AtomicU64>,
    metrics: NodeMetrics,
}

impl Bench {
    fn new() -> Self {
        let store: Arc<dyn Store> = Arc::new(EmbeddedStore::memory(store::embedded::Options::default()).unwrap());
        let time = Arc::new(AtomicU64::new(T0));
        Self { store, time, metrics: NodeMetrics::new("a", &[], &["own", "spare"]).unwrap() }
    }

    fn node(&self, name: &str, limits: ModelLimits) -> Arc<Budgets> {
        let time = Arc::clone(&self.time);
        let models = ["own", "spare"].map(|model| (model.to_owned(), limits));
        let clock: Clock = Arc::new(move || time.load(Ordering::Relaxed));
        Budgets::with_clock(models, &self.store, name, &self.metrics.budget, clock)
    }

    fn pass(&self, ms: u64) {
        self.time.fetch_add(ms, Ordering::Relaxed);
    }

    /// Lets time pass in small steps until `future` is done; the time it took, and what came of it.
    async fn until_done<T>(&self, nodes: &[&Arc<Budgets>], future: impl Future<Output = T>) -> (Millis, T) {
        let mut future = std::pin::pin!(future);
        for step in 0..2_000 {
            for _ in 0..20 {
                if let Some(done) = future.as_mut().now_or_never() {
                    return (step * 10, done);
                }
                tokio::task::yield_now().await;
            }
            self.pass(10);
            nodes.iter().for_each(|node| node.wake());
        }
        panic!("not done after 20 s");
    }
}

fn ask(models: &[String]) -> Ask<'_> {
    Ask { site: "shop", models, size: Size::default(), until: T0 + 10_000 }
}

fn only(model: &str) -> Vec<String> {
    vec![model.to_owned()]
}

const SIXTY: ModelLimits = ModelLimits { requests_per_minute: 60, tokens_per_minute: 0, max_tokens: 0 };

#[tokio::test]
async fn a_model_without_any_limit_is_granted_at_once_and_without_the_store() {
    let bench = Bench::new();
    let node = bench.node("a", ModelLimits::default());
    let models = only("own");
    let grants: Vec<_> = (0..100).map(|_| node.acquire(ask(&models)).now_or_never().unwrap().is_ok()).collect();
    assert_eq!(grants, [true; 100]);
}

#[tokio::test]
async fn two_nodes_share_one_line() {
    let bench = Bench::new();
    let nodes = ["a", "b"].map(|name| bench.node(name, SIXTY));
    let models = only("own");
    let first = bench.until_done(&[&nodes[0]], nodes[0].acquire(ask(&models))).await;
    assert!(first.1.is_ok() && first.0 < 1_000, "{}", first.0);
    let second = bench.until_done(&[&nodes[1]], nodes[1].acquire(ask(&models))).await;
    assert!(
        second.1.is_ok() && (500..=1_100).contains(&second.0),
        "the other node's turn took the first: {}",
        second.0
    );
}

#[tokio::test]
async fn who_cannot_wait_so_long_is_refused() {
    let bench = Bench::new();
    let node = bench.node("a", SIXTY);
    let models = only("own");
    let _first = bench.until_done(&[&node], node.acquire(ask(&models))).await;
    let hasty = Ask { until: T0 + 300, ..ask(&models) };
    let (took, refused) = bench.until_done(&[&node], node.acquire(hasty)).await;
    assert_eq!(refused.err(), Some(Refused::TooLong));
    assert!(took <= 300, "{took}");
}

#[tokio::test]
async fn what_was_not_used_is_given_back() {
    let bench = Bench::new();
    let node = bench.node("a", SIXTY);
    let models = only("own");
    let (_, first) = bench.until_done(&[&node], node.acquire(ask(&models))).await;
    first.unwrap().give_back();
    bench.pass(250);
    let (took, second) = bench.until_done(&[&node], node.acquire(ask(&models))).await;
    assert!(second.is_ok() && took < 200, "{took}");
}

#[tokio::test]
async fn a_turn_that_leaves_the_line_takes_nothing() {
    let bench = Bench::new();
    let node = bench.node("a", SIXTY);
    let models = only("own");
    let _first = bench.until_done(&[&node], node.acquire(ask(&models))).await;
    assert!(node.acquire(ask(&models)).now_or_never().is_none(), "it waits, and is given up here");
    let (took, second) = bench.until_done(&[&node], node.acquire(ask(&models))).await;
    assert!(second.is_ok() && took <= 1_100, "{took}");
}

#[tokio::test]
async fn a_refusal_heard_by_one_node_holds_for_the_others() {
    let bench = Bench::new();
    let nodes = ["a", "b"].map(|name| bench.node(name, SIXTY));
    let models = only("own");
    let (_, grant) = bench.until_done(&[&nodes[0]], nodes[0].acquire(ask(&models))).await;
    let quota = AiQuota { model: "own".to_owned(), refused: true, retry_after_ms: Some(5_000), ..AiQuota::default() };
    grant.unwrap().handle_quota(&quota);
    let shared = record::Places::new("own", "a").unwrap().shared;
    while bench.store.get(&shared, T0).await.unwrap().is_none() {
        tokio::task::yield_now().await;
    }
    let (took, second) = bench.until_done(&[&nodes[1]], nodes[1].acquire(ask(&models))).await;
    assert!(second.is_ok() && took >= 4_500, "{took}");
}

#[tokio::test]
async fn headers_of_one_node_limit_the_other() {
    let bench = Bench::new();
    let nodes = ["a", "b"].map(|name| bench.node(name, ModelLimits::default()));
    let models = only("own");
    let (_, grant) = bench.until_done(&[&nodes[0]], nodes[0].acquire(ask(&models))).await;
    let limit = AiLimit { limit: Some(60), remaining: Some(0), reset_ms: Some(1_000) };
    let quota = AiQuota { model: "own".to_owned(), requests: Some(limit), ..AiQuota::default() };
    let mut grant = grant.unwrap();
    grant.handle_quota(&quota);
    drop(grant);
    // The other node asks, reads what is shared, and knows.
    let other = &nodes[1];
    let mut has_waited = false;
    for _ in 0..2_000 {
        let (_, _first) = bench.until_done(&[other], other.acquire(later(&models))).await;
        let (took, _second) = bench.until_done(&[other], other.acquire(later(&models))).await;
        has_waited |= took >= 500;
        if has_waited {
            break;
        }
        tokio::task::yield_now().await;
        bench.pass(5_100);
    }
    assert!(has_waited, "the other node never heard of the limit");
}

fn later(models: &[String]) -> Ask<'_> {
    Ask { until: T0 + 36_000_000, ..ask(models) }
}

#[tokio::test]
async fn where_the_first_model_is_used_up_the_second_is_asked() {
    let bench = Bench::new();
    let node = bench.node("a", SIXTY);
    let models = vec!["own".to_owned(), "spare".to_owned()];
    let (_, first) = bench.until_done(&[&node], node.acquire(ask(&models))).await;
    let mut first = first.unwrap();
    assert_eq!(first.models(), ["own", "spare"]);
    let quota = AiQuota { model: "own".to_owned(), refused: true, retry_after_ms: Some(60_000), ..AiQuota::default() };
    first.handle_quota(&quota);
    first.handle_report(&AiReport { model: "spare".to_owned(), attempts: 2, ..AiReport::default() });
    drop(first);
    let (_, second) = bench.until_done(&[&node], node.acquire(ask(&models))).await;
    assert_eq!(second.unwrap().models(), ["spare"]);
    assert_eq!(node.acquire(ask(&only("gone"))).await.err(), Some(Refused::NoModel));
}

#[tokio::test]
async fn what_was_waited_and_refused_is_counted() {
    let bench = Bench::new();
    let node = bench.node("a", SIXTY);
    let models = only("own");
    let _first = bench.until_done(&[&node], node.acquire(ask(&models))).await;
    let hasty = Ask { until: T0 + 300, ..ask(&models) };
    let _ = bench.until_done(&[&node], node.acquire(hasty)).await;
    let page = bench.metrics.render().unwrap();
    assert!(page.contains("frontdesk_budget_wait_ms_count{model=\"own\",node=\"a\"} 1"), "{page}");
    assert!(page.contains("frontdesk_budget_refused_total{model=\"own\",reason=\"too_long\",node=\"a\"} 1"), "{page}");
    assert!(page.contains("frontdesk_budget_rate{model=\"own\",of=\"requests\",node=\"a\"} 59"), "{page}");
}
