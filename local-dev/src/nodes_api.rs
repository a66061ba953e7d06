//! The routes by which developers, and tests, kill, pause and restart nodes.
//!
//! | `POST` | |
//! |---|---|
//! | `/dev/nodes/{n}/kill` | SIGKILL; the node is started again after a second, with `?stay_down` not before `start` |
//! | `/dev/nodes/{n}/restart` | drains it and starts it again; answers when it is ready |
//! | `/dev/nodes/{n}/drain` | drains it; it stays down until `start` |
//! | `/dev/nodes/{n}/pause`, `/resume` | SIGSTOP, SIGCONT |
//! | `/dev/nodes/{n}/start` | starts one that is down; answers when it is ready |
//! | `/dev/rolling-restart` | restarts all, one by one; answers with the old and the new process ids |
//!
//! Nodes are numbered from 1. Each answers with the node as `GET /dev/status` shows it, or with an error.

use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use http::StatusCode;
use serde_json::json;

use crate::node::Order;
use crate::nodes::{Nodes, OrderError};

/// The routes.
pub fn router(nodes: Nodes) -> Router {
    Router::new()
        .route("/dev/nodes/{number}/{order}", post(order))
        .route("/dev/rolling-restart", post(rolling_restart))
        .with_state(nodes)
}

async fn order(
    State(nodes): State<Nodes>,
    Path((number, order)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Response {
    let Ok(number) = number.parse() else {
        return error(StatusCode::NOT_FOUND, &format!("{number} is not the number of a node; the first is 1"));
    };
    let stay_down = match query.as_deref() {
        None | Some("") => false,
        Some("stay_down") if order == "kill" => true,
        Some(query) => return error(StatusCode::BAD_REQUEST, &format!("{query} is not known; kill takes ?stay_down")),
    };
    let order = match order.as_str() {
        "kill" => Order::Kill { stay_down },
        "restart" => Order::Restart,
        "drain" => Order::Drain,
        "pause" => Order::Pause,
        "resume" => Order::Resume,
        "start" => Order::Start,
        other => {
            let known = "there are kill, restart, drain, pause, resume and start";
            return error(StatusCode::NOT_FOUND, &format!("a node cannot {other}; {known}"));
        }
    };
    answer(nodes.order(number, order).await)
}

async fn rolling_restart(State(nodes): State<Nodes>) -> Response {
    answer(nodes.rolling_restart().await)
}

fn answer(done: Result<impl serde::Serialize, OrderError>) -> Response {
    match done {
        Ok(done) => Json(done).into_response(),
        Err(reason) => {
            let status = match reason {
                OrderError::Unknown { .. } => StatusCode::NOT_FOUND,
                OrderError::Refused { .. } | OrderError::Rolling => StatusCode::CONFLICT,
                OrderError::NotReady { .. } => StatusCode::SERVICE_UNAVAILABLE,
            };
            error(status, &reason.to_string())
        }
    }
}

fn error(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({ "message": message }))).into_response()
}
