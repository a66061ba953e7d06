use conversation::Policy;
use expect_test::expect;

use crate::desk::{check, check_with};

#[test]
fn a_visitor_gets_only_the_seq_of_a_note() {
    check(
        "elsewhere handover
         elsewhere note secret
         elsewhere agent a hello
         read
         pull
         pull agents",
        expect![[r#"
              read after 0
            > elsewhere handover
            > elsewhere note secret
            > elsewhere agent a hello
            > read
              publish who runs the turn?
              wake
            > pull
              gets 1: handover (VisitorAsked) ""
              gets 2 hidden
              gets 3: agent "hello"
            > pull agents
              gets 1: handover (VisitorAsked) ""
              gets 2: note "secret"
              gets 3: agent "hello"
        "#]],
    );
}

#[test]
fn who_comes_late_gets_the_answer_so_far_and_then_its_pieces() {
    check(
        "read
         send a hello
         stored
         delta Hi
         delta  there
         pull
         delta , you
         pull
         resume 1
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
            > delta Hi
              publish turn 1 run A at 0: "Hi"
              wake
            > delta  there
              publish turn 1 run A at 2: " there"
              wake
            > pull
              gets 1: visitor a "hello"
              gets turn 1 run A at 0: "Hi there"
            > delta , you
              publish turn 1 run A at 8: ", you"
              wake
            > pull
              gets turn 1 run A at 8: ", you"
            > resume 1
              After(1)
            > pull
              gets turn 1 run A at 0: "Hi there, you"
        "#]],
    );
}

#[test]
fn a_long_answer_so_far_comes_in_several_pieces() {
    let script = format!("read\nsend a hello\nstored\ndelta {}\npull", "茶".repeat(6_000));
    check(
        &script,
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
        > delta 茶茶茶茶茶茶茶茶茶茶… (18006 bytes)
          publish turn 1 run A at 0: 18000 bytes
          wake
        > pull
          gets 1: visitor a "hello"
          gets turn 1 run A at 0: 8190 bytes
          gets turn 1 run A at 8190: 8190 bytes
          gets turn 1 run A at 16380: 1620 bytes
    "#]],
    );
}

#[test]
fn what_is_no_longer_in_memory_is_read_from_history() {
    check_with(
        Policy { recent_bytes: 250, ..Policy::default() },
        "elsewhere visitor a one
         elsewhere visitor b two
         elsewhere handover
         elsewhere queue
         read
         pull",
        expect![[r#"
              read after 0
            > elsewhere visitor a one
            > elsewhere visitor b two
            > elsewhere handover
            > elsewhere queue
            > read
              wake
            > pull
              reads history after 0
              gets 1: visitor a "one"
              reads history after 1
              gets 2: visitor b "two"
              gets 3: handover (VisitorAsked) ""
              gets 4: assigned to Queue
        "#]],
    );
}

#[test]
fn a_client_goes_on_where_it_was() {
    check(
        "elsewhere handover
         elsewhere queue
         read
         resume 1
         pull
         resume 2
         pull",
        expect![[r#"
              read after 0
            > elsewhere handover
            > elsewhere queue
            > read
              wake
            > resume 1
              After(1)
            > pull
              gets 2: assigned to Queue
            > resume 2
              After(2)
            > pull
        "#]],
    );
}

#[test]
fn a_client_ahead_of_the_log_is_reset() {
    check(
        "elsewhere handover
         elsewhere queue
         read
         resume 3",
        expect![[r#"
              read after 0
            > elsewhere handover
            > elsewhere queue
            > read
              wake
            > resume 3
              Reset
        "#]],
    );
}

#[test]
fn nothing_is_shown_to_who_has_come_further_than_this_node() {
    check(
        "elsewhere visitor a hello
         read
         hear turn 1 at 0 Hi
         resume 2
         pull",
        expect![[r#"
              read after 0
            > elsewhere visitor a hello
            > read
              publish who runs the turn?
              wake
            > hear turn 1 at 0 Hi
              wake
            > resume 2
              Reset
            > pull
        "#]],
    );
}

#[test]
fn a_place_in_an_answer_survives_a_node_that_shows_another_run_first() {
    check(
        "elsewhere visitor a one
         elsewhere visitor b two
         read
         hear turn 2 at 0 Hi
         pull
         forget
         read
         hear turn 1 at 0
         pull
         hear turn 2 at 0 Hi there
         pull",
        expect![[r#"
              read after 0
            > elsewhere visitor a one
            > elsewhere visitor b two
            > read
              publish who runs the turn?
              wake
            > hear turn 2 at 0 Hi
              wake
            > pull
              gets 1: visitor a "one"
              gets 2: visitor b "two"
              gets turn 2 run elsewhere at 0: "Hi"
            > forget
              read after 0
            > read
              publish who runs the turn?
              wake
            > hear turn 1 at 0
              wake
            > pull
            > hear turn 2 at 0 Hi there
              wake
            > pull
              gets turn 2 run elsewhere at 2: " there"
        "#]],
    );
}
