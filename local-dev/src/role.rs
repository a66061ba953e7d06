//! What a child process of `local-dev` has to do for its parent.

use std::io::Read;

/// Ends this process when the parent is gone, for whatever reason: a function has nothing to finish without it.
///
/// The parent holds the other end of standard input and writes nothing to it, so its end comes only with the parent's.
/// A thread of its own watches it, so that even a function that hangs ends. Programs that were not started with such a
/// pipe must not call this.
pub fn end_with_parent() {
    std::thread::spawn(|| {
        wait_for_parent_to_go();
        std::process::exit(0);
    });
}

/// Returns when the parent is gone. Blocks its thread.
pub fn wait_for_parent_to_go() {
    let mut stdin = std::io::stdin().lock();
    let mut byte = [0];
    loop {
        match stdin.read(&mut byte) {
            Ok(0) => return,
            Err(error) if error.kind() != std::io::ErrorKind::Interrupted => return,
            Ok(_) | Err(_) => {}
        }
    }
}
