//! What can be typed while `local-dev` runs, where standard input is a terminal: one command a line.

use std::io::{self, BufRead, IsTerminal, Write};

use tokio::sync::mpsc;

use crate::node::Order;
use crate::nodes::Nodes;

/// What is said to `?`.
pub const HELP: &str = "\
k1 kills node 1 (kill -9), which comes back after a second; K1: it stays down
r1 drains and restarts it; d1 drains it and leaves it down; s1 starts it
p1 pauses it (SIGSTOP); c1 lets it continue
R  restarts all, one by one
l  lists the nodes
?  shows this; Ctrl-C stops everything
";

/// One line, understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// Something for one node; the first is 1.
    Node(usize, Order),
    /// Restart all, one by one.
    RollingRestart,
    /// List the nodes.
    List,
    /// Show the keys.
    Help,
}

/// Understands a line; `None`: it means nothing.
#[must_use]
pub fn parse(line: &str) -> Option<Key> {
    match line {
        "R" => return Some(Key::RollingRestart),
        "l" => return Some(Key::List),
        "?" => return Some(Key::Help),
        _ => {}
    }
    let mut characters = line.chars();
    let order = match characters.next()? {
        'k' => Order::Kill { stay_down: false },
        'K' => Order::Kill { stay_down: true },
        'r' => Order::Restart,
        'd' => Order::Drain,
        's' => Order::Start,
        'p' => Order::Pause,
        'c' => Order::Resume,
        _ => return None,
    };
    let number = characters.as_str().trim().parse().ok()?;
    Some(Key::Node(number, order))
}

/// Carries out what is typed, until standard input ends. Does nothing where it is not a terminal.
///
/// It reads only while this program is in the foreground: the system stops a program that reads from the terminal behind
/// another's back.
pub async fn obey(nodes: Nodes, mut out: impl Write) {
    if !io::stdin().is_terminal() {
        return;
    }
    let (sender, mut lines) = mpsc::channel(1);
    std::thread::spawn(move || read_lines(&sender));
    while let Some(line) = lines.recv().await {
        if !line.trim().is_empty() {
            // A terminal that is gone reads nothing.
            let _ = writeln!(out, "{}", carry_out(&nodes, line.trim()).await.trim_end());
        }
    }
}

/// What is said to a line.
pub(crate) async fn carry_out(nodes: &Nodes, line: &str) -> String {
    match parse(line) {
        None => format!("{line:?} means nothing here; ? lists what does"),
        Some(Key::Help) => HELP.to_owned(),
        Some(Key::List) => list(nodes),
        Some(Key::Node(number, order)) => match nodes.order(number, order).await {
            Ok(node) => format!("{} is {}", node.name, node.life.state.as_str()),
            Err(error) => error.to_string(),
        },
        Some(Key::RollingRestart) => match nodes.rolling_restart().await {
            Ok(replaced) => format!("{} restarted", replaced.len()),
            Err(error) => error.to_string(),
        },
    }
}

fn list(nodes: &Nodes) -> String {
    let row = |node: crate::status::NodeStatus| {
        let pid = node.life.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string());
        let connections = node.connections.map_or_else(String::new, |open| format!(", {open} connections"));
        format!("{} {} on {}, process {pid}{connections}", node.name, node.life.state.as_str(), node.address)
    };
    nodes.status().into_iter().map(row).collect::<Vec<_>>().join("\n")
}

fn read_lines(lines: &mpsc::Sender<String>) {
    let mut stdin = io::stdin().lock();
    while wait_for_input() {
        let mut line = String::new();
        match stdin.read_line(&mut line) {
            Ok(1..) => {
                if lines.blocking_send(line).is_err() {
                    return;
                }
            }
            Ok(0) | Err(_) => return,
        }
    }
}

/// Waits until there is something to read and this program may read it. False: it never will.
#[cfg(unix)]
fn wait_for_input() -> bool {
    use rustix::event::{PollFd, PollFlags, poll};
    /// How often a program in the background looks whether it is in front again.
    const LOOK_EVERY: std::time::Duration = std::time::Duration::from_secs(1);
    loop {
        let stdin = io::stdin();
        match poll(&mut [PollFd::new(&stdin, PollFlags::IN)], None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return false,
        }
        match rustix::termios::tcgetpgrp(&stdin) {
            Ok(front) if front == rustix::process::getpgrp() => return true,
            // What there is to read is for whoever is in front.
            Ok(_) => std::thread::sleep(LOOK_EVERY),
            Err(_) => return false,
        }
    }
}

#[cfg(not(unix))]
fn wait_for_input() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_and_a_number_say_what_to_do_with_which_node() {
        assert_eq!(parse("k1"), Some(Key::Node(1, Order::Kill { stay_down: false })));
        assert_eq!(parse("K 3"), Some(Key::Node(3, Order::Kill { stay_down: true })));
        assert_eq!(parse("r2"), Some(Key::Node(2, Order::Restart)));
        assert_eq!(parse("p1"), Some(Key::Node(1, Order::Pause)));
        assert_eq!(parse("c1"), Some(Key::Node(1, Order::Resume)));
        assert_eq!(parse("R"), Some(Key::RollingRestart));
        for nothing in ["", "k", "x1", "k1x", "kk", "1", "RR", "k-1"] {
            assert_eq!(parse(nothing), None, "{nothing:?}");
        }
    }

    #[tokio::test]
    async fn what_means_nothing_and_a_node_that_is_not_there_are_named() {
        let nodes = Nodes::default();
        assert!(carry_out(&nodes, "hello").await.contains("? lists"));
        assert_eq!(carry_out(&nodes, "k4").await, "there is no node 4; no node is run here");
        for key in ["k1", "K1", "r1", "d1", "s1", "p1", "c1", "R", "l"] {
            assert!(HELP.contains(key), "{key}");
        }
    }
}
