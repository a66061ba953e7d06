//! How many wrong answers are to be expected of messages that nobody has seen yet, by those that were judged.

/// How sure the bound of each group of messages is.
const LEVEL: f64 = 0.95;

/// Of the messages that visitors write, the share that is out of scope, where a site has examples of them. Examples are seldom
/// as many as such messages are: of CLINC150's test, 1,000 in 5,500 are out of scope, of its training 100 in 15,100.
const OUT_OF_SCOPE: f64 = 0.2;

/// A group of judged messages: those above some confidence, and all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Group {
    /// Above the confidence.
    pub above: usize,
    /// Of these, how many are wrong.
    pub wrong: usize,
    /// All, those below the confidence too.
    pub all: usize,
}

/// The least share of right answers above a confidence that the next messages will have, by those in scope and those out of
/// scope, of which every one above the confidence is wrong. The rates of both groups are taken at their upper bounds at once,
/// so that both hold with more than 90 % certainty. With nothing out of scope, the promise is for messages in scope.
pub(super) fn least_precision(inside: Group, outside: Group) -> f64 {
    if inside.above == 0 {
        return 0.0;
    }
    let wrong_inside = upper_share(inside.wrong, inside.above);
    let answered_inside = inside.above as f64 / inside.all.max(1) as f64;
    if outside.all == 0 {
        return 1.0 - wrong_inside;
    }
    let answered_outside = OUT_OF_SCOPE * upper_share(outside.above, outside.all);
    let answered_inside = (1.0 - OUT_OF_SCOPE) * answered_inside;
    answered_inside * (1.0 - wrong_inside) / (answered_inside + answered_outside)
}

/// The upper end of the exact one-sided confidence interval of a share of which `found` of `of` were seen: the share at which
/// so few or fewer are seen in one of twenty cases. Clopper and Pearson 1934, "The use of confidence or fiducial limits
/// illustrated in the case of the binomial", Biometrika 26(4).
pub(super) fn upper_share(found: usize, of: usize) -> f64 {
    if found >= of {
        return 1.0;
    }
    let (mut low, mut high) = (found as f64 / of as f64, 1.0);
    // Halved so often, the interval is smaller than a thousandth of one message in a million.
    for _ in 0..40 {
        let middle = (low + high) / 2.0;
        if so_few(found, of, middle) > 1.0 - LEVEL { low = middle } else { high = middle }
    }
    high
}

/// How likely `found` or fewer of `of` are, where each is one with the probability `share` (the binomial distribution's sum).
fn so_few(found: usize, of: usize, share: f64) -> f64 {
    let choices = |all: f64| libm::lgamma(all + 1.0);
    let (all, of_one, of_other) = (of as f64, libm::log(share), libm::log1p(-share));
    let term = |count: usize| {
        let count = count as f64;
        libm::exp(choices(all) - choices(count) - choices(all - count) + count * of_one + (all - count) * of_other)
    };
    // From the largest term down; what is too small to add anything ends it.
    let mut sum = 0.0;
    for count in (0..=found).rev() {
        let next = term(count);
        sum += next;
        if next < sum * 1e-12 {
            break;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(found: usize, of: usize, expected: f64) {
        let upper = upper_share(found, of);
        assert!((upper - expected).abs() < 5e-5, "{found} of {of}: {upper}");
    }

    /// Closed form for none found: 1 − 0.05^(1/n); the others by R's `binom.test(x, n, alternative = "less")`.
    #[test]
    fn the_upper_bound_is_the_exact_one() {
        check(0, 100, 0.029_513);
        check(0, 149, 0.019_905);
        check(1, 20, 0.216_106);
        check(5, 100, 0.102_254);
        check(0, 0, 1.0);
        check(7, 7, 1.0);
    }

    #[test]
    fn a_promise_needs_enough_messages() {
        let inside = |above, wrong| Group { above, wrong, all: 1_000 };
        assert!(least_precision(inside(148, 0), Group::default()) < 0.98);
        assert!(least_precision(inside(149, 0), Group::default()) > 0.98);
        assert!(least_precision(inside(149, 1), Group::default()) < 0.98);
        assert_eq!(least_precision(inside(0, 0), Group::default()), 0.0);
    }

    #[test]
    fn messages_out_of_scope_count_as_wrong_ones() {
        let inside = Group { above: 900, wrong: 2, all: 1_000 };
        let promised = |above, all| least_precision(inside, Group { above, wrong: above, all });
        assert!(promised(0, 200) > 0.98);
        assert!(promised(0, 20) < 0.98, "too few to know");
        assert!(promised(12, 200) < 0.98, "too many get through");
        assert!(promised(0, 200) < least_precision(inside, Group::default()));
    }
}
