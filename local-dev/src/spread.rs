//! Which node gets the next connection: a state machine without I/O.

/// How many connections each node has, and which was chosen when.
#[derive(Debug)]
pub struct Spread {
    nodes: Vec<Place>,
    choices: u64,
}

#[derive(Clone, Debug, Default)]
struct Place {
    open: usize,
    last_choice: u64,
}

impl Spread {
    /// For so many nodes, numbered from 0.
    #[must_use]
    pub fn new(nodes: usize) -> Self {
        Self { nodes: vec![Place::default(); nodes], choices: 0 }
    }

    /// The candidate with the fewest open connections, and among equals the one that was not chosen for longest. It has one
    /// connection more from now on, until [`Spread::handle_closed`].
    pub fn choose(&mut self, is_candidate: impl Fn(usize) -> bool) -> Option<usize> {
        let candidates = self.nodes.iter_mut().enumerate().filter(|(node, _)| is_candidate(*node));
        let (node, place) = candidates.min_by_key(|(_, place)| (place.open, place.last_choice))?;
        self.choices += 1;
        place.last_choice = self.choices;
        place.open += 1;
        Some(node)
    }

    /// A connection to this node has ended, or could not be made.
    pub fn handle_closed(&mut self, node: usize) {
        if let Some(place) = self.nodes.get_mut(node) {
            place.open = place.open.saturating_sub(1);
        }
    }

    /// How many connections a node has.
    #[must_use]
    pub fn open(&self, node: usize) -> usize {
        self.nodes.get(node).map_or(0, |place| place.open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(spread: &mut Spread, times: usize, candidates: &[usize]) -> Vec<Option<usize>> {
        (0..times).map(|_| spread.choose(|node| candidates.contains(&node))).collect()
    }

    #[test]
    fn connections_are_spread_evenly() {
        let mut spread = Spread::new(3);
        choose(&mut spread, 300, &[0, 1, 2]);
        assert_eq!([0, 1, 2].map(|node| spread.open(node)), [100, 100, 100]);
    }

    #[test]
    fn a_node_that_comes_back_empty_gets_the_next_ones() {
        let mut spread = Spread::new(3);
        choose(&mut spread, 4, &[0, 2]);
        assert_eq!(choose(&mut spread, 2, &[0, 1, 2]), [Some(1), Some(1)]);
        assert_eq!([0, 1, 2].map(|node| spread.open(node)), [2, 2, 2]);
    }

    #[test]
    fn nodes_without_connections_take_turns() {
        let mut spread = Spread::new(2);
        for expected in [0, 1, 0, 1] {
            let chosen = spread.choose(|_| true);
            assert_eq!(chosen, Some(expected));
            spread.handle_closed(expected);
        }
    }

    #[test]
    fn only_candidates_are_chosen_and_nothing_where_there_are_none() {
        let mut spread = Spread::new(3);
        assert_eq!(choose(&mut spread, 2, &[1]), [Some(1), Some(1)]);
        assert_eq!(choose(&mut spread, 1, &[]), [None]);
        assert_eq!([0, 1, 2].map(|node| spread.open(node)), [0, 2, 0]);
    }
}
