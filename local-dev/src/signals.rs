//! The ways in which the system asks a program to stop.

/// Ready when the program is asked to stop: Ctrl-C, SIGTERM, or SIGHUP, which comes when its terminal is closed. Can be
/// waited for again.
pub async fn stop() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::SignalKind;
        tokio::select! {
            () = hear(SignalKind::terminate(), "SIGTERM") => {}
            () = hang_up() => {}
            () = interrupt() => {}
        }
    }
    #[cfg(not(unix))]
    interrupt().await;
}

async fn interrupt() {
    if let Err(error) = tokio::signal::ctrl_c().await {
        tracing::warn!(%error, "Ctrl-C cannot be listened for");
        std::future::pending::<()>().await;
    }
}

/// A program that was started with `nohup` is to outlive its terminal, and listening would end that.
#[cfg(unix)]
async fn hang_up() {
    match is_hang_up_ignored() {
        true => std::future::pending().await,
        false => hear(tokio::signal::unix::SignalKind::hangup(), "SIGHUP").await,
    }
}

#[cfg(unix)]
async fn hear(kind: tokio::signal::unix::SignalKind, name: &str) {
    match tokio::signal::unix::signal(kind) {
        Ok(mut signals) => {
            signals.recv().await;
        }
        Err(error) => {
            tracing::warn!(%error, signal = name, "a signal cannot be listened for; others stop this program in order");
            std::future::pending().await
        }
    }
}

/// Linux says so; elsewhere it counts as not ignored.
#[cfg(unix)]
fn is_hang_up_ignored() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| ignores_hang_up(&status))
}

/// `SigIgn` is a mask in hexadecimal digits; SIGHUP is signal 1, its lowest bit.
#[cfg(unix)]
fn ignores_hang_up(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn nohup_is_seen_in_what_linux_says_of_a_process() {
        assert!(ignores_hang_up("Name:\tx\nSigIgn:\t0000000000001001\n"));
        assert!(!ignores_hang_up("Name:\tx\nSigIgn:\t0000000000001000\n"));
        assert!(!ignores_hang_up("Name:\tx\n"));
    }
}
