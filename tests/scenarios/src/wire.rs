//! One WebSocket, frame by frame, for clients that do what no right client does.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use protocol::v1::{self, ClientFrame, ErrorCode, server_frame};
use protocol::{Subprotocol, wire};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue, Response};
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

use crate::soon;

/// How a client asks for a WebSocket.
#[derive(Debug, Clone)]
pub struct Handshake {
    /// Headers beside those that every handshake has.
    pub headers: Vec<(&'static str, String)>,
}

impl Handshake {
    /// Offers one subprotocol.
    pub fn of(subprotocol: Subprotocol) -> Self {
        Self { headers: vec![("sec-websocket-protocol", subprotocol.name().to_owned())] }
    }

    /// Adds a header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

/// What comes in.
#[derive(Debug, Clone, PartialEq)]
pub enum Incoming {
    /// A frame.
    Frame(server_frame::Kind),
    /// The end, with the close code if there was one.
    Closed(Option<u16>),
}

/// One WebSocket.
pub struct Wire {
    ws: WebSocketStream<TcpStream>,
    subprotocol: Subprotocol,
}

/// A hello of a new visitor of `shop`.
pub fn hello() -> v1::Hello {
    v1::Hello { site: "shop".to_owned(), ..Default::default() }
}

/// Short ways to write commands.
pub mod frames {
    use protocol::v1;

    /// A message; the id is this byte, 16 times.
    pub fn send(id: u8, text: &str) -> v1::Send {
        v1::Send { id: vec![id; 16], text: text.to_owned() }
    }

    /// Stops a turn.
    pub fn stop(id: u8, turn: u32) -> v1::Stop {
        v1::Stop { id: vec![id; 16], turn }
    }

    /// Asks for a person.
    pub fn ask_person(id: u8) -> v1::AskPerson {
        v1::AskPerson { id: vec![id; 16] }
    }

    /// Closes the conversation.
    pub fn close(id: u8) -> v1::Close {
        v1::Close { id: vec![id; 16] }
    }
}

impl Wire {
    /// Opens a WebSocket of the better subprotocol.
    pub async fn open(address: SocketAddr) -> Self {
        Self::speaking(address, Subprotocol::Proto).await
    }

    /// Opens a WebSocket of this subprotocol.
    pub async fn speaking(address: SocketAddr, subprotocol: Subprotocol) -> Self {
        Self::shake_hands(address, &Handshake::of(subprotocol)).await.expect("the node refused a good handshake")
    }

    /// Opens a WebSocket, or gives the response that refused it.
    ///
    /// # Errors
    /// The node's refusal.
    pub async fn shake_hands(
        address: SocketAddr,
        handshake: &Handshake,
    ) -> Result<Self, Box<Response<Option<Vec<u8>>>>> {
        let mut request = format!("ws://{address}/v1/connect").into_client_request().unwrap();
        for (name, value) in &handshake.headers {
            request.headers_mut().append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        match soon("the end of a handshake", tokio_tungstenite::client_async(request, stream)).await {
            Ok((ws, response)) => {
                let name = response.headers().get("sec-websocket-protocol").unwrap().to_str().unwrap();
                Ok(Self { ws, subprotocol: Subprotocol::choose(name).unwrap() })
            }
            Err(WsError::Http(response)) => Err(response),
            Err(error) => panic!("the handshake failed: {error}"),
        }
    }

    /// Opens a WebSocket and is welcomed.
    pub async fn welcomed(address: SocketAddr, hello: v1::Hello) -> (Self, v1::Welcome) {
        let mut wire = Self::open(address).await;
        wire.send(hello).await;
        let welcome = wire.welcome().await;
        (wire, welcome)
    }

    /// Opens a WebSocket and is welcomed, again after the wait as often as the node says that it cannot now.
    pub async fn welcomed_at_last(address: SocketAddr, hello: v1::Hello) -> (Self, v1::Welcome) {
        let welcomed = async {
            loop {
                let mut wire = Self::open(address).await;
                wire.send(hello.clone()).await;
                match wire.frame().await {
                    server_frame::Kind::Welcome(welcome) => break (wire, welcome),
                    server_frame::Kind::Error(error) if error.retry_after_ms > 0 => {
                        tokio::time::sleep(Duration::from_millis(error.retry_after_ms.into())).await;
                    }
                    other => panic!("no welcome: {other:?}"),
                }
            }
        };
        soon("a welcome after some tries", welcomed).await
    }

    /// Opens a WebSocket, says hello, and must be refused with this code. Returns the error and the close code.
    pub async fn turned_away(address: SocketAddr, hello: v1::Hello, code: ErrorCode) -> (v1::Error, Option<u16>) {
        let mut wire = Self::open(address).await;
        wire.send(hello).await;
        let error = wire.refused(code).await;
        (error, wire.closed().await)
    }

    /// Sends a frame.
    pub async fn send(&mut self, frame: impl Into<ClientFrame>) {
        let bytes = wire::encode_client(&frame.into(), self.subprotocol).unwrap();
        self.send_bytes(bytes).await;
    }

    /// Sends bytes as if they were a frame.
    pub async fn send_bytes(&mut self, bytes: impl Into<Bytes>) {
        let message = match self.subprotocol {
            Subprotocol::Proto => Message::Binary(bytes.into()),
            Subprotocol::Json => Message::Text(bytes.into().try_into().unwrap()),
        };
        self.send_message(message).await;
    }

    /// Sends any message of WebSocket. A node that has closed meanwhile is found out by whoever reads.
    pub async fn send_message(&mut self, message: Message) {
        let _ = soon("room to write", self.ws.send(message)).await;
    }

    /// What comes next; pings are answered on the way.
    pub async fn next(&mut self) -> Incoming {
        soon("something from the node", self.receive()).await
    }

    async fn receive(&mut self) -> Incoming {
        loop {
            let bytes = match self.ws.next().await {
                Some(Ok(Message::Binary(bytes))) => bytes,
                Some(Ok(Message::Text(text))) => text.into(),
                Some(Ok(Message::Close(frame))) => {
                    let _ = self.ws.flush().await;
                    return Incoming::Closed(frame.map(|frame| frame.code.into()));
                }
                Some(Ok(_)) => continue,
                Some(Err(_)) | None => return Incoming::Closed(None),
            };
            return Incoming::Frame(wire::decode_server(&bytes, self.subprotocol).unwrap());
        }
    }

    /// The next frame.
    pub async fn frame(&mut self) -> server_frame::Kind {
        match self.next().await {
            Incoming::Frame(frame) => frame,
            Incoming::Closed(code) => panic!("the node closed with {code:?}"),
        }
    }

    /// The next frame, which must be a welcome.
    pub async fn welcome(&mut self) -> v1::Welcome {
        match self.frame().await {
            server_frame::Kind::Welcome(welcome) => welcome,
            other => panic!("no welcome: {other:?}"),
        }
    }

    /// The next error; events, deltas and acks before it are passed over.
    pub async fn error(&mut self) -> v1::Error {
        loop {
            match self.frame().await {
                server_frame::Kind::Error(error) => return error,
                server_frame::Kind::Event(_) | server_frame::Kind::Delta(_) | server_frame::Kind::Ack(_) => {}
                other => panic!("no error: {other:?}"),
            }
        }
    }

    /// The next error must have this code. Returns it.
    pub async fn refused(&mut self, code: ErrorCode) -> v1::Error {
        let error = self.error().await;
        assert_eq!(error.code(), code, "{error:?}");
        error
    }

    /// The next ack; events, deltas and errors before it are passed over.
    pub async fn ack(&mut self) -> v1::Ack {
        loop {
            match self.frame().await {
                server_frame::Kind::Ack(ack) => return ack,
                server_frame::Kind::Event(_) | server_frame::Kind::Delta(_) => {}
                other => panic!("no ack: {other:?}"),
            }
        }
    }

    /// Sends a command, again after the wait as often as the node says so, until it is acknowledged. Returns the seq.
    pub async fn send_until_acked(&mut self, frame: impl Into<ClientFrame>) -> u32 {
        let frame = frame.into();
        let acked = async {
            loop {
                self.send(frame.clone()).await;
                match self.reply().await {
                    Ok(ack) => break ack.seq,
                    Err(error) => {
                        assert!(error.retry_after_ms > 0, "refused for good: {error:?}");
                        // As the protocol asks of every client.
                        tokio::time::sleep(Duration::from_millis(error.retry_after_ms.into())).await;
                    }
                }
            }
        };
        soon("an ack after some tries", acked).await
    }

    /// The next ack or error; events and deltas before it are passed over.
    async fn reply(&mut self) -> Result<v1::Ack, v1::Error> {
        loop {
            match self.frame().await {
                server_frame::Kind::Ack(ack) => return Ok(ack),
                server_frame::Kind::Error(error) => return Err(error),
                server_frame::Kind::Event(_) | server_frame::Kind::Delta(_) => {}
                other => panic!("no reply: {other:?}"),
            }
        }
    }

    /// The next event; deltas and acks before it are passed over.
    pub async fn event(&mut self) -> v1::Event {
        loop {
            match self.frame().await {
                server_frame::Kind::Event(event) => return event,
                server_frame::Kind::Ack(_) | server_frame::Kind::Delta(_) => {}
                other => panic!("no event: {other:?}"),
            }
        }
    }

    /// The next delta; events and acks before it are passed over.
    pub async fn delta(&mut self) -> v1::Delta {
        loop {
            match self.frame().await {
                server_frame::Kind::Delta(delta) => return delta,
                server_frame::Kind::Ack(_) | server_frame::Kind::Event(_) => {}
                other => panic!("no delta: {other:?}"),
            }
        }
    }

    /// The close code of the end; everything before it is passed over.
    pub async fn closed(&mut self) -> Option<u16> {
        loop {
            if let Incoming::Closed(code) = self.next().await {
                return code;
            }
        }
    }

    /// Whether the node still answers: sends a Ping and waits for the Pong; everything before it is passed over.
    pub async fn is_alive(&mut self) -> bool {
        self.send(v1::Ping {}).await;
        loop {
            match self.next().await {
                Incoming::Frame(server_frame::Kind::Pong(_)) => return true,
                Incoming::Frame(_) => {}
                Incoming::Closed(_) => return false,
            }
        }
    }
}
