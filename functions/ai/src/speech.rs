//! What a model says on its way to the visitor: marks of passages are taken out, what is not to be seen is filtered, what was
//! masked is put back. None of it depends on how the text was cut into pieces.

use std::sync::Arc;

use crate::cite::Marks;
use crate::mask::{Mask, Unmask};
use crate::safety::{Guard, Links, Secret};

/// One answer's way.
#[derive(Debug)]
pub(crate) struct Speech {
    marks: Marks,
    guard: Guard,
    unmask: Unmask,
}

impl Speech {
    /// `passages`: how many the model was shown.
    pub(crate) fn new(passages: usize, links: Links, secret: Arc<Secret>, mask: &Mask) -> Self {
        Self { marks: Marks::new(passages), guard: Guard::new(links, secret), unmask: Unmask::new(mask) }
    }

    /// Takes what the model said; gives what can be shown.
    pub(crate) fn handle_text(&mut self, said: &str) -> String {
        let said = self.marks.handle_text(said);
        self.unmask.handle_text(&self.guard.handle_text(&said))
    }

    /// The model has ended, or broke off: what was held back until now.
    pub(crate) fn finish(&mut self) -> String {
        let said = self.marks.finish();
        let said = self.guard.handle_text(&said) + &self.guard.finish();
        self.unmask.handle_text(&said) + &self.unmask.finish()
    }

    /// The passages that were named, numbered from 0.
    pub(crate) fn named(&self) -> &[usize] {
        self.marks.named()
    }
}
