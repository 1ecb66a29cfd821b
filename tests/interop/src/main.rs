//! A peer with data channels and nothing else, on standard input and output; and logs of what happened.
//!
//! `transom-interop answer` reads an offer, prints the answer and echoes what
//! comes on any channel; the text `close` makes it close that channel.
//! `transom-interop offer` prints an offer, reads the answer, opens channels to
//! an end that echoes, and checks what comes back. A description ends with a
//! line that is a single dot. Both end when the other end does, with `ok` or
//! with what went wrong. `transom-interop log DIR` leaves a log there, as it is
//! written and in both of its exports.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "this crate is tests only: it fails where a test fails"
)]

mod echo;
mod end;
mod exercise;
mod log;

use std::process::ExitCode;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader, stdin};
use tokio::time::timeout;

/// Longest a run may take.
const LIMIT: Duration = Duration::from_secs(40);

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let run = async {
        match std::env::args().nth(1).as_deref() {
            Some("answer") => {
                let (answer, end) = end::answer(&read_description().await);
                print_description(&answer);
                echo::run(end).await
            }
            Some("offer") => {
                let offered = end::offer();
                print_description(&offered.description);
                exercise::run(offered.accept(&read_description().await)).await
            }
            Some("log") => {
                let dir = std::env::args_os().nth(2).unwrap_or_default();
                log::write(dir.as_ref())
            }
            _ => Err(String::from("usage: transom-interop answer|offer|log")),
        }
    };
    let outcome = timeout(LIMIT, run).await;
    let outcome = outcome.unwrap_or_else(|_| Err(format!("not over within {LIMIT:?}")));
    match outcome {
        Ok(()) => {
            println!("ok");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn read_description() -> String {
    let mut lines = BufReader::new(stdin()).lines();
    let mut text = String::new();
    while let Ok(Some(line)) = lines.next_line().await
        && line.trim_end() != "."
    {
        text.push_str(line.trim_end());
        text.push_str("\r\n");
    }
    text
}

fn print_description(text: &str) {
    println!("{}\n.", text.trim_end());
}
