//! A TCP connection that writes a WebSocket's bytes by hand, for what no library would send, and that reads only when told.

use std::net::SocketAddr;

use protocol::v1::{ClientFrame, server_frame};
use protocol::{Subprotocol, wire};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::soon;

/// A TCP connection after a WebSocket handshake of `frontdesk.v1.proto`.
pub struct RawSocket {
    stream: TcpStream,
    read: Vec<u8>,
}

impl RawSocket {
    /// Connects and shakes hands.
    pub async fn open(address: SocketAddr) -> Self {
        Self::open_with_buffer(address, None).await
    }

    /// As [`RawSocket::open`]; the kernel keeps about so many bytes that were not read.
    pub async fn open_with_buffer(address: SocketAddr, receive_bytes: Option<u32>) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        if let Some(bytes) = receive_bytes {
            socket.set_recv_buffer_size(bytes).unwrap();
        }
        let mut raw = Self { stream: socket.connect(address).await.unwrap(), read: Vec::new() };
        let request = format!(
            "GET /v1/connect HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Protocol: frontdesk.v1.proto\r\n\r\n"
        );
        raw.write(request.as_bytes()).await;
        let head = raw.read_head().await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        raw
    }

    /// Writes bytes. A node that has closed meanwhile is found out by whoever reads.
    pub async fn write(&mut self, bytes: &[u8]) {
        let _ = soon("room to write", self.stream.write_all(bytes)).await;
    }

    /// Writes one WebSocket frame. `first` is its first byte: FIN and opcode.
    pub async fn write_frame(&mut self, first: u8, payload: &[u8]) {
        let mut frame = vec![first];
        match payload.len() {
            short @ 0..126 => frame.push(0x80 | short as u8),
            long @ 126..0x1_0000 => {
                frame.push(0x80 | 126);
                frame.extend((long as u16).to_be_bytes());
            }
            longer => {
                frame.push(0x80 | 127);
                frame.extend((longer as u64).to_be_bytes());
            }
        }
        // A mask of zeros leaves the payload as it is.
        frame.extend([0; 4]);
        frame.extend(payload);
        self.write(&frame).await;
    }

    /// The next WebSocket frame of the node: its first byte, and its payload. `None`: the connection has ended.
    pub async fn read_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let head = self.take(2).await?;
        let length = match head[1] {
            126 => u64::from(u16::from_be_bytes(self.take(2).await?.try_into().unwrap())),
            127 => u64::from_be_bytes(self.take(8).await?.try_into().unwrap()),
            short => u64::from(short),
        };
        let payload = self.take(length as usize).await?;
        Some((head[0], payload))
    }

    /// Writes a frame of the protocol.
    pub async fn send(&mut self, frame: impl Into<ClientFrame>) {
        let bytes = wire::encode_client(&frame.into(), Subprotocol::Proto).unwrap();
        self.write_frame(0x82, &bytes).await;
    }

    /// The next frame of the protocol; pings before it are passed over and not answered. `None`: the end.
    pub async fn next(&mut self) -> Option<server_frame::Kind> {
        loop {
            let (first, payload) = self.read_frame().await?;
            match first {
                0x82 => return Some(wire::decode_server(&payload, Subprotocol::Proto).unwrap()),
                0x88 => return None,
                _ => {}
            }
        }
    }

    /// The code of the node's Close frame; everything before it is passed over. `None`: it ended without one.
    pub async fn close_code(&mut self) -> Option<u16> {
        while let Some((first, payload)) = self.read_frame().await {
            if first == 0x88 {
                return Some(u16::from_be_bytes([payload[0], payload[1]]));
            }
        }
        None
    }

    async fn read_head(&mut self) -> String {
        loop {
            if let Some(end) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = self.read.drain(..end + 4).collect();
                return String::from_utf8(head).unwrap();
            }
            assert!(self.read_more().await, "the node ended the handshake");
        }
    }

    async fn take(&mut self, bytes: usize) -> Option<Vec<u8>> {
        while self.read.len() < bytes {
            if !self.read_more().await {
                return None;
            }
        }
        Some(self.read.drain(..bytes).collect())
    }

    /// False: the connection has ended.
    async fn read_more(&mut self) -> bool {
        let read = soon("something from the node", self.stream.read_buf(&mut self.read)).await;
        read.is_ok_and(|bytes| bytes > 0)
    }
}
