//! Passes a function's response on to its caller, piece by piece, as it comes.

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::HeaderValue;
use http_body_util::BodyExt;
use serde::Deserialize;
use tokio::sync::oneshot;

use crate::invocation::{BrokenOff, FunctionError, Pieces, Reply, Response};
use crate::pool::InvocationId;

/// The longest streamed response, bytes: Lambda's 200 MB.
const LONGEST_STREAMED: u64 = 200 * 1024 * 1024;
/// The type of a response that begins with a prelude.
const WITH_PRELUDE: &[u8] = b"application/vnd.awslambda.http-integration-response";
/// Ends the prelude.
const PRELUDE_END: [u8; 8] = [0; 8];
/// The longest prelude, bytes.
const LONGEST_PRELUDE: usize = 64 * 1024;
/// The trailer with which a function says that its streamed response failed.
const ERROR_TRAILER: &str = "lambda-runtime-function-error-type";

/// How a response ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relayed {
    /// Read to its end.
    Whole,
    /// Broken off by the function.
    BrokenOff,
    /// Broken off here, as too long.
    TooLong,
}

/// The JSON before a streamed response, in which the function names the type of what follows.
#[derive(Deserialize)]
struct Prelude {
    #[serde(default)]
    headers: serde_json::Map<String, serde_json::Value>,
}

/// Reads the response and passes it on. A caller that has left stops nothing: the function goes on to its end.
///
/// `ended` is called before the caller sees the end, so that a caller that invokes again at once finds the process free.
pub async fn relay(
    id: InvocationId,
    reply: oneshot::Sender<Reply>,
    content_type: Option<&HeaderValue>,
    mut body: Body,
    after_first_piece: impl Fn(),
    ended: impl Fn(),
) -> Relayed {
    let Ok(Head { content_type, prelude, first }) = read_head(content_type, &mut body).await else {
        ended();
        let error = FunctionError::new(
            "Runtime.ExitError",
            &format!("RequestId: {id} Error: The response broke off before its first byte"),
        );
        // A caller that has left needs no reply.
        let _ = reply.send(Reply::Error(error));
        return Relayed::BrokenOff;
    };
    let (response, pieces) = Response::new(content_type, prelude);
    let _ = reply.send(Reply::Response(response));
    let relayed = pass_on(first, &mut body, &pieces, after_first_piece).await;
    ended();
    if relayed != Relayed::Whole {
        let _ = pieces.send(Err(BrokenOff)).await;
    }
    relayed
}

/// Reads a response to nowhere.
pub async fn discard(mut body: Body) {
    while let Some(Ok(_)) = body.frame().await {}
}

async fn pass_on(first: Bytes, body: &mut Body, pieces: &Pieces, after_first_piece: impl Fn()) -> Relayed {
    let mut length = 0;
    let mut next = Some(first).filter(|first| !first.is_empty());
    loop {
        let piece = match next.take() {
            Some(piece) => piece,
            None => match read_piece(body).await {
                Ok(Some(piece)) => piece,
                Ok(None) => return Relayed::Whole,
                Err(BrokenOff) => return Relayed::BrokenOff,
            },
        };
        let is_first = length == 0;
        length += piece.len() as u64;
        if length > LONGEST_STREAMED {
            return Relayed::TooLong;
        }
        // The caller may have left; the function goes on, as on Lambda.
        let _ = pieces.send(Ok(piece)).await;
        if is_first {
            after_first_piece();
        }
    }
}

/// The next piece that is not empty; `None` at a good end.
async fn read_piece(body: &mut Body) -> Result<Option<Bytes>, BrokenOff> {
    while let Some(frame) = body.frame().await {
        match frame.map_err(|_| BrokenOff)?.into_data() {
            Ok(piece) if piece.is_empty() => {}
            Ok(piece) => return Ok(Some(piece)),
            Err(frame) if frame.trailers_ref().is_some_and(|trailers| trailers.contains_key(ERROR_TRAILER)) => {
                return Err(BrokenOff);
            }
            Err(_) => {}
        }
    }
    Ok(None)
}

/// The beginning of a response.
struct Head {
    content_type: HeaderValue,
    /// As it was written; empty without one.
    prelude: Bytes,
    /// What was read beyond the prelude.
    first: Bytes,
}

async fn read_head(content_type: Option<&HeaderValue>, body: &mut Body) -> Result<Head, BrokenOff> {
    let default = || HeaderValue::from_static("application/octet-stream");
    match content_type {
        Some(content_type) if content_type.as_bytes().starts_with(WITH_PRELUDE) => {
            let (prelude, first) = read_prelude(body).await?;
            let json = &prelude[..prelude.len() - PRELUDE_END.len()];
            let Prelude { headers } = serde_json::from_slice(json).map_err(|_| BrokenOff)?;
            let named = headers.get("content-type").and_then(serde_json::Value::as_str);
            let named = named.and_then(|named| HeaderValue::from_str(named).ok());
            Ok(Head { content_type: named.unwrap_or_else(default), prelude, first })
        }
        other => {
            let content_type = other.cloned().unwrap_or_else(default);
            Ok(Head { content_type, prelude: Bytes::new(), first: Bytes::new() })
        }
    }
}

/// The prelude with its end, and what was read beyond it.
async fn read_prelude(body: &mut Body) -> Result<(Bytes, Bytes), BrokenOff> {
    let mut read = BytesMut::new();
    while let Some(piece) = read_piece(body).await? {
        read.extend_from_slice(&piece);
        if let Some(end) = read.windows(PRELUDE_END.len()).position(|window| window == PRELUDE_END) {
            let prelude = read.split_to(end + PRELUDE_END.len()).freeze();
            return Ok((prelude, read.freeze()));
        }
        if read.len() > LONGEST_PRELUDE {
            return Err(BrokenOff);
        }
    }
    Err(BrokenOff)
}

#[cfg(test)]
mod tests {
    use http_body::Frame;
    use http_body_util::StreamBody;

    use super::*;

    /// A body of these frames; a frame `"!"` is an error trailer.
    fn body(frames: &[&'static str]) -> Body {
        let frames: Vec<Result<Frame<Bytes>, std::io::Error>> = frames.iter().map(|text| Ok(frame(text))).collect();
        Body::new(StreamBody::new(futures_util::stream::iter(frames)))
    }

    fn frame(text: &'static str) -> Frame<Bytes> {
        if text != "!" {
            return Frame::data(Bytes::from_static(text.as_bytes()));
        }
        let mut trailers = http::HeaderMap::new();
        trailers.insert(ERROR_TRAILER, HeaderValue::from_static("Runtime.StreamError"));
        Frame::trailers(trailers)
    }

    /// What the caller gets: the type, the pieces joined with `|`, and how it ended.
    async fn relayed(content_type: &'static str, frames: &[&'static str]) -> (String, String, Relayed) {
        let (reply, received) = oneshot::channel();
        let content_type = HeaderValue::from_static(content_type);
        let relaying = relay(InvocationId::nil(), reply, Some(&content_type), body(frames), || {}, || {});
        let reading = async {
            match received.await.unwrap() {
                Reply::Response(mut response) => {
                    let mut pieces = Vec::new();
                    while let Some(Ok(frame)) = response.body.frame().await {
                        pieces.push(String::from_utf8_lossy(&frame.into_data().unwrap()).into_owned());
                    }
                    (response.content_type.to_str().unwrap().to_owned(), pieces.join("|"))
                }
                other => (format!("{other:?}"), String::new()),
            }
        };
        let (relayed, (content_type, pieces)) = tokio::join!(relaying, reading);
        (content_type, pieces, relayed)
    }

    const PRELUDE: &str = "application/vnd.awslambda.http-integration-response";

    #[tokio::test]
    async fn the_prelude_is_taken_off_wherever_it_is_cut() {
        let whole =
            [r#"{"statusCode":200,"headers":{"content-type":"text/x"},"cookies":[]}"#, "\0\0\0\0\0\0\0\0", "a", "b"];
        let cut = [r#"{"headers":{"content-"#, "type\":\"text/x\"}}\0\0\0", "\0\0\0\0\0a", "b"];
        for frames in [whole, cut] {
            assert_eq!(relayed(PRELUDE, &frames).await, ("text/x".into(), "a|b".into(), Relayed::Whole));
        }
    }

    #[tokio::test]
    async fn a_response_without_a_prelude_passes_unchanged() {
        let expected = ("application/json".into(), "{}".into(), Relayed::Whole);
        assert_eq!(relayed("application/json", &["{}"]).await, expected);
    }

    #[tokio::test]
    async fn an_error_trailer_breaks_the_response_off() {
        let expected = ("text/plain".into(), "a".into(), Relayed::BrokenOff);
        assert_eq!(relayed("text/plain", &["a", "!"]).await, expected);
    }

    #[tokio::test]
    async fn a_prelude_without_an_end_is_an_error_and_not_a_response() {
        let (reply, _, end) = relayed(PRELUDE, &["{\"headers\":{}}", "\0\0\0"]).await;
        assert!(reply.contains("Runtime.ExitError"), "{reply}");
        assert_eq!(end, Relayed::BrokenOff);
    }
}
