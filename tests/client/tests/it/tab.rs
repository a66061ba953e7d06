//! A tab against a node by hand: real sockets, both subprotocols.

use std::time::Duration;

use client::{
    Address, Backoff, Change, Client, Command, Keepalive, Order, Profile, Random, SocketOptions, Tab, TabOptions,
};
use futures_util::{SinkExt, StreamExt};
use protocol::v1::{self, ServerFrame, client_frame, event};
use protocol::{Subprotocol, wire};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Bytes, Message};

/// A node's end of one connection.
struct NodeEnd {
    socket: WebSocketStream<TcpStream>,
    subprotocol: Subprotocol,
}

impl NodeEnd {
    async fn accept(listener: &TcpListener) -> Self {
        let (stream, _) = listener.accept().await.unwrap();
        let mut chosen = None;
        #[allow(clippy::result_large_err)] // The type is tungstenite's.
        let choose = |request: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
            let offered = request.headers()["sec-websocket-protocol"].to_str().unwrap();
            chosen = Subprotocol::choose(offered);
            response.headers_mut().insert("sec-websocket-protocol", chosen.unwrap().name().parse().unwrap());
            Ok(response)
        };
        let socket = tokio_tungstenite::accept_hdr_async(stream, choose).await.unwrap();
        Self { socket, subprotocol: chosen.unwrap() }
    }

    async fn receive(&mut self) -> client_frame::Kind {
        let bytes = self.socket.next().await.unwrap().unwrap().into_data();
        wire::decode_client(&bytes, self.subprotocol).unwrap()
    }

    async fn send(&mut self, frame: impl Into<ServerFrame>) {
        let bytes: Bytes = wire::encode(&frame.into(), self.subprotocol).unwrap();
        let message = match self.subprotocol {
            Subprotocol::Proto => Message::Binary(bytes),
            Subprotocol::Json => Message::Text(bytes.try_into().unwrap()),
        };
        self.socket.send(message).await.unwrap();
    }

    async fn welcome(&mut self, head: u32) -> v1::Hello {
        let client_frame::Kind::Hello(hello) = self.receive().await else { panic!("no hello") };
        let opened = Some(v1::Opened { conversation: 1, head, reset: false });
        self.send(v1::Welcome { opened, token: "t".to_owned(), ..Default::default() }).await;
        hello
    }

    async fn message(&mut self) -> v1::Send {
        match self.receive().await {
            client_frame::Kind::Send(send) => send,
            other => panic!("{other:?}"),
        }
    }

    async fn store(&mut self, seq: u32, send: &v1::Send) {
        let body = event::Body::VisitorMessage(v1::VisitorMessage { id: send.id.clone(), text: send.text.clone() });
        self.send(v1::Event { seq, at_ms: 1, body: Some(body) }).await;
    }
}

struct Scene {
    listener: TcpListener,
    orders: mpsc::Sender<Order>,
    changes: mpsc::UnboundedReceiver<Change>,
    tab: tokio::task::JoinHandle<Client>,
}

async fn scene(subprotocol: Subprotocol) -> Scene {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = Client::new(Profile { site: "shop".to_owned(), ..Profile::default() }, Backoff::new(1, 1));
    let address = Address::of(listener.local_addr().unwrap());
    let options = TabOptions { address, subprotocol, socket: SocketOptions::default() };
    let (orders, taken) = mpsc::channel(8);
    let (learn, changes) = mpsc::unbounded_channel();
    let tab = Tab::new(client, options, Random::new(1)).run(taken, move |_, change| drop(learn.send(change)));
    Scene { listener, orders, changes, tab: tokio::spawn(tab) }
}

#[tokio::test]
async fn a_message_is_sent_again_after_the_connection_broke_and_the_copy_is_whole() {
    for subprotocol in Subprotocol::ALL {
        let mut scene = scene(subprotocol).await;
        scene.orders.send(Order::Command([5; 16], Command::Send("你好".to_owned()))).await.unwrap();
        let mut node = NodeEnd::accept(&scene.listener).await;
        node.welcome(0).await;
        assert_eq!(node.message().await.text, "你好");
        drop(node);

        let mut node = NodeEnd::accept(&scene.listener).await;
        let hello = node.welcome(0).await;
        assert_eq!((hello.token.as_str(), hello.after), ("t", 0));
        let send = node.message().await;
        node.send(v1::Ack { id: send.id.clone(), seq: 1 }).await;
        node.store(1, &send).await;
        while !matches!(scene.changes.recv().await.unwrap(), Change::Event(_)) {}
        drop(scene.orders);
        let client = scene.tab.await.unwrap();
        assert_eq!((client.log().len(), client.unacknowledged()), (1, 0));
    }
}

#[tokio::test]
async fn a_close_code_that_forbids_coming_back_ends_the_tab() {
    let scene = scene(Subprotocol::Proto).await;
    let mut node = NodeEnd::accept(&scene.listener).await;
    node.receive().await;
    node.socket.close(Some(CloseFrame { code: 4201.into(), reason: "site_unknown".into() })).await.unwrap();
    let client = scene.tab.await.unwrap();
    assert!(client.is_finished());
}

#[tokio::test]
async fn a_broken_network_is_come_back_from_by_cursor() {
    let mut scene = scene(Subprotocol::Proto).await;
    let mut node = NodeEnd::accept(&scene.listener).await;
    node.welcome(1).await;
    node.store(1, &v1::Send { id: vec![1; 16], text: "x".to_owned() }).await;
    while !matches!(scene.changes.recv().await.unwrap(), Change::Event(_)) {}
    scene.orders.send(Order::Break).await.unwrap();
    let mut node = NodeEnd::accept(&scene.listener).await;
    assert_eq!(node.welcome(1).await.after, 1);
    while !matches!(scene.changes.recv().await.unwrap(), Change::Welcomed { .. }) {}
    drop(scene.orders);
    assert_eq!(scene.tab.await.unwrap().log().len(), 1);
}

#[tokio::test]
async fn a_node_that_says_nothing_any_more_is_asked_and_then_left() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = Client::new(Profile::default(), Backoff::new(1, 1));
    let (address, socket) = (Address::of(listener.local_addr().unwrap()), SocketOptions::default());
    let keepalive = Keepalive { quiet: Duration::from_millis(100), patience: Duration::from_millis(100) };
    let tab = Tab::new(client, TabOptions { address, subprotocol: Subprotocol::Proto, socket }, Random::new(1));
    let (orders, taken) = mpsc::channel(1);
    let tab = tokio::spawn(tab.with_keepalive(keepalive).run(taken, |_, _| {}));

    let mut silent = NodeEnd::accept(&listener).await;
    silent.welcome(0).await;
    assert!(matches!(silent.receive().await, client_frame::Kind::Ping(_)));
    // It comes back though the first connection was never closed from this end.
    let mut node = NodeEnd::accept(&listener).await;
    node.welcome(0).await;
    drop(orders);
    tab.await.unwrap();
}
