//! One caller: turns come by chance, take budget, and ask the provider.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use client::Random;
use conn_node::budget::{Ask, Budgets, ModelLimits};
use conversation::budget::Size;
use protocol::function::{AiLimit, AiQuota, AiReport};
use reqwest::header::HeaderMap;
use store::{RedisStore, Store};
use telemetry::NodeMetrics;

use super::figures::{SITES, Summary};

/// The name of the only model.
const MODEL: &str = "default";

/// How long a turn can wait.
const CLOCK_MS: u64 = 2_000;

/// The longest answer, tokens.
const MAX_TOKENS: u64 = 100;

/// What a caller is told.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Caller {
    #[arg(long)]
    pub(crate) name: String,
    #[arg(long)]
    pub(crate) store: String,
    #[arg(long)]
    pub(crate) provider: String,
    #[arg(long)]
    pub(crate) per_second: f64,
    #[arg(long)]
    pub(crate) seconds: u64,
    #[arg(long)]
    pub(crate) seed: u64,
}

impl Caller {
    pub(crate) fn arguments(&self) -> Vec<String> {
        let named = [
            ("--name", self.name.clone()),
            ("--store", self.store.clone()),
            ("--provider", self.provider.clone()),
            ("--per-second", self.per_second.to_string()),
            ("--seconds", self.seconds.to_string()),
            ("--seed", self.seed.to_string()),
        ];
        named.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect()
    }
}

/// What all turns of a caller share.
struct Shared {
    budgets: Arc<Budgets>,
    client: reqwest::Client,
    url: String,
    began: tokio::time::Instant,
    seconds: u64,
    summary: Mutex<Summary>,
}

/// Is a caller until its time is over; prints a [`Summary`].
///
/// # Errors
/// The store's address is wrong.
pub(crate) async fn run_caller(caller: &Caller) -> anyhow::Result<()> {
    let store: Arc<dyn Store> = Arc::new(RedisStore::connect(&caller.store, store::redis::Options::default()).await?);
    let metrics = NodeMetrics::new(&caller.name, &[], &[MODEL])?;
    let limits = ModelLimits { max_tokens: MAX_TOKENS, ..ModelLimits::default() };
    let budgets = Budgets::new([(MODEL.to_owned(), limits)], &store, &caller.name, &metrics.budget);
    let keeper = tokio::spawn(Arc::clone(&budgets).run());
    let url = format!("{}/chat/completions", caller.provider);
    // A proxy of the environment is none of ours.
    let client = outbound::client().no_proxy().build()?;
    let (began, seconds) = (tokio::time::Instant::now(), caller.seconds);
    let shared = Arc::new(Shared { budgets, client, url, began, seconds, summary: Mutex::new(Summary::default()) });
    let ends = began + Duration::from_secs(seconds);
    let (mut random, mut next) = (Random::new(caller.seed), tokio::time::Instant::now());
    let mut turns = tokio::task::JoinSet::new();
    loop {
        let chance = (random.below(1 << 30) + 1) as f64 / f64::from(1 << 30);
        next += Duration::from_secs_f64(-chance.ln() / caller.per_second);
        if next >= ends {
            break;
        }
        tokio::time::sleep_until(next).await;
        let site = draw_site(&mut random);
        let bytes = 1_200 + random.below(1_280);
        turns.spawn(Arc::clone(&shared).turn(site, bytes as usize));
        while turns.try_join_next().is_some() {}
    }
    tokio::time::sleep_until(ends).await;
    turns.abort_all();
    keeper.abort();
    let summary = shared.summary.lock().unwrap_or_else(PoisonError::into_inner).clone();
    println!("{}", serde_json::to_string(&summary)?);
    Ok(())
}

fn draw_site(random: &mut Random) -> usize {
    let mut left = random.below(SITES.iter().map(|(_, weight)| weight).sum());
    for (site, (_, weight)) in SITES.iter().enumerate() {
        match left.checked_sub(*weight) {
            Some(rest) => left = rest,
            None => return site,
        }
    }
    0
}

impl Shared {
    async fn turn(self: Arc<Self>, site: usize, bytes: usize) {
        let text = "word ".repeat(bytes / 5);
        let came = now_ms();
        self.note(|summary, third| summary.asked[third][site] += 1);
        let models = [MODEL.to_owned()];
        let size = Size::of([text.as_str()]);
        let ask = Ask { site: SITES[site].0, models: &models, size, until: came + CLOCK_MS };
        let Ok(mut grant) = self.budgets.acquire(ask).await else {
            self.note(|summary, _| summary.turned_away += 1);
            return;
        };
        self.note(|summary, _| summary.waits_ms.push(now_ms().saturating_sub(came)));
        let body = serde_json::json!({
            "model": "mock/ok", "stream": true, "stream_options": {"include_usage": true}, "max_tokens": MAX_TOKENS,
            "messages": [{"role": "user", "content": text}],
        });
        let Ok(response) = self.client.post(&self.url).json(&body).send().await else { return };
        let refused = response.status() == reqwest::StatusCode::TOO_MANY_REQUESTS;
        grant.handle_quota(&quota(response.headers(), refused));
        if refused {
            return;
        }
        self.note(|summary, third| summary.served[third][site] += 1);
        if let Ok(Some((prompt_tokens, completion_tokens))) = usage(response).await {
            let model = MODEL.to_owned();
            grant.handle_report(&AiReport {
                model,
                attempts: 1,
                prompt_tokens,
                completion_tokens,
                ..AiReport::default()
            });
        }
    }

    fn note(&self, change: impl FnOnce(&mut Summary, usize)) {
        let third = (self.began.elapsed().as_secs() * 3 / self.seconds.max(1)).min(2) as usize;
        change(&mut self.summary.lock().unwrap_or_else(PoisonError::into_inner), third);
    }
}

/// The usage in the last chunk that has one.
async fn usage(response: reqwest::Response) -> anyhow::Result<Option<(u64, u64)>> {
    let text = response.text().await.context("the answer broke off")?;
    let chunks = text.lines().rev().filter_map(|line| line.strip_prefix("data: "));
    let usage = |chunk: &str| {
        let chunk: serde_json::Value = serde_json::from_str(chunk).ok()?;
        Some((chunk["usage"]["prompt_tokens"].as_u64()?, chunk["usage"]["completion_tokens"].as_u64()?))
    };
    Ok(chunks.into_iter().find_map(usage))
}

fn quota(headers: &HeaderMap, refused: bool) -> AiQuota {
    let number = |name: String| headers.get(name)?.to_str().ok()?.parse::<u64>().ok();
    let limit = |of: &str| AiLimit {
        limit: number(format!("x-ratelimit-limit-{of}")),
        remaining: number(format!("x-ratelimit-remaining-{of}")),
        reset_ms: headers.get(format!("x-ratelimit-reset-{of}")).and_then(|value| duration_ms(value.to_str().ok()?)),
    };
    let known = |limit: AiLimit| Some(limit).filter(|limit| limit.limit.is_some());
    AiQuota {
        model: MODEL.to_owned(),
        requests: known(limit("requests")),
        tokens: known(limit("tokens")),
        refused,
        // As the function reads them: the exact one first.
        retry_after_ms: number("retry-after-ms".to_owned())
            .or_else(|| number("retry-after".to_owned()).map(|seconds| seconds.saturating_mul(1_000))),
    }
}

/// `1m30s`, `12ms`, `6.5s`.
fn duration_ms(text: &str) -> Option<u64> {
    let (mut rest, mut sum) = (text.trim(), 0.0);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, behind) = rest.split_at(digits);
        let letters = behind.find(|c: char| c.is_ascii_digit()).unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(letters);
        let factor = match unit {
            "ms" => 1.0,
            "s" | "" => 1_000.0,
            "m" => 60_000.0,
            "h" => 3_600_000.0,
            _ => return None,
        };
        sum += number.parse::<f64>().ok()? * factor;
        rest = behind;
    }
    Some(sum.ceil() as u64)
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resets_are_read_as_providers_write_them() {
        for (text, ms) in [("12ms", 12), ("1s", 1_000), ("6m0s", 360_000), ("1.5s", 1_500), ("1h2m", 3_720_000)] {
            assert_eq!(duration_ms(text), Some(ms), "{text}");
        }
        assert_eq!(duration_ms("soon"), None);
    }
}
