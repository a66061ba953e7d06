//! The demo site: a small shop that carries the widget, with the strict content security policy that sites use.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, X_CONTENT_TYPE_OPTIONS};
use http::uri::Authority;
use http::{HeaderMap, StatusCode};
use include_dir::{Dir, include_dir};
use tempfile::TempDir;

/// The shop's files. `{{node}}` in a page stands for the node's URL.
static FILES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../web/demo");

/// What [`lay_down`] calls its files.
pub const CONFIGURATION: &str = "frontdesk.toml";
/// See [`CONFIGURATION`].
pub const INTENTS: &str = "shop.intents";
/// See [`CONFIGURATION`]. A folder.
pub const KNOWLEDGE: &str = "knowledge";
/// See [`CONFIGURATION`]. The folder's index, in the folder of the configuration.
const INDEX: &str = "knowledge.index";
/// What [`INTENTS`] was trained from.
const EXAMPLES: &str = "intents.toml";

/// Writes `configuration` and what the shop's assistant answers from into a folder of its own, which is removed when it is
/// dropped.
///
/// # Errors
/// The system's folder for such files cannot be written to.
pub fn lay_down(configuration: &str) -> io::Result<TempDir> {
    let folder = TempDir::with_prefix("frontdesk-")?;
    std::fs::write(folder.path().join(CONFIGURATION), configuration)?;
    for file in [INTENTS, INDEX].into_iter().filter_map(|name| FILES.get_file(name)) {
        std::fs::write(folder.path().join(file.path()), file.contents())?;
    }
    if let Some(knowledge) = FILES.get_dir(KNOWLEDGE) {
        // The files' paths begin with the folder's name.
        for part in folders(knowledge) {
            std::fs::create_dir_all(folder.path().join(part.path()))?;
            for file in part.files() {
                std::fs::write(folder.path().join(file.path()), file.contents())?;
            }
        }
    }
    Ok(folder)
}

/// A folder and those in it.
fn folders(folder: &'static Dir<'static>) -> Vec<&'static Dir<'static>> {
    std::iter::once(folder).chain(folder.dirs().flat_map(folders)).collect()
}

/// Where the node is, as seen from the machine itself.
#[derive(Clone, Copy, Debug)]
struct Node(SocketAddr);

/// The routes. `node` is where the pages' widget connects.
pub fn router(node: SocketAddr) -> Router {
    Router::new()
        .route("/", get(|node: State<Arc<Node>>, headers: HeaderMap| async move { page(&node, &headers, "") }))
        .route(
            "/{*path}",
            get(|node: State<Arc<Node>>, path: Path<String>, headers: HeaderMap| async move {
                page(&node, &headers, &path)
            }),
        )
        .with_state(Arc::new(Node(node)))
}

/// The pages' origins, for the site's list of allowed ones: by the address and, where that is this machine, by name.
#[must_use]
pub fn origins(demo: SocketAddr) -> Vec<String> {
    match demo.ip() {
        // Other machines come by names that are not known here.
        ip if ip.is_unspecified() => vec!["*".to_owned()],
        ip if ip.is_loopback() => vec![format!("http://{demo}"), format!("http://localhost:{}", demo.port())],
        _ => vec![format!("http://{demo}")],
    }
}

/// Whether a file is for the assistant, and no page of the shop.
fn is_the_assistants(path: &std::path::Path) -> bool {
    path.starts_with(KNOWLEDGE) || [INTENTS, INDEX, EXAMPLES].iter().any(|name| path == std::path::Path::new(name))
}

fn page(node: &Node, headers: &HeaderMap, path: &str) -> Response {
    let path = path.trim_matches('/');
    let index = if path.is_empty() { "index.html".to_owned() } else { format!("{path}/index.html") };
    // The texts that the assistant answers from are not part of the shop.
    let file = FILES.get_file(path).or_else(|| FILES.get_file(index)).filter(|file| !is_the_assistants(file.path()));
    let Some(file) = file else {
        return (StatusCode::NOT_FOUND, "There is no such page in the demo shop.\n").into_response();
    };
    let node = node_as_seen_by(node.0, headers);
    let extension = file.path().extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let content = match (extension, file.contents_utf8()) {
        ("html", Some(text)) => {
            let text =
                text.replace("{{node}}", &format!("http://{node}")).replace("{{node-ws}}", &format!("ws://{node}"));
            Bytes::from(text)
        }
        _ => Bytes::from_static(file.contents()),
    };
    let headers = [
        (CONTENT_TYPE, content_type(extension).to_owned()),
        (CONTENT_SECURITY_POLICY, content_security_policy(&node)),
        (X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (CACHE_CONTROL, "no-cache".to_owned()),
    ];
    (headers, content).into_response()
}

/// The node's host and port under the name by which the browser has come here: another machine does not find the node
/// on 127.0.0.1.
fn node_as_seen_by(node: SocketAddr, headers: &HeaderMap) -> String {
    let authority: Option<Authority> = headers.get(HOST).and_then(|host| host.to_str().ok()?.parse().ok());
    let plain = |host: &str| host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte));
    match authority.as_ref().map(Authority::host).filter(|host| plain(host) && !host.is_empty()) {
        Some(host) => format!("{host}:{}", node.port()),
        None => SocketAddr::new(reachable(node.ip()), node.port()).to_string(),
    }
}

/// An address that a browser on this machine can connect to.
#[must_use]
pub fn reachable(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) if ip.is_unspecified() => std::net::Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => std::net::Ipv6Addr::LOCALHOST.into(),
        other => other,
    }
}

/// What a careful site allows: its own files, the widget's, and nothing written into the page.
fn content_security_policy(node: &str) -> String {
    format!(
        "default-src 'none'; script-src 'self' http://{node}; style-src 'self'; img-src 'self' data:; \
         connect-src http://{node} ws://{node}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'"
    )
}

fn content_type(extension: &str) -> &'static str {
    match extension {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "webp" => "image/webp",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    fn node() -> Node {
        Node("127.0.0.1:7001".parse().unwrap())
    }

    async fn text(response: Response) -> String {
        String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
    }

    fn host(host: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(HOST, http::HeaderValue::from_static(host))])
    }

    #[tokio::test]
    async fn pages_name_the_node_as_the_browser_sees_this_machine() {
        let seen = [
            ("127.0.0.1:7000", "http://127.0.0.1:7001/"),
            ("localhost:7000", "http://localhost:7001/"),
            ("192.168.1.5:7000", "http://192.168.1.5:7001/"),
            ("[::1]:7000", "http://[::1]:7001/"),
            ("a'b:7000", "http://127.0.0.1:7001/"),
        ];
        for (name, expected) in seen {
            let page = text(page(&node(), &host(name), "")).await;
            assert!(page.contains(expected), "{name}");
            assert!(!page.contains("{{"), "{name}");
        }
    }

    #[tokio::test]
    async fn pages_in_both_languages_and_their_files_have_their_types() {
        let files = [
            ("", "text/html; charset=utf-8"),
            ("zh/", "text/html; charset=utf-8"),
            ("en/returns.html", "text/html; charset=utf-8"),
            ("shop.css", "text/css; charset=utf-8"),
            ("shop.js", "text/javascript; charset=utf-8"),
            ("favicon.svg", "image/svg+xml"),
        ];
        for (path, content_type) in files {
            let response = page(&node(), &HeaderMap::new(), path);
            assert_eq!(response.status(), StatusCode::OK, "{path}");
            assert_eq!(response.headers()[CONTENT_TYPE], content_type, "{path}");
        }
    }

    #[test]
    fn the_policy_allows_the_node_and_nothing_unsafe() {
        let response = page(&node(), &host("localhost:7000"), "");
        let policy = response.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.contains("script-src 'self' http://localhost:7001;"), "{policy}");
        assert!(policy.contains("connect-src http://localhost:7001 ws://localhost:7001;"), "{policy}");
        assert!(policy.contains("trusted-types 'none'") && !policy.contains("unsafe"), "{policy}");
    }

    #[test]
    fn what_is_not_a_page_is_not_found() {
        for path in ["nothing.html", "knowledge/en/returns.md", "../../Cargo.toml", "en"] {
            assert_eq!(page(&node(), &HeaderMap::new(), path).status(), StatusCode::NOT_FOUND, "{path}");
        }
    }

    #[test]
    fn origins_follow_the_address() {
        let origins = |address: &str| origins(address.parse().unwrap());
        assert_eq!(origins("127.0.0.1:7000"), ["http://127.0.0.1:7000", "http://localhost:7000"]);
        assert_eq!(origins("192.168.1.5:80"), ["http://192.168.1.5:80"]);
        assert_eq!(origins("0.0.0.0:7000"), ["*"]);
    }
}
