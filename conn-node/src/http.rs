//! What a node answers to plain HTTP requests: the widget's files, a site's public settings, and how it is.
//!
//! The WebSocket endpoint is not here; see `accept`.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::extract::{Path, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use config::Config;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use protocol::v1::ErrorCode;
use serde_json::json;
use telemetry::Family;

use crate::assets::Assets;
use crate::origin;
use crate::refusal::Refusal;
use crate::settings::Settings;

/// Whether a node should be sent visitors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// Yes.
    Ready,
    /// No: it is being stopped.
    Draining,
    /// No: its store does not answer.
    StoreFailing,
    /// No: the bus to the other nodes does not answer.
    BusFailing,
}

/// What the routes work with.
struct Front {
    sites: BTreeMap<String, (config::Site, Settings)>,
    assets: Assets,
    readiness: Box<dyn Fn() -> Readiness + Send + Sync>,
    responses: Family,
}

/// The routes of the public port, apart from the WebSocket endpoint. `readiness` is asked at each `/readyz`; `responses`
/// counts answers by class. `more` are routes that need the rest of the node.
///
/// # Errors
/// A file of the widget, or a site's settings, cannot be prepared.
pub fn router(
    config: &Config,
    readiness: impl Fn() -> Readiness + Send + Sync + 'static,
    responses: Family,
    more: Router,
) -> io::Result<Router> {
    let settings = |(key, site): (&String, &config::Site)| {
        Ok((key.clone(), (site.clone(), Settings::new(site, config.limits.max_text_bytes)?)))
    };
    let front = Arc::new(Front {
        sites: config.sites.iter().map(settings).collect::<io::Result<_>>()?,
        assets: Assets::embedded()?,
        readiness: Box::new(readiness),
        responses,
    });
    let router = Router::new()
        .route("/v1/sites/{site}", get(site))
        .route("/widget/{*file}", get(widget))
        .route("/healthz", get(async || Json(json!({"status": "ok"}))))
        .route("/readyz", get(ready))
        .with_state(Arc::clone(&front))
        .merge(more)
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::from_fn_with_state(Arc::clone(&front), finish));
    Ok(router)
}

/// A site's public settings, for pages that the site allows, and for whoever is no page.
async fn site(State(front): State<Arc<Front>>, Path(key): Path<String>, request: HeaderMap) -> Response {
    let Some((site, settings)) = front.sites.get(&key) else {
        let message = "no site has this key: check data-site in the page's script tag";
        let mut response = Refusal::new(ErrorCode::SiteUnknown, message).into_response();
        // A page's developer is to read this in the browser's console.
        response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        return response;
    };
    let origin = request.get(header::ORIGIN);
    if let (Some(_), Err(refusal)) = (origin, origin::check(site, &request)) {
        return refusal.into_response();
    }
    let mut response = settings.respond(&request);
    let headers = response.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    }
    response
}

async fn widget(State(front): State<Arc<Front>>, Path(file): Path<String>, request: HeaderMap) -> Response {
    match front.assets.respond(&file, &request) {
        Some(response) => response,
        None => error(StatusCode::NOT_FOUND, "NOT_FOUND", "the widget has no such file"),
    }
}

async fn ready(State(front): State<Arc<Front>>) -> Response {
    let (status, text) = match (front.readiness)() {
        Readiness::Ready => (StatusCode::OK, "ready"),
        Readiness::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
        Readiness::StoreFailing => (StatusCode::SERVICE_UNAVAILABLE, "the store does not answer"),
        Readiness::BusFailing => (StatusCode::SERVICE_UNAVAILABLE, "the bus does not answer"),
    };
    (status, Json(json!({"status": text}))).into_response()
}

async fn not_found() -> Response {
    error(StatusCode::NOT_FOUND, "NOT_FOUND", "there is nothing here; docs/protocol.md lists what a node answers to")
}

async fn method_not_allowed() -> Response {
    error(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", "use GET or HEAD")
}

/// An error that has no code in frames, in the same form as those that have one.
fn error(status: StatusCode, code: &'static str, message: &'static str) -> Response {
    (status, Json(json!({"code": code, "message": message}))).into_response()
}

/// Counts the answer, and tells browsers to believe its type.
async fn finish(State(front): State<Arc<Front>>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let class = match response.status().as_u16() {
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    };
    front.responses.with(class).inc();
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests;
