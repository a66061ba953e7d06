//! A visitor with two tabs, each on a node: one speaks, both hear.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use client::{Address, Random};
use protocol::v1::server_frame::Kind;
use protocol::v1::{Delta, event};
use tokio::time::timeout;

use crate::endpoint::TOKEN;
use crate::sources::Sources;
use crate::visitor::Visitor;

/// How long a turn may take before something is wrong: longer than nodes let a function take.
const PATIENCE: Duration = Duration::from_secs(40);

/// A visitor with two tabs.
pub(crate) struct Pair {
    /// The one that speaks.
    near: Visitor,
    /// The one that listens.
    far: Visitor,
}

/// What one tab heard of one turn, and when.
#[derive(Debug)]
pub(crate) struct Heard {
    /// The message was acknowledged to this tab.
    pub(crate) acked: Option<Instant>,
    /// The message's event arrived.
    pub(crate) event: Instant,
    /// Pieces arrived: piece number, when. Several may have come in one frame.
    pub(crate) pieces: Vec<(usize, Instant)>,
}

/// A turn as both tabs heard it.
#[derive(Debug)]
pub(crate) struct Turn {
    pub(crate) sent: Instant,
    pub(crate) near: Heard,
    pub(crate) far: Heard,
}

impl Pair {
    /// Joins as a new visitor at `near`, and with the same token at `far`.
    ///
    /// # Errors
    /// A node refuses.
    pub(crate) async fn join(near: &Address, far: &Address, site: &str, sources: &mut Sources) -> anyhow::Result<Self> {
        let near = Visitor::join(near, site, sources.next(), "").await?;
        let far = Visitor::join(far, site, sources.next(), &near.token).await?;
        Ok(Self { near, far })
    }

    /// Says this in one tab and listens in both until the answer is stored.
    ///
    /// # Errors
    /// A refusal, the end of a connection, or silence.
    pub(crate) async fn take_turn(&mut self, random: &mut Random, text: String) -> anyhow::Result<Turn> {
        let sent = Instant::now();
        self.near.say(random, text).await?;
        let near =
            async { timeout(PATIENCE, listen(&mut self.near)).await.context("the tab that asked got no answer")? };
        let far = async { timeout(PATIENCE, listen(&mut self.far)).await.context("the other tab got no answer")? };
        let (near, far) = tokio::try_join!(near, far)?;
        Ok(Turn { sent, near, far })
    }
}

async fn listen(tab: &mut Visitor) -> anyhow::Result<Heard> {
    let (mut acked, mut event, mut pieces) = (None, None, Vec::new());
    loop {
        let kind = tab.next().await?;
        let now = Instant::now();
        match kind {
            Kind::Ack(_) => acked = Some(now),
            Kind::Delta(delta) => pieces.extend((pieces.len()..arrived(&delta)).map(|piece| (piece, now))),
            Kind::Event(stored) => match stored.body {
                Some(event::Body::VisitorMessage(_)) => event = Some(now),
                Some(event::Body::Answer(_)) => {
                    let event = event.context("an answer came before its question")?;
                    return Ok(Heard { acked, event, pieces });
                }
                _ => {}
            },
            Kind::Error(error) => bail!("the node refuses: {}", error.message),
            _ => {}
        }
    }
}

/// How many pieces of the answer have arrived with this frame.
fn arrived(delta: &Delta) -> usize {
    (delta.offset as usize + delta.text.len()) / TOKEN.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_counted_by_where_the_text_ends() {
        let delta = |offset: usize, pieces: usize| Delta {
            offset: u32::try_from(offset * TOKEN.len()).unwrap(),
            text: TOKEN.repeat(pieces),
            ..Delta::default()
        };
        assert_eq!([arrived(&delta(0, 1)), arrived(&delta(1, 1)), arrived(&delta(2, 3))], [1, 2, 5]);
    }
}
