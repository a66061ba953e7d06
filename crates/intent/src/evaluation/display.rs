//! Reports in a form for people.

use std::fmt::{self, Display, Formatter};

use super::{Counted, Report};
use crate::model::Explanation;

/// How many confusions, weak intents and features are shown.
const CONFUSIONS: usize = 15;
const WEAK_INTENTS: usize = 10;
const FEATURES: usize = 20;

impl Display for Report {
    fn fmt(&self, to: &mut Formatter<'_>) -> fmt::Result {
        match self.folds {
            Some(folds) => {
                writeln!(to, "Cross-validation in {folds} parts: every example was judged by a model without it.")?
            }
            None => writeln!(to, "On messages that the model has not learned from:")?,
        }
        let all = self.in_scope.messages + self.out_of_scope;
        writeln!(to, "  right intent     {}", Of(self.in_scope))?;
        writeln!(to, "  kept in scope    {}", of(self.kept, self.in_scope.messages))?;
        if self.out_of_scope > 0 {
            writeln!(to, "  refused          {} out of scope", of(self.refused, self.out_of_scope))?;
        }
        let share = |counted: Counted| format!("{} of all; right: {}", of(counted.messages, all), Of(counted));
        writeln!(to, "  sure             {} (confidence from {:.2})", share(self.sure), self.sure_confidence)?;
        writeln!(to, "  asked back       {}", share(self.asked_back))?;
        match self.instant_confidence {
            Some(least) => writeln!(to, "  instant          {} (confidence from {least:.2})", share(self.instant))?,
            None => writeln!(
                to,
                "  instant          examples alone: too few were right to promise 98 of 100; add examples"
            )?,
        }
        writeln!(
            to,
            "  confidence       {:.1} points away from the share that is right",
            self.calibration_error * 100.0
        )?;
        self.weak_intents(to)?;
        self.confusions(to)
    }
}

impl Report {
    fn weak_intents(&self, to: &mut Formatter<'_>) -> fmt::Result {
        let mut weak: Vec<_> = self.intents.iter().filter(|intent| intent.own.right < intent.own.messages).collect();
        weak.sort_by(|one, other| one.own.share().total_cmp(&other.own.share()));
        if !weak.is_empty() {
            writeln!(to, "Intents that are found least:")?;
        }
        for intent in weak.iter().take(WEAK_INTENTS) {
            writeln!(to, "  {:32} {}", intent.key, Of(intent.own))?;
        }
        Ok(())
    }

    fn confusions(&self, to: &mut Formatter<'_>) -> fmt::Result {
        if !self.confusions.is_empty() {
            writeln!(to, "Taken for another:")?;
        }
        for one in self.confusions.iter().take(CONFUSIONS) {
            let right = one.right.as_deref().unwrap_or("(out of scope)");
            writeln!(to, "  {} × {right} taken for {}: {}", one.count, one.found, one.examples.join(" · "))?;
        }
        let more = self.confusions.len().saturating_sub(CONFUSIONS);
        if more > 0 { writeln!(to, "  and {more} more pairs") } else { Ok(()) }
    }
}

impl Display for Explanation<'_> {
    fn fmt(&self, to: &mut Formatter<'_>) -> fmt::Result {
        let scope = if self.ranking.in_scope { "in scope" } else { "out of scope" };
        writeln!(to, "{scope}, margin {:.2}", self.ranking.margin)?;
        for ranked in &self.ranking.intents {
            writeln!(to, "  {:.3}  {}", ranked.confidence, ranked.intent.key)?;
        }
        writeln!(to, "What speaks for the first, and what the same says for the second:")?;
        for feature in self.features.iter().take(FEATURES) {
            let kind = if feature.is_word { "words " } else { "piece " };
            writeln!(to, "  {:+.3}  {:+.3}  {kind} {:?}", feature.to_first, feature.to_second, feature.text)?;
        }
        Ok(())
    }
}

struct Of(Counted);

impl Display for Of {
    fn fmt(&self, to: &mut Formatter<'_>) -> fmt::Result {
        write!(to, "{}", of(self.0.right, self.0.messages))
    }
}

fn of(part: usize, all: usize) -> String {
    let share = if all == 0 { 100.0 } else { part as f64 * 100.0 / all as f64 };
    format!("{share:.1} % ({part} of {all})")
}
