//! Which process of a function has which places: without I/O.
//!
//! A *place* is where one invocation runs at a time. The pool deals with places alone. A process has one, as on Lambda, or
//! several, as on Lambda's managed instances: then it asks for several invocations at once. A place is given to a process that
//! has more requests open than places, or that has just been started; where there is none, a process is started for it.

use std::collections::{BTreeMap, HashMap, VecDeque};

use crate::pool::PlaceId;
use crate::process::ProcessId;

/// The processes and their places. `A` is an open request for an invocation.
#[derive(Debug)]
pub(crate) struct Places<A> {
    per_process: usize,
    processes: BTreeMap<ProcessId, Process<A>>,
    places: HashMap<PlaceId, Place<A>>,
}

#[derive(Debug)]
struct Process<A> {
    places: Vec<PlaceId>,
    /// Requests that no place has.
    spare: VecDeque<A>,
    has_asked: bool,
    /// It gets no place any more, and goes with its last one.
    is_retiring: bool,
}

#[derive(Debug)]
struct Place<A> {
    process: ProcessId,
    asking: Option<A>,
}

/// Whose a request for an invocation is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// This place's.
    Place(PlaceId),
    /// No place's yet.
    Spare,
    /// One of a process that is not known, or that asks for more than it may run.
    Unwanted,
}

impl<A> Places<A> {
    /// None yet. `per_process`: how many a process may have.
    pub(crate) fn new(per_process: usize) -> Self {
        Self { per_process: per_process.max(1), processes: BTreeMap::new(), places: HashMap::new() }
    }

    /// Gives a new place to a process that has room for it. True: the process asks for an invocation already.
    pub(crate) fn join(&mut self, place: PlaceId) -> Option<bool> {
        let most = self.per_process;
        let has_room = |process: &Process<A>| {
            !process.is_retiring && process.places.len() < most && (!process.spare.is_empty() || !process.has_asked)
        };
        // The fullest, so that the others may become idle.
        let fullest = self.processes.iter_mut().filter(|(_, process)| has_room(process));
        let (id, process) = fullest.max_by_key(|(_, process)| process.places.len())?;
        let asking = process.spare.pop_front();
        let asks = asking.is_some();
        process.places.push(place);
        self.places.insert(place, Place { process: *id, asking });
        Some(asks)
    }

    /// A process was started for this place.
    pub(crate) fn open(&mut self, process: ProcessId, place: PlaceId) {
        let started = Process { places: vec![place], spare: VecDeque::new(), has_asked: false, is_retiring: false };
        self.processes.insert(process, started);
        self.places.insert(place, Place { process, asking: None });
    }

    /// The process asks for an invocation. `waits` says of a place that it waits for such a request.
    pub(crate) fn ask(&mut self, id: ProcessId, asking: A, waits: impl Fn(PlaceId) -> bool) -> Asked {
        let Some(process) = self.processes.get_mut(&id) else { return Asked::Unwanted };
        process.has_asked = true;
        let place = match process.places.as_slice() {
            // Whatever it was doing, with one place this is where it goes on.
            [only] if self.per_process == 1 => Some(*only),
            several => several.iter().copied().find(|place| waits(*place)),
        };
        if let Some(place) = place.and_then(|place| Some((place, self.places.get_mut(&place)?))) {
            place.1.asking = Some(asking);
            return Asked::Place(place.0);
        }
        if process.places.len() + process.spare.len() >= self.per_process {
            return Asked::Unwanted;
        }
        process.spare.push_back(asking);
        Asked::Spare
    }

    /// The place's request for an invocation, which is answered now.
    pub(crate) fn take(&mut self, place: PlaceId) -> Option<A> {
        self.places.get_mut(&place)?.asking.take()
    }

    /// Whether the place has a request that waits for an invocation.
    pub(crate) fn is_asking(&self, place: PlaceId) -> bool {
        self.places.get(&place).is_some_and(|place| place.asking.is_some())
    }

    /// The process that has the place.
    pub(crate) fn process(&self, place: PlaceId) -> Option<ProcessId> {
        self.places.get(&place).map(|place| place.process)
    }

    /// The pool has let the place go. Gives the process, if that has none any more: it is to go, too.
    pub(crate) fn leave(&mut self, place: PlaceId) -> Option<ProcessId> {
        let Place { process: id, asking } = self.places.remove(&place)?;
        let process = self.processes.get_mut(&id)?;
        process.places.retain(|other| *other != place);
        process.spare.extend(asking);
        let is_empty = process.places.is_empty();
        // What is to go must not be given anything meanwhile.
        process.is_retiring |= is_empty;
        is_empty.then_some(id)
    }

    /// The process gets no more places. Gives those it has.
    pub(crate) fn retire(&mut self, process: ProcessId) -> Vec<PlaceId> {
        let Some(process) = self.processes.get_mut(&process) else { return Vec::new() };
        process.is_retiring = true;
        process.places.clone()
    }

    /// Whether the process gets no more places.
    pub(crate) fn is_retiring(&self, process: ProcessId) -> bool {
        self.processes.get(&process).is_some_and(|process| process.is_retiring)
    }

    /// The process is gone. Gives the places it had.
    pub(crate) fn remove(&mut self, process: ProcessId) -> Vec<PlaceId> {
        let places = self.processes.remove(&process).map(|process| process.places).unwrap_or_default();
        for place in &places {
            self.places.remove(place);
        }
        places
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: ProcessId = ProcessId(1);
    const B: ProcessId = ProcessId(2);
    const NOBODY: fn(PlaceId) -> bool = |_| false;

    fn place(number: u64) -> PlaceId {
        PlaceId(number)
    }

    #[test]
    fn one_place_each_is_where_every_request_goes() {
        let mut places = Places::new(1);
        places.open(A, place(1));
        assert_eq!(places.join(place(2)), None);
        assert_eq!(places.ask(A, 'a', NOBODY), Asked::Place(place(1)));
        assert_eq!(places.ask(B, 'b', NOBODY), Asked::Unwanted);
        assert_eq!((places.take(place(1)), places.take(place(1))), (Some('a'), None));
        assert_eq!(places.leave(place(1)), Some(A));
    }

    #[test]
    fn a_place_is_given_to_a_process_that_asks_for_more_or_has_just_been_started() {
        let mut places = Places::new(3);
        places.open(A, place(1));
        assert_eq!(places.join(place(2)), Some(false), "it has not asked yet");
        let waits = |waiting: u64| move |place: PlaceId| place.0 == waiting;
        assert_eq!(places.ask(A, 'a', waits(1)), Asked::Place(place(1)));
        assert_eq!(places.ask(A, 'b', waits(2)), Asked::Place(place(2)));
        assert_eq!(places.join(place(3)), None, "nothing says that it will ask again");
        assert_eq!(places.ask(A, 'c', NOBODY), Asked::Spare);
        assert_eq!(places.join(place(3)), Some(true));
        assert_eq!(places.take(place(3)), Some('c'));
        assert_eq!(places.ask(A, 'd', NOBODY), Asked::Unwanted, "it has three");
    }

    #[test]
    fn the_fullest_process_is_filled_first() {
        let mut places = Places::new(4);
        places.open(A, place(1));
        places.open(B, place(2));
        for asking in ['a', 'b'] {
            places.ask(A, asking, NOBODY);
            places.ask(B, asking, NOBODY);
        }
        places.join(place(3));
        let fuller = places.process(place(3)).unwrap();
        places.join(place(4));
        assert_eq!(places.process(place(4)), Some(fuller));
        places.join(place(5));
        assert_ne!(places.process(place(5)), Some(fuller), "all that it asks for is given");
    }

    #[test]
    fn a_place_that_is_let_go_leaves_its_request_to_others_and_the_last_takes_the_process_along() {
        let mut places = Places::new(2);
        places.open(A, place(1));
        places.ask(A, 'a', |_| true);
        places.ask(A, 'b', NOBODY);
        places.join(place(2));
        assert_eq!(places.leave(place(1)), None);
        assert_eq!(places.join(place(3)), Some(true));
        assert_eq!(places.take(place(3)), Some('a'));
        assert_eq!(places.leave(place(2)), None);
        assert_eq!(places.leave(place(3)), Some(A));
        assert_eq!(places.leave(place(3)), None, "it is gone already");
        assert_eq!(places.join(place(4)), None, "its process is to go");
    }

    #[test]
    fn a_process_that_retires_gets_nothing_more() {
        let mut places = Places::new(2);
        places.open(A, place(1));
        places.ask(A, 'a', NOBODY);
        assert_eq!(places.retire(A), [place(1)]);
        assert!(places.is_retiring(A) && !places.is_retiring(B));
        assert_eq!(places.join(place(2)), None);
        assert_eq!(places.remove(A), [place(1)]);
        assert_eq!(places.process(place(1)), None);
    }
}
