//! The agent's command.

use std::process::Command;

use crate::binary;

/// An agent that would publish to a port where nobody listens: enough for everything that must be
/// refused before it calls.
pub fn agent() -> Command {
    agent_to("http://127.0.0.1:9/whip/door")
}

/// An agent that would publish to `whip`.
pub fn agent_to(whip: &str) -> Command {
    let mut command = Command::new(binary("transom-agent"));
    command.args(["--whip", whip, "--token", "any"]);
    command
}
