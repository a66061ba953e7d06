//! Every error code and close code: what happened, and what a client does about it.
//!
//! The tables of `docs/protocol.md` are these rows, word for word; `tests/schema` compares them.

use conversation::{Millis, Refusal};

use crate::v1::{self, ErrorCode};

/// How many frames with [`ErrorCode::Malformed`], [`ErrorCode::FrameTooLarge`] or [`ErrorCode::OutOfOrder`] a connection
/// may send before it is closed with [`CloseCode::ProtocolViolation`]. A right client sends none; a few let a developer
/// read the errors.
pub const MAX_BAD_FRAMES: u32 = 8;

/// What an error code means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorRow {
    /// What happened.
    pub means: &'static str,
    /// What the client does.
    pub client: &'static str,
    /// With what the connection is closed right after, where the error ends it.
    pub closes: Option<CloseCode>,
}

impl ErrorCode {
    /// What it means.
    pub fn row(self) -> ErrorRow {
        let (means, client, closes) = match self {
            ErrorCode::Unspecified => ("Never sent.", "What it does with a code that it does not know.", None),
            ErrorCode::Malformed => (
                "The bytes are no frame, or came in the wrong type of WebSocket message. The frame was dropped.",
                "Correct the program.",
                None,
            ),
            ErrorCode::UnknownFrame => (
                "The frame has no kind that this node knows. It was dropped.",
                "Do without it: the node is older than the client.",
                None,
            ),
            ErrorCode::OutOfOrder => (
                "The frame may not come now: a command before Welcome, or a second Hello. It was dropped.",
                "Correct the program.",
                None,
            ),
            ErrorCode::FrameTooLarge => (
                "The frame is longer than the node takes. It was dropped; far too long a one ends the connection.",
                "Correct the program: send no text longer than Welcome.max_text_bytes.",
                Some(CloseCode::FrameTooLarge),
            ),
            ErrorCode::InvalidId => ("The command's id is not 16 bytes long.", "Correct the program.", None),
            ErrorCode::IdReused => {
                ("Another text is stored under this id.", "Keep the text, give it a new id, send it again.", None)
            }
            ErrorCode::TextEmpty => ("The text is empty or white space.", "Drop the command.", None),
            ErrorCode::TextTooLong => (
                "The text, or the comment of a rating, is longer than Welcome.max_text_bytes.",
                "Show the command as failed; let the visitor shorten it.",
                None,
            ),
            ErrorCode::InvalidScore => ("The score is not 1 to 5.", "Correct the program.", None),
            ErrorCode::ConversationClosed => (
                "The conversation was closed.",
                "Show the command as failed; offer to send it in the next conversation, with Begin.",
                None,
            ),
            ErrorCode::ConversationOpen => {
                ("The conversation that Begin names is not closed.", "Stay in it, or send Close first.", None)
            }
            ErrorCode::ConversationFull => (
                "The conversation has as many events as it may have.",
                "Show the command as failed; offer Close and then Begin.",
                None,
            ),
            ErrorCode::TooManyConversations => (
                "The visitor has begun as many conversations as one may in a day.",
                "Say so; offer it again after retry_after_ms.",
                None,
            ),
            ErrorCode::SiteUnknown => (
                "No site has this key.",
                "Show that the chat is not available; correct the page.",
                Some(CloseCode::SiteUnknown),
            ),
            ErrorCode::OriginForbidden => (
                "The site does not allow the page's origin.",
                "Show that the chat is not available; the site's owner must allow the origin.",
                Some(CloseCode::OriginForbidden),
            ),
            ErrorCode::TokenInvalid => (
                "The token is damaged, forged, or signed with a key that is no longer used.",
                "Drop the token and connect again without one: the visitor is then a new one.",
                Some(CloseCode::TokenRefused),
            ),
            ErrorCode::TokenExpired => (
                "The token is too old.",
                "Drop the token and connect again without one: the visitor is then a new one.",
                Some(CloseCode::TokenRefused),
            ),
            ErrorCode::TokenWrongSite => (
                "The token was made for another site.",
                "Drop the token and connect again without one; keep one token per site.",
                Some(CloseCode::TokenRefused),
            ),
            ErrorCode::IdentityRequired => (
                "The site takes only visitors whom its own back end has identified.",
                "Ask the page for an identity; connect again when there is one.",
                Some(CloseCode::IdentityRequired),
            ),
            ErrorCode::IdentityInvalid => (
                "The identity is damaged, forged, expired, or for another site.",
                "Ask the page for a new identity; connect again when there is one.",
                Some(CloseCode::IdentityInvalid),
            ),
            ErrorCode::RateLimited => (
                "Too much in too short a time: by this connection, visitor or address, or in this conversation.",
                "Keep the command; send it again, with the same id, after retry_after_ms.",
                Some(CloseCode::Overloaded),
            ),
            ErrorCode::TooManyConnections => (
                "The visitor or the address holds as many connections as one may.",
                "Come back later; another tab may have to be closed first.",
                Some(CloseCode::Overloaded),
            ),
            ErrorCode::SlowReader => (
                "The client did not read what was sent. This error may not arrive for the same reason.",
                "Come back and resume.",
                Some(CloseCode::SlowReader),
            ),
            ErrorCode::HelloTimeout => (
                "No Hello came in time.",
                "Come back; send Hello as soon as the connection is open.",
                Some(CloseCode::HelloTimeout),
            ),
            ErrorCode::Silent => (
                "Nothing came from the client for too long, not even an answer to a WebSocket ping.",
                "Come back and resume.",
                Some(CloseCode::SilentPeer),
            ),
            ErrorCode::Unavailable => (
                "The node cannot store or read now. Nothing was acknowledged.",
                "Keep the command; send it again, with the same id, after retry_after_ms.",
                Some(CloseCode::Unavailable),
            ),
            ErrorCode::Draining => (
                "The node is about to stop and takes no more commands.",
                "Keep the command; send it again, with the same id, on the next connection.",
                Some(CloseCode::Draining),
            ),
            ErrorCode::Internal => (
                "The node has a fault.",
                "Keep the command; send it again, with the same id, on the next connection.",
                Some(CloseCode::Unavailable),
            ),
        };
        ErrorRow { means, client, closes }
    }
}

impl From<Refusal> for ErrorCode {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::TextEmpty => ErrorCode::TextEmpty,
            Refusal::TextTooLong { .. } => ErrorCode::TextTooLong,
            Refusal::IdReused => ErrorCode::IdReused,
            Refusal::InvalidScore => ErrorCode::InvalidScore,
            Refusal::Closed => ErrorCode::ConversationClosed,
            Refusal::Full => ErrorCode::ConversationFull,
            Refusal::Busy => ErrorCode::RateLimited,
            Refusal::Unavailable => ErrorCode::Unavailable,
        }
    }
}

/// The error of `code` for the command `id` (empty: for the connection), in the table's words. `retry_after` is in
/// milliseconds; 0: not by itself.
pub fn error(code: ErrorCode, id: &[u8], retry_after: Millis) -> v1::Error {
    let ErrorRow { means, client, .. } = code.row();
    v1::Error {
        code: code.into(),
        message: format!("{means} {client}"),
        id: id.to_vec(),
        retry_after_ms: u32::try_from(retry_after).unwrap_or(u32::MAX),
    }
}

/// The code of a WebSocket Close frame that a node sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum CloseCode {
    /// The node stops.
    Draining = 4000,
    /// The client did not read.
    SlowReader = 4001,
    /// Nothing came from the client.
    SilentPeer = 4002,
    /// No Hello came.
    HelloTimeout = 4003,
    /// Too many connections, or too much asked.
    Overloaded = 4004,
    /// The node cannot work now.
    Unavailable = 4005,
    /// The token is of no use.
    TokenRefused = 4100,
    /// An identity is missing.
    IdentityRequired = 4101,
    /// The identity is of no use.
    IdentityInvalid = 4102,
    /// The page may not talk to the site.
    OriginForbidden = 4200,
    /// There is no such site.
    SiteUnknown = 4201,
    /// The client does not keep to the protocol.
    ProtocolViolation = 4202,
    /// A frame was too long.
    FrameTooLarge = 4203,
}

/// Whether and how a client comes back after a connection was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ComeBack {
    /// After a wait with backoff and jitter; or, if GoAway named a wait, after that one.
    Later,
    /// At once, without the token. If that is closed in the same way: later.
    WithoutToken,
    /// When the page has given a new identity.
    WithNewIdentity,
    /// Not at all: it would be the same again.
    Never,
}

impl ComeBack {
    /// What the client does, in the document's words.
    pub fn advice(self) -> &'static str {
        match self {
            ComeBack::Later => "Comes back by itself, with backoff.",
            ComeBack::WithoutToken => "Drops the token and comes back at once; if that is refused too, with backoff.",
            ComeBack::WithNewIdentity => "Comes back when the page has given a new identity.",
            ComeBack::Never => "Does not come back.",
        }
    }
}

/// What a close code means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CloseRow {
    /// Its name, in the Close frame's reason and in the document.
    pub name: &'static str,
    /// What happened.
    pub means: &'static str,
}

impl CloseCode {
    /// All of them, by number.
    pub const ALL: [CloseCode; 13] = [
        CloseCode::Draining,
        CloseCode::SlowReader,
        CloseCode::SilentPeer,
        CloseCode::HelloTimeout,
        CloseCode::Overloaded,
        CloseCode::Unavailable,
        CloseCode::TokenRefused,
        CloseCode::IdentityRequired,
        CloseCode::IdentityInvalid,
        CloseCode::OriginForbidden,
        CloseCode::SiteUnknown,
        CloseCode::ProtocolViolation,
        CloseCode::FrameTooLarge,
    ];

    /// Its number on the wire.
    pub fn number(self) -> u16 {
        self as u16
    }

    /// What it means.
    pub fn row(self) -> CloseRow {
        let (name, means) = match self {
            CloseCode::Draining => {
                ("draining", "The node stops. GoAway said when to come back; that time takes the place of the backoff.")
            }
            CloseCode::SlowReader => ("slow_reader", "The client did not read what was sent. It catches up by seq."),
            CloseCode::SilentPeer => ("silent_peer", "Nothing came from the client, not even an answer to a ping."),
            CloseCode::HelloTimeout => ("hello_timeout", "No Hello came in time."),
            CloseCode::Overloaded => ("overloaded", "Too many connections, or too much asked in too short a time."),
            CloseCode::Unavailable => {
                ("unavailable", "The node cannot work now: its store does not answer, or a fault.")
            }
            CloseCode::TokenRefused => ("token_refused", "The token is invalid, expired, or of another site."),
            CloseCode::IdentityRequired => ("identity_required", "The site takes only identified visitors."),
            CloseCode::IdentityInvalid => ("identity_invalid", "The identity is invalid or expired."),
            CloseCode::OriginForbidden => ("origin_forbidden", "The site does not allow the page's origin."),
            CloseCode::SiteUnknown => ("site_unknown", "No site has this key."),
            CloseCode::ProtocolViolation => (
                "protocol_violation",
                "Too many frames were malformed, too large or out of order, or the bytes are no WebSocket (RFC 6455).",
            ),
            CloseCode::FrameTooLarge => {
                ("frame_too_large", "A frame was far longer than the node takes, so that it was not read.")
            }
        };
        CloseRow { name, means }
    }

    /// Whether and how a client comes back.
    pub fn come_back(self) -> ComeBack {
        come_back(self.number())
    }
}

/// Whether and how a client comes back after any close code, also one that it does not know: the range says it. Codes of
/// WebSocket itself (1001, 1006, 1011 …) mean: later.
pub fn come_back(close_code: u16) -> ComeBack {
    match close_code {
        4100 => ComeBack::WithoutToken,
        4101..=4199 => ComeBack::WithNewIdentity,
        4200..=4299 => ComeBack::Never,
        _ => ComeBack::Later,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_close_code_is_listed_once_and_in_order() {
        let numbers = CloseCode::ALL.map(CloseCode::number);
        assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");
        let named: Vec<_> = (4000..4300u16).filter(|number| numbers.contains(number)).collect();
        assert_eq!(named.len(), numbers.len(), "a code lies outside of the ranges");
    }

    #[test]
    fn a_range_says_what_to_do_with_codes_not_yet_known() {
        use ComeBack::{Later, Never, WithNewIdentity, WithoutToken};
        let known = [(4000, Later), (4005, Later), (4100, WithoutToken), (4101, WithNewIdentity), (4203, Never)];
        let unknown = [(4099, Later), (4199, WithNewIdentity), (4299, Never), (4300, Later)];
        let of_websocket = [(1000, Later), (1006, Later), (1011, Later)];
        for (number, expected) in known.into_iter().chain(unknown).chain(of_websocket) {
            assert_eq!(come_back(number), expected, "{number}");
        }
    }

    #[test]
    fn a_close_reason_fits_a_close_frame() {
        // RFC 6455, 5.5: 125 bytes, of which the code takes 2.
        assert!(CloseCode::ALL.iter().all(|code| code.row().name.len() <= 123));
    }
}
