//! Where the provider is watched and changed while it runs.
//!
//! | request | what it does |
//! |---|---|
//! | `GET /healthz` | `ok` |
//! | `GET /counts` | [`crate::Counts`] |
//! | `DELETE /counts` | counts anew |
//! | `GET /seconds` | a list of [`crate::Second`], from the start or the last reset |
//! | `GET /requests?after=N` | the last requests, a list of [`crate::Record`] |
//! | `GET /settings` | [`crate::Settings`] |
//! | `PATCH /settings` | changes the fields that the body names (RFC 7396), answers with all of them |
//! | `POST /quota/scale?by=0.5` | halves both limits, or doubles them, or whatever the number says |
//! | `POST /connections/close?how=gently` | closes the connections there are: `gently`, `at_once`, `reset` |
//! | `GET /certificate` | the certificate authority that clients of the TLS port must trust, PEM |

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::Value;

use crate::options::Settings;
use crate::quota::QuotaOptions;
use crate::shared::{HowToClose, Shared};

/// What every request here sees.
#[derive(Clone)]
pub(crate) struct Admin {
    pub(crate) shared: Arc<Shared>,
    pub(crate) authority_pem: Option<String>,
}

/// The parameters of a request's address.
type Parameters = Query<HashMap<String, String>>;

/// The routes.
pub(crate) fn router(admin: Admin) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route("/counts", get(counts).delete(reset))
        .route("/seconds", get(|State(admin): State<Admin>| async move { Json(admin.shared.seconds()) }))
        .route("/requests", get(requests))
        .route("/settings", get(settings).patch(change))
        .route("/quota/scale", post(scale))
        .route("/connections/close", post(close))
        .route("/certificate", get(certificate))
        .with_state(admin)
}

async fn counts(State(admin): State<Admin>) -> Response {
    Json(admin.shared.counts()).into_response()
}

async fn reset(State(admin): State<Admin>) -> StatusCode {
    admin.shared.reset_counts();
    StatusCode::NO_CONTENT
}

async fn requests(State(admin): State<Admin>, Query(parameters): Parameters) -> Response {
    let after = parameters.get("after").map_or(Ok(0), |after| after.parse());
    match after {
        Ok(after) => Json(admin.shared.records_after(after)).into_response(),
        Err(_) => bad("after must be a number"),
    }
}

async fn settings(State(admin): State<Admin>) -> Response {
    Json(admin.shared.settings().as_ref()).into_response()
}

async fn change(State(admin): State<Admin>, Json(patch): Json<Value>) -> Response {
    let changed = patched(&admin.shared.settings(), patch).and_then(|settings| admin.shared.change(settings));
    match changed {
        Ok(()) => settings(State(admin)).await,
        Err(error) => bad(&error.to_string()),
    }
}

async fn scale(State(admin): State<Admin>, Query(parameters): Parameters) -> Response {
    let by = parameters.get("by").and_then(|by| by.parse().ok()).filter(|by: &f64| by.is_finite() && *by > 0.0);
    let Some(by) = by else { return bad("by must be a number above 0") };
    let mut settings = admin.shared.settings().as_ref().clone();
    settings.quota = scaled(&settings.quota, by);
    match admin.shared.change(settings) {
        Ok(()) => Json(&admin.shared.settings().quota).into_response(),
        Err(error) => bad(&error.to_string()),
    }
}

async fn close(State(admin): State<Admin>, Query(parameters): Parameters) -> Response {
    let how = match parameters.get("how").map(String::as_str) {
        None | Some("gently") => HowToClose::Gently,
        Some("at_once") => HowToClose::AtOnce,
        Some("reset") => HowToClose::Reset,
        Some(_) => return bad("how must be gently, at_once or reset"),
    };
    admin.shared.close_connections(how);
    StatusCode::NO_CONTENT.into_response()
}

async fn certificate(State(admin): State<Admin>) -> Response {
    match admin.authority_pem {
        Some(pem) => pem.into_response(),
        None => (StatusCode::NOT_FOUND, "there is no TLS port").into_response(),
    }
}

/// Both limits times this number, at least 1 per minute.
pub(crate) fn scaled(quota: &QuotaOptions, by: f64) -> QuotaOptions {
    let times = |limit: Option<u64>| limit.map(|limit| ((limit as f64 * by).round() as u64).max(1));
    QuotaOptions {
        requests_per_minute: times(quota.requests_per_minute),
        tokens_per_minute: times(quota.tokens_per_minute),
        ..quota.clone()
    }
}

fn patched(settings: &Settings, patch: Value) -> anyhow::Result<Settings> {
    let mut all = serde_json::to_value(settings)?;
    merge(&mut all, patch);
    Ok(serde_json::from_value(all)?)
}

/// As RFC 7396, but that null sets null, and that an object with one of a choice's names replaces the choice.
fn merge(into: &mut Value, patch: Value) {
    match (into, patch) {
        (Value::Object(into), Value::Object(patch)) if patch.keys().all(|key| into.contains_key(key)) => {
            for (key, value) in patch {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, patch) => *into = patch,
    }
}

fn bad(why: &str) -> Response {
    (StatusCode::BAD_REQUEST, why.to_owned()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::Latency;
    use serde_json::json;

    fn patch(patch: Value) -> anyhow::Result<Settings> {
        patched(&Settings::default(), patch)
    }

    #[test]
    fn a_patch_changes_what_it_names() {
        let changed =
            patch(json!({"quota": {"requests_per_minute": 60}, "answers": {"first_token_ms": {"uniform": [1, 2]}}}));
        let changed = changed.unwrap();
        assert_eq!(changed.quota, QuotaOptions { requests_per_minute: Some(60), ..QuotaOptions::default() });
        assert_eq!(changed.answers.first_token_ms, Latency::Uniform(1.0, 2.0));
        assert_eq!(changed.connections, Settings::default().connections);
    }

    #[test]
    fn a_patch_with_unknown_fields_is_refused() {
        assert!(patch(json!({"quota": {"request_per_minute": 60}})).is_err());
        assert!(patch(json!({"quotas": {}})).is_err());
    }

    #[test]
    fn limits_are_scaled_where_there_are_any() {
        let quota = QuotaOptions { requests_per_minute: Some(1), ..QuotaOptions::default() };
        assert_eq!(scaled(&quota, 0.25).requests_per_minute, Some(1));
        assert_eq!((scaled(&quota, 2.0).requests_per_minute, scaled(&quota, 2.0).tokens_per_minute), (Some(2), None));
    }
}
