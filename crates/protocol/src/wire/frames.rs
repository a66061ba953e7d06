//! Each message is a frame of its own kind: `v1::Ack { .. }.into()`.

use super::{ClientFrame, ServerFrame, client_frame, server_frame, v1};

macro_rules! frame_of {
    ($frame:ident, $module:ident: $($message:ident),+) => {$(
        impl From<v1::$message> for $frame {
            fn from(message: v1::$message) -> Self {
                $frame { kind: Some($module::Kind::$message(message)) }
            }
        }
    )+};
}

frame_of!(ClientFrame, client_frame: Hello, Send, Stop, AskPerson, Close, Rate, Begin, Ping);
frame_of!(ServerFrame, server_frame: Welcome, Ack, Event, Delta, Error, Opened, Token, GoAway, Pong);

impl From<client_frame::Kind> for ClientFrame {
    fn from(kind: client_frame::Kind) -> Self {
        ClientFrame { kind: Some(kind) }
    }
}

impl From<server_frame::Kind> for ServerFrame {
    fn from(kind: server_frame::Kind) -> Self {
        ServerFrame { kind: Some(kind) }
    }
}
