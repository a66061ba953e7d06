//! What another node is to do, of which nothing is heard.

use conversation::Policy;
use expect_test::expect;

use crate::desk::check_with;

#[test]
fn a_runner_that_dies_before_its_first_word_is_asked_for_and_then_replaced() {
    check_with(
        Policy::default(),
        "read
        elsewhere visitor a hello
        hear
        may it rest
        timeout
        timeout",
        expect![[r#"
              read after 0
            > read
              wake
            > elsewhere visitor a hello
            > hear
              wake
            > may it rest
              no
            > timeout
              at 6000
              publish who runs the turn?
            > timeout
              at 7000
              publish turn 1 run A at 0: ""
              invoke turn 1 run A until 37000: visitor: hello
        "#]],
    );
}

#[test]
fn a_runner_whose_first_word_comes_in_time_is_left_alone() {
    check_with(
        Policy::default(),
        "read
        elsewhere visitor a hello
        hear
        wait 4999
        hear turn 1 at 0 Good
        wait 4999
        elsewhere answer 1 Good evening.
        hear
        may it rest
        wait 60000",
        expect![[r#"
              read after 0
            > read
              wake
            > elsewhere visitor a hello
            > hear
              wake
            > wait 4999
            > hear turn 1 at 0 Good
              wake
            > wait 4999
            > elsewhere answer 1 Good evening.
            > hear
              wake
            > may it rest
              yes
            > wait 60000
        "#]],
    );
}

#[test]
fn the_question_behind_a_turn_that_somebody_else_ended_is_not_forgotten() {
    check_with(
        Policy::default(),
        "read
        elsewhere visitor a hello
        hear
        hear turn 1 at 0 Good
        elsewhere visitor b anybody there?
        hear
        elsewhere answer 1 Good
        hear
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
            > elsewhere visitor b anybody there?
            > hear
              wake
            > elsewhere answer 1 Good
            > hear
              wake
            > timeout
              at 6000
              publish who runs the turn?
            > timeout
              at 7000
              publish turn 2 run A at 0: ""
              invoke turn 2 run A until 37000: visitor: hello | assistant: Good | visitor: anybody there?
        "#]],
    );
}

#[test]
fn a_node_that_a_claim_kept_out_does_not_run_the_turn_again_and_again() {
    check_with(
        Policy::default(),
        "read
        send a hello
        stored
        answer Good evening.
        fenced
        read
        may it rest
        wait 60000",
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
            > fenced
              publish who runs the turn?
              read after 0
              wake
            > read
              wake
            > may it rest
              yes
            > wait 60000
        "#]],
    );
}

#[test]
fn a_node_that_a_claim_kept_out_listens_again_after_an_event_of_anybody() {
    check_with(
        Policy::default(),
        "read
        send a hello
        stored
        answer Good evening.
        fenced
        read
        elsewhere visitor b anybody there?
        hear
        timeout
        timeout",
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
            > fenced
              publish who runs the turn?
              read after 0
              wake
            > read
              wake
            > elsewhere visitor b anybody there?
            > hear
              wake
            > timeout
              at 6000
              publish who runs the turn?
            > timeout
              at 7000
              publish turn 2 run B at 0: ""
              invoke turn 2 run B until 37000: visitor: hello | visitor: anybody there?
        "#]],
    );
}

#[test]
fn a_node_that_a_claim_kept_out_may_claim_the_conversation_itself() {
    check_with(
        Policy::default(),
        "read
        send a hello
        stored
        answer Good evening.
        fenced
        read
        due 7
        read
        timeout",
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
            > fenced
              publish who runs the turn?
              read after 0
              wake
            > read
              wake
            > due 7
              publish who runs the turn?
              read after 0
            > read
              wake
            > timeout
              at 2000
              publish turn 1 run B at 0: ""
              invoke turn 1 run B until 32000: visitor: hello
        "#]],
    );
}
