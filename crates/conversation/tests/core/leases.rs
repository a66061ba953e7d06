//! Claims, and runners that fall silent.

use conversation::Policy;
use expect_test::expect;

use crate::desk::{check, check_with};

#[test]
fn what_a_claimer_does_is_done_under_its_claim() {
    check(
        "read
        elsewhere visitor a hello
        due 7
        read
        timeout
        answer Good evening.
        stored",
        expect![[r#"
              read after 0
            > read
              wake
            > elsewhere visitor a hello
            > due 7
              publish who runs the turn?
              read after 0
            > read
              wake
            > timeout
              at 2000
              publish turn 1 run A at 0: ""
              invoke turn 1 run A until 32000: visitor: hello
            > answer Good evening.
              append 2: answer to 1 (Complete) "Good evening.", nothing due, under claim 7
            > stored
              publish event 2
              wake
        "#]],
    );
}

#[test]
fn a_claim_that_has_ended_keeps_its_owner_out_of_nothing() {
    check(
        "read
        elsewhere visitor a hello
        due 7
        read
        elsewhere visitor b anybody there?
        hear
        timeout
        answer Good evening.",
        expect![[r#"
              read after 0
            > read
              wake
            > elsewhere visitor a hello
            > due 7
              publish who runs the turn?
              read after 0
            > read
              wake
            > elsewhere visitor b anybody there?
            > hear
              wake
            > timeout
              at 2000
              publish turn 2 run A at 0: ""
              invoke turn 2 run A until 32000: visitor: hello | visitor: anybody there?
            > answer Good evening.
              append 3: answer to 2 (Complete) "Good evening.", nothing due, under claim 7
        "#]],
    );
}

#[test]
fn a_claim_is_given_back_to_a_runner_that_is_late_but_alive() {
    check(
        "read
        elsewhere visitor a hello
        due 7
        read
        hear turn 1 at 0 Here is",
        expect![[r#"
              read after 0
            > read
              wake
            > elsewhere visitor a hello
            > due 7
              publish who runs the turn?
              read after 0
            > read
              wake
            > hear turn 1 at 0 Here is
              give claim 7 back at 1, due at 33001
              wake
        "#]],
    );
}

#[test]
fn a_claim_on_a_conversation_that_owes_nothing_is_given_back() {
    check(
        "read
        elsewhere visitor a hello
        elsewhere answer 1 Good evening.
        due 7
        read",
        expect![[r#"
              read after 0
            > read
              wake
            > elsewhere visitor a hello
            > elsewhere answer 1 Good evening.
            > due 7
              publish who runs the turn?
              read after 0
            > read
              give claim 7 back at 2, nothing due
              wake
        "#]],
    );
}

#[test]
fn a_turn_whose_conversation_was_claimed_by_another_node_is_let_go() {
    check(
        "read
        send a hello
        stored
        delta Good
        answer Good evening.
        fenced
        read
        hear turn 1 at 0 Here is
        pull",
        expect![[r#"
              read after 0
            > read
              wake
            > send a hello
              append 1: visitor a "hello", due at 33000
            > stored
              ack #1 at 1
              publish event 1
              publish turn 1 run A at 0: ""
              invoke turn 1 run A until 31000: visitor: hello
              wake
            > delta Good
              publish turn 1 run A at 0: "Good"
              wake
            > answer Good evening.
              append 2: answer to 1 (Complete) "Good evening.", nothing due, unless claimed
            > fenced
              publish who runs the turn?
              read after 0
              wake
            > read
              wake
            > hear turn 1 at 0 Here is
              wake
            > pull
              gets 1: visitor a "hello"
              gets turn 1 run elsewhere at 0: "Here is"
        "#]],
    );
}

#[test]
fn a_visitor_who_stops_is_kept_out_by_no_claim() {
    check(
        "read
        send a hello
        stored
        delta Good
        stop 1
        stored",
        expect![[r#"
              read after 0
            > read
              wake
            > send a hello
              append 1: visitor a "hello", due at 33000
            > stored
              ack #1 at 1
              publish event 1
              publish turn 1 run A at 0: ""
              invoke turn 1 run A until 31000: visitor: hello
              wake
            > delta Good
              publish turn 1 run A at 0: "Good"
              wake
            > stop 1
              cancel run A
              append 2: answer to 1 (Stopped) "Good", nothing due
            > stored
              ack #2 at 2
              publish event 2
              wake
        "#]],
    );
}

#[test]
fn a_runner_that_is_slow_gives_signs_of_life() {
    check_with(
        Policy::default(),
        "read
        send a hello
        stored
        timeout
        delta Good
        timeout
        timeout
        answer Good evening.
        stored",
        expect![[r#"
              read after 0
            > read
              wake
            > send a hello
              append 1: visitor a "hello", due at 33000
            > stored
              ack #1 at 1
              publish event 1
              publish turn 1 run A at 0: ""
              invoke turn 1 run A until 31000: visitor: hello
              wake
            > timeout
              at 2500
            > delta Good
              publish turn 1 run A at 0: "Good"
              wake
            > timeout
              at 4000
            > timeout
              at 5500
              publish turn 1 run A at 4: ""
            > answer Good evening.
              append 2: answer to 1 (Complete) "Good evening.", nothing due, unless claimed
            > stored
              publish event 2
              wake
        "#]],
    );
}

#[test]
fn a_runner_that_falls_silent_is_asked_for_and_then_replaced() {
    check_with(
        Policy::default(),
        "read
        elsewhere visitor a hello
        hear
        hear turn 1 at 0 Good
        pull
        timeout
        timeout",
        expect![[r#"
              read after 0
            > read
              wake
            > elsewhere visitor a hello
            > hear
              wake
            > hear turn 1 at 0 Good
              wake
            > pull
              gets 1: visitor a "hello"
              gets turn 1 run elsewhere at 0: "Good"
            > timeout
              at 6000
              publish who runs the turn?
              wake
            > timeout
              at 7000
              publish turn 1 run A at 0: ""
              invoke turn 1 run A until 37000: visitor: hello
        "#]],
    );
}

#[test]
fn a_runner_that_was_heard_of_before_its_question_is_replaced_as_well() {
    check_with(
        Policy::default(),
        "read
        elsewhere visitor a hello
        hear turn 1 at 0 Good
        hear
        read
        timeout
        timeout",
        expect![[r#"
              read after 0
            > read
              wake
            > elsewhere visitor a hello
            > hear turn 1 at 0 Good
              read after 0
              wake
            > hear
            > read
              wake
            > timeout
              at 6000
              publish who runs the turn?
              wake
            > timeout
              at 7000
              publish turn 1 run A at 0: ""
              invoke turn 1 run A until 37000: visitor: hello
        "#]],
    );
}

#[test]
fn a_runner_that_speaks_again_in_time_is_left_alone() {
    check_with(
        Policy::default(),
        "read
        elsewhere visitor a hello
        hear
        hear turn 1 at 0 Good
        timeout
        hear turn 1 at 0 Good evening
        pull
        wait 1000",
        expect![[r#"
              read after 0
            > read
              wake
            > elsewhere visitor a hello
            > hear
              wake
            > hear turn 1 at 0 Good
              wake
            > timeout
              at 6000
              publish who runs the turn?
              wake
            > hear turn 1 at 0 Good evening
              wake
            > pull
              gets 1: visitor a "hello"
              gets turn 1 run elsewhere at 0: "Good evening"
            > wait 1000
        "#]],
    );
}

#[test]
fn silence_lets_the_site_close_and_a_word_prevents_it() {
    check(
        "read
        send a hello
        stored
        answer Good evening.
        stored
        idle since 999
        idle since 1000
        stored
        idle since 1000",
        expect![[r#"
              read after 0
            > read
              wake
            > send a hello
              append 1: visitor a "hello", due at 33000
            > stored
              ack #1 at 1
              publish event 1
              publish turn 1 run A at 0: ""
              invoke turn 1 run A until 31000: visitor: hello
              wake
            > answer Good evening.
              append 2: answer to 1 (Complete) "Good evening.", nothing due, unless claimed
            > stored
              publish event 2
              wake
            > idle since 999
            > idle since 1000
              append 3: closed by Site, nothing due
            > stored
              publish event 3
              wake
            > idle since 1000
        "#]],
    );
}
