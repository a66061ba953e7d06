//! Requests that are no handshake of a WebSocket, and whom the node takes a client for.

use protocol::Subprotocol;
use scenarios::{Handshake, Setup, TestNode, Wire, hello};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// The response to these bytes, to the end of the connection.
async fn response(node: &TestNode, request: &str) -> String {
    let mut stream = TcpStream::connect(node.address()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = Vec::new();
    scenarios::soon("a response", stream.read_to_end(&mut response)).await.unwrap();
    String::from_utf8_lossy(&response).into_owned()
}

/// A request for the WebSocket with these headers beside `Host`.
fn request(method: &str, headers: &[&str]) -> String {
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    format!("{method} /v1/connect HTTP/1.1\r\nHost: node\r\nConnection: close\r\n{headers}\r\n")
}

#[tokio::test]
async fn what_is_no_handshake_is_refused_with_a_status() {
    let node = Setup::new().start().await;
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket";
    let (key, version) = ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13");
    let subprotocol = "Sec-WebSocket-Protocol: frontdesk.v1.proto";
    for (request, status) in [
        (request("GET", &[]), 426),
        (request("POST", &[upgrade, key, version, subprotocol]), 405),
        (request("GET", &[upgrade, key, "Sec-WebSocket-Version: 8", subprotocol]), 426),
        (request("GET", &[upgrade, version, subprotocol]), 400),
        (request("GET", &[upgrade, "Sec-WebSocket-Key: short", version, subprotocol]), 400),
        (request("GET", &[upgrade, key, version]), 400),
        (request("GET", &[upgrade, key, version, "Sec-WebSocket-Protocol: chat"]), 400),
        ("GET /nowhere HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n".to_owned(), 404),
        ("garbage\r\n\r\n".to_owned(), 400),
    ] {
        let response = response(&node, &request).await;
        assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{request}\n{response}");
    }
    Wire::welcomed(node.address(), hello()).await;
}

#[tokio::test]
async fn a_head_that_is_too_long_is_refused() {
    let node = Setup::new().start().await;
    let long = format!("X-Long: {}", "x".repeat(64 << 10));
    let response = response(&node, &request("GET", &[&long])).await;
    assert!(response.starts_with("HTTP/1.1 431 "), "{response}");
}

/// Whether a client that says it comes from here is let in.
async fn is_taken(node: &TestNode, forwarded_for: &str) -> bool {
    let handshake = Handshake::of(Subprotocol::Proto).with("x-forwarded-for", forwarded_for);
    Wire::shake_hands(node.address(), &handshake).await.is_ok()
}

#[tokio::test]
async fn only_a_trusted_proxy_says_where_a_client_comes_from() {
    let setup =
        Setup::new().with("limits.connects_per_address_burst", 1).with("limits.connects_per_address_per_second", 1);
    let direct = setup.start().await;
    assert!(is_taken(&direct, "203.0.113.1").await);
    assert!(!is_taken(&direct, "203.0.113.2").await, "a client chose its own address");

    let behind_proxy = setup.with("node.trusted_proxies", "127.0.0.1/32").start().await;
    assert!(is_taken(&behind_proxy, "203.0.113.1").await);
    assert!(is_taken(&behind_proxy, "203.0.113.2").await);
    assert!(
        !is_taken(&behind_proxy, "192.0.2.9, 203.0.113.2").await,
        "what stands before the proxy's word is invented"
    );
}

#[tokio::test]
async fn an_address_that_says_nothing_keeps_nobody_else_from_being_heard() {
    let node = Setup::new().start().await;
    let from = |address: &str| {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(address.parse().unwrap()).unwrap();
        socket.connect(node.address())
    };
    let mut silent = vec![];
    // As many as one address may keep open without a whole request, and one more.
    for _ in 0..257 {
        silent.push(from("127.0.0.2:0").await.unwrap());
    }

    let last = silent.last_mut().unwrap();
    let closed = scenarios::soon("the end of what is too many", last.read(&mut [0; 8])).await;
    assert!(!matches!(closed, Ok(1..)), "nothing was asked, so nothing is answered");
    Wire::welcomed(node.address(), hello()).await;
    drop(silent);
}
