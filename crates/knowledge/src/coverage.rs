//! How much of a question a passage speaks of: the rule by which there is an answer or none.

use std::collections::HashMap;

use tantivy::schema::IndexRecordOption;
use tantivy::{DocAddress, DocId, DocSet, Searcher, TantivyError};

use crate::concept::{Concept, Sought};
use crate::schema::{Fields, PLACES};

/// What a word counts by where a passage has it. Bit 0: in the heading; bit 1: in the title; bit 2: in the text.
const PLACE_SHARES: [f32; 1 << PLACES] = [0.0, 1.0, 0.7, 1.0, 0.65, 1.0, 0.9, 1.0];

/// Which of the terms of a question each candidate has, and where.
#[derive(Debug)]
pub(crate) struct Places {
    by_term: HashMap<Sought, HashMap<DocAddress, u8>>,
}

impl Places {
    /// Looks up the terms of `concepts` in `candidates`.
    pub(crate) fn look_up(
        concepts: &[Concept],
        candidates: &[DocAddress],
        fields: &Fields,
        searcher: &Searcher,
    ) -> Result<Self, TantivyError> {
        let mut by_term = HashMap::new();
        for sought in concepts.iter().flat_map(|concept| &concept.ways).flat_map(|way| &way.terms) {
            if !by_term.contains_key(sought) {
                by_term.insert(sought.clone(), places_of(sought, candidates, fields, searcher)?);
            }
        }
        Ok(Self { by_term })
    }

    /// How much of what `concepts` ask for `candidate` has, 0 to 1.
    pub(crate) fn coverage(&self, concepts: &[Concept], candidate: DocAddress) -> f32 {
        let all: f32 = concepts.iter().map(|concept| concept.weight).sum();
        let had: f32 = concepts.iter().map(|concept| concept.weight * self.share(concept, candidate)).sum();
        if all > 0.0 { had / all } else { 0.0 }
    }

    /// How many of `concepts` stand in a candidate's headings.
    pub(crate) fn in_heading(&self, concepts: &[Concept], candidate: DocAddress) -> usize {
        let is_in_heading = |sought: &Sought| self.places(sought, candidate) & 1 == 1;
        concepts
            .iter()
            .filter(|concept| concept.ways.iter().any(|way| way.credit > 0.5 && way.terms.iter().all(is_in_heading)))
            .count()
    }

    fn share(&self, concept: &Concept, candidate: DocAddress) -> f32 {
        let of_term = |sought: &Sought| PLACE_SHARES[usize::from(self.places(sought, candidate))];
        let of_way = |way: &crate::concept::Way| {
            let sum: f32 = way.terms.iter().map(of_term).sum();
            way.credit * sum / way.terms.len().max(1) as f32
        };
        concept.ways.iter().map(of_way).fold(0.0, f32::max)
    }

    fn places(&self, sought: &Sought, candidate: DocAddress) -> u8 {
        self.by_term.get(sought).and_then(|places| places.get(&candidate)).copied().unwrap_or(0)
    }
}

/// The places of one term in the candidates that have it.
fn places_of(
    sought: &Sought,
    candidates: &[DocAddress],
    fields: &Fields,
    searcher: &Searcher,
) -> Result<HashMap<DocAddress, u8>, TantivyError> {
    let mut found: HashMap<DocAddress, u8> = HashMap::new();
    for (place, term) in sought.in_places(fields).iter().enumerate() {
        for (ordinal, segment) in searcher.segment_readers().iter().enumerate() {
            let index = segment.inverted_index(term.field())?;
            let Some(mut postings) = index.read_postings(term, IndexRecordOption::Basic)? else { continue };
            let mut documents: Vec<DocId> = candidates
                .iter()
                .filter(|candidate| candidate.segment_ord as usize == ordinal)
                .map(|candidate| candidate.doc_id)
                .collect();
            documents.sort_unstable();
            for document in documents {
                if postings.doc() < document {
                    postings.seek(document);
                }
                if postings.doc() == document {
                    *found.entry(DocAddress::new(ordinal as u32, document)).or_default() |= 1 << place;
                }
            }
        }
    }
    Ok(found)
}
