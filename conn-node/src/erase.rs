//! `DELETE /v1/sites/{site}/visitors/{visitor}`: forgets everything that a visitor has said.
//!
//! Who may ask: the visitor, with the token of the last Welcome or an identity made by the site's back end; and the back end
//! itself, about anybody, with a token of its own (see [`crate::identity::IdentityKeys::verify_eraser`]).

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::delete;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use protocol::v1::ErrorCode;

use crate::clock;
use crate::life;
use crate::node::{Node, Site};
use crate::origin;
use crate::refusal::Refusal;
use crate::visitor::VisitorId;

/// How a caller names himself.
const ME: &str = "me";

/// When to ask again after the store failed, milliseconds.
const RETRY_AFTER_MS: u32 = 2_000;

/// The route. It needs the conversations of the node, unlike everything else that is answered to plain requests.
pub(crate) fn router(node: Arc<Node>) -> Router {
    Router::new().route("/v1/sites/{site}/visitors/{visitor}", delete(erase).options(preflight)).with_state(node)
}

async fn erase(
    State(node): State<Arc<Node>>,
    Path((site, visitor)): Path<(String, String)>,
    request: HeaderMap,
) -> Response {
    let mut response = match erase_for(&node, &site, &visitor, &request).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(refusal) => refusal.into_response(),
    };
    allow_origin(&node, &site, &request, response.headers_mut());
    response
}

/// What a browser asks before a page of another origin may do it.
async fn preflight(
    State(node): State<Arc<Node>>,
    Path((site, _)): Path<(String, String)>,
    request: HeaderMap,
) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    if allow_origin(&node, &site, &request, headers) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("DELETE"));
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("authorization"));
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    }
    response
}

/// Lets the page that asks read the answer, if it is one of the site's.
fn allow_origin(node: &Node, site: &str, request: &HeaderMap, headers: &mut HeaderMap) -> bool {
    let allowed = request
        .get(header::ORIGIN)
        .filter(|_| node.config.sites.get(site).is_some_and(|site| origin::check(site, request).is_ok()));
    headers.insert(header::VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = allowed {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    }
    allowed.is_some()
}

async fn erase_for(node: &Arc<Node>, site: &str, visitor: &str, request: &HeaderMap) -> Result<(), Refusal> {
    let known = node.sites.get(site).zip(node.config.sites.get(site));
    let Some((known, config)) = known else {
        return Err(Refusal::new(ErrorCode::SiteUnknown, "no site has this key"));
    };
    if request.contains_key(header::ORIGIN) {
        origin::check(config, request)?;
    }
    let visitor = whom(node, known, site, visitor, request)?;
    if node.drain.is_draining() {
        let refusal = Refusal::new(ErrorCode::Draining, "the node is about to stop; ask again, another one answers");
        return Err(Refusal { retry_after_ms: RETRY_AFTER_MS, ..refusal });
    }
    node.limits.message(site, &visitor)?;
    // A task of its own: somebody who hangs up has asked all the same.
    let (erasing, of, whose) = (Arc::clone(node), site.to_owned(), visitor.clone());
    let task = tokio::spawn(async move { life::erase(&erasing, &of, whose.as_str()).await });
    let erased = task.await.unwrap_or_else(|error| Err(life::LifeError::Broken(error.to_string())));
    let forgotten = erased.map_err(|error| {
        tracing::error!(site, %visitor, %error, "a visitor cannot be forgotten");
        let message = "not everything could be forgotten, the store does not answer; ask again for the rest";
        Refusal { retry_after_ms: RETRY_AFTER_MS, ..Refusal::new(ErrorCode::Unavailable, message) }
    })?;
    tracing::info!(site, %visitor, conversations = forgotten, "forgotten on request");
    Ok(())
}

/// Whom the caller may have forgotten.
fn whom(node: &Node, known: &Site, site: &str, named: &str, request: &HeaderMap) -> Result<VisitorId, Refusal> {
    let bearer = request.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some(bearer) = bearer.and_then(|value| value.strip_prefix("Bearer ")).map(str::trim) else {
        let message =
            "send Authorization: Bearer and the visitor's token, an identity, or a token of the site's back end";
        return Err(Refusal::new(ErrorCode::TokenInvalid, message));
    };
    let now = clock::now();
    if named != ME && known.admission.is_eraser(bearer, now) {
        return VisitorId::parse(named).ok_or_else(|| Refusal::new(ErrorCode::InvalidId, "this is no visitor's id"));
    }
    let own = match node.tokens.verify(bearer, site, now) {
        Ok(verified) => verified.visitor,
        Err(_) => known.admission.visitor_of_identity(bearer, now).ok_or_else(|| {
            let message = "this is no token of a visitor of this site that is still good, and no identity or erase token that \
                           one of the site's identity keys has signed";
            Refusal::new(ErrorCode::TokenInvalid, message)
        })?,
    };
    if named == ME || named == own.as_str() {
        return Ok(own);
    }
    Err(Refusal::new(ErrorCode::TokenInvalid, "this token speaks for another visitor"))
}
