use expect_test::expect;

use crate::desk::check;

#[test]
fn pieces_of_another_nodes_turn_are_shown_here() {
    check(
        "elsewhere visitor a hello
         read
         hear turn 1 at 0
         hear turn 1 at 0 Hi
         hear turn 1 at 2  there
         pull
         elsewhere answer 1 Hi there
         hear
         pull",
        expect![[r#"
              read after 0
            > elsewhere visitor a hello
            > read
              publish who runs the turn?
              wake
            > hear turn 1 at 0
              wake
            > hear turn 1 at 0 Hi
              wake
            > hear turn 1 at 2  there
              wake
            > pull
              gets 1: visitor a "hello"
              gets turn 1 run elsewhere at 0: "Hi there"
            > elsewhere answer 1 Hi there
            > hear
              wake
            > pull
              gets 2: answer to 1 (Complete) "Hi there"
        "#]],
    );
}

#[test]
fn a_missing_piece_is_asked_for() {
    check(
        "elsewhere visitor a hello
         read
         hear turn 1 at 0 Hi
         hear turn 1 at 8 you
         pull
         hear turn 1 at 0 Hi thereyou
         pull",
        expect![[r#"
              read after 0
            > elsewhere visitor a hello
            > read
              publish who runs the turn?
              wake
            > hear turn 1 at 0 Hi
              wake
            > hear turn 1 at 8 you
              publish who runs the turn?
              wake
            > pull
              gets 1: visitor a "hello"
              gets turn 1 run elsewhere at 0: "Hi"
            > hear turn 1 at 0 Hi thereyou
              wake
            > pull
              gets turn 1 run elsewhere at 2: " thereyou"
        "#]],
    );
}

#[test]
fn who_runs_a_turn_says_so_when_asked() {
    check(
        "ask turn
         read
         send a hello
         stored
         delta Hi
         ask turn
         answer Hi
         ask turn",
        expect![[r#"
              read after 0
            > ask turn
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
            > ask turn
              publish turn 1 run A at 0: "Hi"
            > answer Hi
              append 2: answer to 1 (Complete) "Hi", nothing due, unless claimed
            > ask turn
        "#]],
    );
}

#[test]
fn a_turn_of_which_the_message_was_not_heard_shows_that_the_log_has_grown() {
    check(
        "read
         elsewhere visitor a hello
         hear turn 1 at 0 Hi
         pull
         read
         hear turn 1 at 0 Hi
         pull",
        expect![[r#"
              read after 0
            > read
              wake
            > elsewhere visitor a hello
            > hear turn 1 at 0 Hi
              read after 0
              wake
            > pull
            > read
              wake
            > hear turn 1 at 0 Hi
              wake
            > pull
              gets 1: visitor a "hello"
              gets turn 1 run elsewhere at 0: "Hi"
        "#]],
    );
}

#[test]
fn a_message_stored_here_waits_for_the_runner_elsewhere_as_long_as_that_may_live() {
    check(
        "elsewhere visitor a hello
         read
         hear turn 1 at 0 Hi
         send b more
         stored
         timeout",
        expect![[r#"
              read after 0
            > elsewhere visitor a hello
            > read
              publish who runs the turn?
              wake
            > hear turn 1 at 0 Hi
              wake
            > send b more
              append 2: visitor b "more", due at 33000
            > stored
              ack #1 at 2
              publish event 2
              wake
            > timeout
              at 32001
              publish who runs the turn?
              wake
        "#]],
    );
}

#[test]
fn of_two_runs_the_one_that_is_shown_stays() {
    check(
        "elsewhere visitor a one
         elsewhere visitor b two
         read
         hear turn 2 at 0 new
         hear turn 1 at 0 old
         hear turn 1 at 3 er
         pull",
        expect![[r#"
              read after 0
            > elsewhere visitor a one
            > elsewhere visitor b two
            > read
              publish who runs the turn?
              wake
            > hear turn 2 at 0 new
              wake
            > hear turn 1 at 0 old
            > hear turn 1 at 3 er
            > pull
              gets 1: visitor a "one"
              gets 2: visitor b "two"
              gets turn 2 run elsewhere at 0: "new"
        "#]],
    );
}

#[test]
fn words_of_a_run_whose_time_is_over_are_not_shown() {
    check(
        "wait 31001
         elsewhere visitor a hello
         read
         hear turn 1 at 0 Hi
         pull",
        expect![[r#"
              read after 0
            > wait 31001
            > elsewhere visitor a hello
            > read
              publish who runs the turn?
              wake
            > hear turn 1 at 0 Hi
            > pull
              gets 1: visitor a "hello"
        "#]],
    );
}

#[test]
fn stop_reaches_a_turn_that_runs_elsewhere() {
    check(
        "elsewhere visitor a one
         elsewhere visitor b two
         read
         hear turn 2 at 0 Hi
         stop 1
         stored",
        expect![[r#"
              read after 0
            > elsewhere visitor a one
            > elsewhere visitor b two
            > read
              publish who runs the turn?
              wake
            > hear turn 2 at 0 Hi
              wake
            > stop 1
              append 3: answer to 2 (Stopped) "Hi", nothing due
            > stored
              ack #1 at 3
              publish event 3
              wake
        "#]],
    );
}

#[test]
fn a_gap_in_what_is_heard_is_read() {
    check(
        "read
         elsewhere visitor a one
         elsewhere visitor b two
         hear 2
         read
         hear 1
         hear 2",
        expect![[r#"
              read after 0
            > read
              wake
            > elsewhere visitor a one
            > elsewhere visitor b two
            > hear 2
              read after 0
            > read
              wake
            > hear 1
            > hear 2
        "#]],
    );
}

#[test]
fn a_gap_heard_of_during_a_read_is_read_after_it() {
    check(
        "elsewhere visitor a one
         read
         refresh
         read
         refresh
         elsewhere note x
         hear 2
         read",
        expect![[r#"
              read after 0
            > elsewhere visitor a one
            > read
              publish who runs the turn?
              wake
            > refresh
              read after 0
            > read
              wake
            > refresh
              read after 0
            > elsewhere note x
            > hear 2
            > read
              wake
        "#]],
    );
}
