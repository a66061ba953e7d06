//! Claims of what is due.
//!
//! A mark is only a hint; the log decides. Each due time that is ever set has a mark of its own, written before, so a mark whose
//! log says another due time has nothing to do.

use std::time::Instant;

use conversation::ConversationId;
use futures_util::StreamExt;
use futures_util::stream;

use super::Inner;
use super::agenda::Agenda;
use super::fault::Fault;
use super::item::{Item, bytes, bytes_at, key, text};
use super::log::{due_of, is_event, is_tombstone, partition, place, seq_of};
use super::marks::{Mark, SLOTS, Sheet, after_slot, slot_of};
use super::table::{Condition, Span, Wrote};
use crate::{ClaimDue, MAX_LIMIT, StoreError};

/// How many sheets are read at once.
const READ_AT_ONCE: usize = 8;

/// How many marks are looked at at once.
const LOOK_AT_ONCE: usize = 32;

/// How many marks one call looks at. The next call goes on.
const MAX_LOOKS: usize = 2_000;

/// What the log says to a mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Claimed,
    /// A later event has taken the place of what was marked, or the log is forgotten.
    Past,
    /// The log says another due time, or the event is not there: the write may be on its way, or was refused.
    Doubtful,
}

/// What stands at a mark's event and after it.
struct Pair {
    event: Option<Item>,
    next: Option<Item>,
}

impl Pair {
    /// What is true now and will be.
    fn is_past(&self) -> bool {
        self.next.as_ref().is_some_and(|next| is_event(next) || is_tombstone(next))
            || self.event.as_ref().is_some_and(is_tombstone)
    }
}

impl Inner {
    /// See [`Store::claim_due`](crate::Store::claim_due).
    pub(super) async fn claim(&self, claim: ClaimDue) -> Result<Vec<ConversationId>, StoreError> {
        const WHAT: &str = "claim what is due";
        let ClaimDue { now, until, limit, .. } = claim;
        if until <= now {
            let reason = format!("the time it is claimed until, {until}, is not after now, {now}");
            return Err(StoreError::Invalid { what: WHAT.to_owned(), reason });
        }
        self.seen.tell(now);
        let limit = limit.min(MAX_LIMIT);
        if limit == 0 {
            return Ok(Vec::new());
        }
        // One caller at a time: another one would look at the same marks.
        let mut agenda = self.agenda.lock().await;
        self.refresh(&mut agenda, &claim).await.map_err(|fault| fault.during(WHAT))?;
        let mut claimed = Vec::new();
        match self.claim_from(&mut agenda, &claim, limit, &mut claimed).await {
            // What was claimed is the caller's, whatever happened then.
            Err(fault) if claimed.is_empty() => Err(fault.during(WHAT)),
            _ => Ok(claimed),
        }
    }

    /// Reads the marks that are new.
    async fn refresh(&self, agenda: &mut Agenda, claim: &ClaimDue) -> Result<(), Fault> {
        agenda.handle_list(self.listed(claim).await?, claim.now);
        let sheets = agenda.poll_sheets(claim.now);
        let mut pages = stream::iter(sheets)
            .map(|(sheet, after)| async move {
                let items = self.new_items(&sheet, after).await;
                (sheet, items)
            })
            .buffered(READ_AT_ONCE);
        while let Some((sheet, items)) = pages.next().await {
            agenda.handle_items(&sheet, &items?);
            agenda.handle_end(&sheet);
        }
        Ok(())
    }

    async fn listed(&self, claim: &ClaimDue) -> Result<Vec<(Sheet, Vec<u8>)>, Fault> {
        let last = text(after_slot(slot_of(claim.now)));
        let keys = || Condition::new("pk = :pk AND sk < :sk").with(":pk", text(SLOTS)).with(":sk", last.clone());
        let items = self.all(|after| Span { after, ..Span::new(keys()) }).await?;
        let listed = |item: &Item| Some((Sheet::parse(item)?, bytes_at(item, "w")?.to_vec()));
        Ok(items.iter().filter_map(listed).collect())
    }

    async fn new_items(&self, sheet: &Sheet, after: u64) -> Result<Vec<Item>, Fault> {
        let keys = || {
            Condition::new("pk = :pk AND sk > :sk")
                .with(":pk", text(sheet.partition()))
                .with(":sk", text(format!("{after:010}")))
        };
        self.all(|after| Span { after, ..Span::new(keys()) }).await
    }

    /// All pages of what `span` asks for.
    async fn all(&self, span: impl Fn(Option<Item>) -> Span) -> Result<Vec<Item>, Fault> {
        let mut items = Vec::new();
        let mut next = None;
        loop {
            let page = self.table.query(span(next)).await?;
            items.extend(page.items);
            next = page.next;
            if next.is_none() {
                return Ok(items);
            }
        }
    }

    async fn claim_from(
        &self,
        agenda: &mut Agenda,
        claim: &ClaimDue,
        limit: usize,
        claimed: &mut Vec<ConversationId>,
    ) -> Result<(), Fault> {
        let mut looks = 0;
        while claimed.len() < limit && looks < MAX_LOOKS {
            let marks = agenda.poll_marks(claim.now, LOOK_AT_ONCE.min(limit - claimed.len()));
            if marks.is_empty() {
                break;
            }
            looks += marks.len();
            let mut verdicts = stream::iter(marks)
                .map(|(place, mark)| async move {
                    let verdict = self.look(&mark, claim).await;
                    (place, mark, verdict)
                })
                .buffered(LOOK_AT_ONCE);
            let mut fault = None;
            while let Some((place, mark, verdict)) = verdicts.next().await {
                match verdict {
                    Ok(Verdict::Claimed) => claimed.push(mark.conversation),
                    Ok(Verdict::Past) => {}
                    Ok(Verdict::Doubtful) => {
                        agenda.handle_doubt(place, claim.now);
                        continue;
                    }
                    Err(error) => {
                        fault = Some(error);
                        continue;
                    }
                }
                agenda.handle_done(place);
            }
            if let Some(fault) = fault {
                return Err(fault);
            }
        }
        self.unlist(agenda, claim).await
    }

    /// Takes sheets off the list with which nothing is left to do, unless they were listed anew.
    async fn unlist(&self, agenda: &mut Agenda, claim: &ClaimDue) -> Result<(), Fault> {
        for (sheet, listed) in agenda.poll_finished(claim.now) {
            let condition = Condition::new("w = :w").with(":w", bytes(listed));
            self.table.delete(key(SLOTS, sheet.name()), condition).await?;
        }
        Ok(())
    }

    /// Asks the log about a mark, and claims the conversation if it is due.
    async fn look(&self, mark: &Mark, claim: &ClaimDue) -> Result<Verdict, Fault> {
        if self.known.reach(&mark.conversation, Instant::now()).is_some_and(|reach| reach > mark.seq) {
            return Ok(Verdict::Past);
        }
        // Most marks are past: the turn has ended. A read at half the price, which may be behind, can say so for certain.
        if self.pair(mark, false).await?.is_past() {
            return Ok(Verdict::Past);
        }
        let pair = self.pair(mark, true).await?;
        if pair.is_past() {
            return Ok(Verdict::Past);
        }
        let is_due = pair.event.is_some() && due_of(pair.event.as_ref(), pair.next.as_ref()) == Some(mark.due);
        if is_due { self.claim_one(mark, pair.next.as_ref(), claim).await } else { Ok(Verdict::Doubtful) }
    }

    async fn pair(&self, mark: &Mark, consistent: bool) -> Result<Pair, Fault> {
        let (seq, next) = (u64::from(mark.seq), u64::from(mark.seq) + 1);
        let keys = Condition::new("pk = :pk AND sk BETWEEN :seq AND :next")
            .with(":pk", text(partition(&mark.conversation)))
            .with(":seq", text(place(seq)))
            .with(":next", text(place(next)));
        let items = self.table.query(Span { consistent, ..Span::new(keys) }).await?.items;
        let mut pair = Pair { event: None, next: None };
        for item in items {
            match seq_of(&item) {
                Some(there) if there == seq => pair.event = Some(item),
                _ => pair.next = Some(item),
            }
        }
        Ok(pair)
    }

    /// Claims a conversation if its stub is as it was read.
    async fn claim_one(&self, mark: &Mark, stub: Option<&Item>, claim: &ClaimDue) -> Result<Verdict, Fault> {
        let again = Mark { due: claim.until, seq: mark.seq, conversation: mark.conversation.clone() };
        let begin = Instant::now();
        self.marker.mark(again.clone()).await?;
        if begin.elapsed() > self.mark_holds {
            return Err(Fault::passing("this process stood still for too long"));
        }
        let token = self.tokens.next();
        let (conversation, until) = (&mark.conversation, Some(claim.until));
        let condition = unchanged(stub);
        let wrote = self.write_stub(conversation, mark.seq, until, Some(claim.claim), token, condition).await?;
        if begin.elapsed() > self.mark_holds {
            self.marker.mark(again).await?;
        }
        Ok(match wrote {
            Wrote::Done(_) => Verdict::Claimed,
            Wrote::Refused(there) if bytes_at(&there, "w") == Some(&token) => Verdict::Claimed,
            Wrote::Refused(there) if is_event(&there) || is_tombstone(&there) => Verdict::Past,
            Wrote::Refused(_) => Verdict::Doubtful,
        })
    }
}

/// That the stub is still as it was read. Each write to it has another name.
fn unchanged(stub: Option<&Item>) -> Condition {
    match stub.and_then(|stub| bytes_at(stub, "w")) {
        Some(read) => Condition::new("w = :read").with(":read", bytes(read)),
        None => Condition::new("attribute_not_exists(sk)"),
    }
}
