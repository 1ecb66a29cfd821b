//! A device on standard input and output, for the tests of the page's operator: real kernel, the tester's
//! time.
//!
//! Each line in is `MICROS CHANNEL HEX` (a message) or `MICROS tick`; the lines out that answer it are
//! `switch OUTPUT VALUE` for what is switched, `CHANNEL HEX` for each message to the operator, then `output LINEAR ANGULAR STATE`.

#![allow(clippy::expect_used, reason = "a tool of the tests")]

use std::io::{self, BufRead, Write};

use transom_control::{AckResult, Channel, Epoch, Kernel, KernelConfig, Stamp};

fn main() {
    let mut kernel = Kernel::new(KernelConfig::default(), Stamp::from_micros(1), Epoch(100));
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let line = line.expect("text");
        let words: Vec<&str> = line.split(' ').collect();
        let now = Stamp::from_micros(words[0].parse().expect("microseconds"));
        match *words.as_slice() {
            [_, "tick"] => kernel.handle_timeout(now),
            [_, channel, hex] => {
                let channel = match channel {
                    "control" => Channel::Control,
                    _ => Channel::Reliable,
                };
                // What is refused shows in the output.
                let _ = kernel.handle_message(now, channel, &unhex(hex));
            }
            _ => {}
        }
        // It has every output, and each does what it is told.
        if let Some(switch) = kernel.poll_switch() {
            kernel.switched(&switch, AckResult::Done);
            writeln!(out, "switch {} {}", switch.output.name(), switch.value).expect("a reader");
        }
        while let Some(sent) = kernel.poll_transmit(now) {
            let hex: String = sent
                .message
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            writeln!(out, "{} {hex}", sent.channel.label()).expect("a reader");
        }
        let axes = kernel.output(now);
        let (linear, angular) = (axes.linear.raw(), axes.angular.raw());
        writeln!(out, "output {linear} {angular} {:?}", kernel.state()).expect("a reader");
        out.flush().expect("a reader");
    }
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal"))
        .collect()
}
