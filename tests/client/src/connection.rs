//! One WebSocket to a node.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use conversation::Millis;
use futures_util::{SinkExt, StreamExt};
use protocol::v1::{ClientFrame, server_frame};
use protocol::wire;
use protocol::{DecodeError, EncodeError, Subprotocol};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderValue, Response, header};
use tokio_tungstenite::tungstenite::protocol::frame::Utf8Bytes;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

/// How long a handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest frame taken from a node: the longest answer, and as much again for JSON's escapes.
const MAX_FRAME_BYTES: usize = 1024 * 1024;

/// Where a node listens.
#[derive(Debug, Clone)]
pub struct Address {
    url: String,
    socket: SocketAddr,
}

/// Why a text is no [`Address`].
#[derive(Debug, thiserror::Error)]
#[error("{url:?} is no address of a node: give one such as ws://127.0.0.1:7001/v1/connect; {reason}")]
pub struct AddressError {
    url: String,
    reason: &'static str,
}

impl Address {
    /// Reads `ws://IP:PORT/path`. There is no TLS here, and no look-up of names but `localhost`.
    ///
    /// # Errors
    /// Another scheme, a host that is no IP address, no port.
    pub fn parse(url: &str) -> Result<Self, AddressError> {
        let error = |reason| AddressError { url: url.to_owned(), reason };
        let rest = url.strip_prefix("ws://").ok_or_else(|| error("the scheme must be ws"))?;
        let host = rest.split('/').next().unwrap_or(rest).replace("localhost", "127.0.0.1");
        let socket = host.parse().map_err(|_| error("an IP address and a port must follow the scheme"))?;
        Ok(Self { url: url.to_owned(), socket })
    }

    /// The address of a node that listens here.
    pub fn of(socket: SocketAddr) -> Self {
        Self { url: format!("ws://{socket}/v1/connect"), socket }
    }

    /// The socket's address.
    pub fn socket(&self) -> SocketAddr {
        self.socket
    }
}

/// How a connection's socket is made.
#[derive(Debug, Clone, Copy)]
pub struct SocketOptions {
    /// The address and port to come from; with port 0 the kernel chooses one. `None`: the kernel chooses both.
    pub source: Option<SocketAddr>,
    /// Bytes read at once. Allocated for as long as the connection lives.
    pub read_buffer_bytes: usize,
}

impl Default for SocketOptions {
    fn default() -> Self {
        Self { source: None, read_buffer_bytes: 2 * 1024 }
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Nobody listens, or no socket is left.
    #[error("no TCP connection")]
    Tcp(#[from] io::Error),
    /// The node answered the handshake with an HTTP status.
    #[error("the node answered {status}")]
    Refused {
        /// The status.
        status: u16,
        /// Its `Retry-After`.
        retry_after: Option<Millis>,
    },
    /// The handshake broke off.
    #[error("the handshake failed")]
    Handshake(#[source] Box<WsError>),
    /// The handshake took too long.
    #[error("the handshake took longer than {} s", HANDSHAKE_TIMEOUT.as_secs())]
    TimedOut,
}

/// What came in.
#[derive(Debug)]
pub enum Received {
    /// A frame, and how many bytes it had.
    Frame(server_frame::Kind, usize),
    /// A frame that is none.
    Undecodable(DecodeError),
    /// A frame of a kind that is newer than this client.
    Unknown,
    /// The end, with the close code if there was one.
    Closed(Option<u16>),
}

/// An open WebSocket.
pub struct Connection {
    socket: WebSocketStream<TcpStream>,
    subprotocol: Subprotocol,
}

impl Connection {
    /// Connects and shakes hands.
    ///
    /// # Errors
    /// No TCP connection, or the node refuses.
    pub async fn open(
        address: &Address,
        subprotocol: Subprotocol,
        options: SocketOptions,
    ) -> Result<Self, ConnectError> {
        match tokio::time::timeout(HANDSHAKE_TIMEOUT, Self::shake_hands(address, subprotocol, options)).await {
            Ok(connection) => connection,
            Err(_) => Err(ConnectError::TimedOut),
        }
    }

    async fn shake_hands(
        address: &Address,
        subprotocol: Subprotocol,
        options: SocketOptions,
    ) -> Result<Self, ConnectError> {
        let handshake = |error| ConnectError::Handshake(Box::new(error));
        let stream = open_stream(address.socket, options.source).await?;
        let mut request = address.url.as_str().into_client_request().map_err(handshake)?;
        let name = HeaderValue::from_static(subprotocol.name());
        request.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, name);
        let config = WebSocketConfig::default()
            .read_buffer_size(options.read_buffer_bytes)
            .write_buffer_size(0)
            .max_message_size(Some(MAX_FRAME_BYTES))
            .max_frame_size(Some(MAX_FRAME_BYTES));
        match tokio_tungstenite::client_async_with_config(request, stream, Some(config)).await {
            Ok((socket, _)) => Ok(Self { socket, subprotocol }),
            Err(WsError::Http(response)) => Err(refusal(&response)),
            Err(WsError::Io(error)) => Err(ConnectError::Tcp(error)),
            Err(error) => Err(handshake(error)),
        }
    }

    /// Sends one frame.
    ///
    /// # Errors
    /// The connection is gone; [`Connection::receive`] tells its close code.
    pub async fn send(&mut self, frame: &ClientFrame) -> io::Result<()> {
        let bytes = self.encode(frame).map_err(io::Error::other)?;
        self.send_bytes(bytes).await
    }

    /// The bytes of a frame on this connection.
    ///
    /// # Errors
    /// As [`wire::encode_client`].
    pub fn encode(&self, frame: &ClientFrame) -> Result<Bytes, EncodeError> {
        wire::encode_client(frame, self.subprotocol)
    }

    /// Sends a frame's bytes, or bytes that are no frame.
    ///
    /// # Errors
    /// As [`Connection::send`].
    pub async fn send_bytes(&mut self, bytes: Bytes) -> io::Result<()> {
        let message = match self.subprotocol {
            Subprotocol::Proto => Message::Binary(bytes),
            Subprotocol::Json => Message::Text(Utf8Bytes::try_from(bytes).map_err(io::Error::other)?),
        };
        self.socket.send(message).await.map_err(io::Error::other)
    }

    /// The next thing that comes in; pings are answered on the way. Safe to drop while it waits.
    pub async fn receive(&mut self) -> Received {
        loop {
            let bytes = match self.socket.next().await {
                Some(Ok(Message::Binary(bytes))) => bytes,
                Some(Ok(Message::Text(text))) => text.into(),
                Some(Ok(Message::Close(frame))) => return self.finish(frame).await,
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => continue,
                Some(Err(_)) | None => return Received::Closed(None),
            };
            return match wire::decode_server(&bytes, self.subprotocol) {
                Ok(kind) => Received::Frame(kind, bytes.len()),
                Err(DecodeError::UnknownFrame) => Received::Unknown,
                Err(error) => Received::Undecodable(error),
            };
        }
    }

    /// Says goodbye.
    pub async fn close(mut self) {
        // A node that is gone needs no goodbye.
        let _ = self.socket.close(None).await;
    }

    /// Ends without a word, as a network that breaks does.
    pub fn abort(self) {
        // Nothing waits in the socket, so that the kernel sends a reset.
        let _ = self.socket.get_ref().set_zero_linger();
    }

    async fn finish(&mut self, frame: Option<CloseFrame>) -> Received {
        // tungstenite has put its own Close frame into the buffer; the node waits for it.
        let _ = self.socket.flush().await;
        Received::Closed(frame.map(|frame| frame.code.into()))
    }
}

async fn open_stream(to: SocketAddr, from: Option<SocketAddr>) -> io::Result<TcpStream> {
    let socket = if to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(from) = from {
        // Ports of connections that have just ended may be taken again.
        socket.set_reuseaddr(true)?;
        socket.bind(from)?;
    }
    let stream = socket.connect(to).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn refusal(response: &Response<Option<Vec<u8>>>) -> ConnectError {
    let seconds = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let retry_after = seconds.map(|seconds: Millis| seconds.saturating_mul(1000));
    ConnectError::Refused { status: response.status().as_u16(), retry_after }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_websocket_url_with_an_ip_address() {
        for url in ["ws://127.0.0.1:7001/v1/connect", "ws://localhost:7001/v1/connect", "ws://[::1]:7001"] {
            assert_eq!(Address::parse(url).unwrap().socket().port(), 7001, "{url}");
        }
        for url in ["http://127.0.0.1:7001/", "ws://shop.example:7001/", "ws://127.0.0.1/v1/connect"] {
            assert!(Address::parse(url).is_err(), "{url}");
        }
    }
}
