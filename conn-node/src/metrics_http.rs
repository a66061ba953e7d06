//! The node's second port: `/metrics`, for Prometheus and for nobody else.

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{StatusCode, header};
use telemetry::MetricsError;

/// Prometheus' text format.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The routes of the metrics port. `render` makes the page at each request.
pub fn router(render: impl Fn() -> Result<String, MetricsError> + Send + Sync + 'static) -> Router {
    let render = Arc::new(render);
    Router::new().route("/metrics", get(async move || page(render())))
}

fn page(rendered: Result<String, MetricsError>) -> Response {
    match rendered {
        Ok(page) => ([(header::CONTENT_TYPE, TEXT)], page).into_response(),
        Err(error) => {
            tracing::error!(%error, "the metrics cannot be written out");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::Request;
    use http_body_util::BodyExt as _;
    use telemetry::NodeMetrics;
    use tower::ServiceExt as _;

    use super::*;

    #[tokio::test]
    async fn the_page_shows_what_was_counted_until_now() {
        let metrics = Arc::new(NodeMetrics::new("test", &[], &[]).unwrap());
        let counted = Arc::clone(&metrics);
        let router = router(move || counted.render());
        metrics.sessions.set(3);

        let response = router.oneshot(Request::get("/metrics").body(Body::empty()).unwrap()).await.unwrap();

        assert_eq!(response.headers()[header::CONTENT_TYPE], TEXT);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let page = String::from_utf8(body.to_vec()).unwrap();
        assert!(page.contains("chat_session_active{node=\"test\"} 3"), "{page}");
    }

    #[tokio::test]
    async fn nothing_else_is_on_the_metrics_port() {
        let response = router(|| Ok(String::new())).oneshot(Request::get("/").body(Body::empty()).unwrap()).await;

        assert_eq!(response.unwrap().status(), StatusCode::NOT_FOUND);
    }
}
