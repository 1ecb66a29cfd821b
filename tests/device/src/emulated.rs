//! A program of another architecture as a process of this machine.

use std::env;
use std::path::PathBuf;
use std::process::Command;

/// The command that runs `program` under the emulator that `TRANSOM_EMULATOR` names (it finds the
/// libraries by `QEMU_LD_PREFIX`); `TRANSOM_EMULATED_BIN_DIR` holds the programs.
pub fn emulated(program: &str) -> Command {
    let path = PathBuf::from(setting("TRANSOM_EMULATED_BIN_DIR")).join(program);
    assert!(path.is_file(), "{} is not built", path.display());
    let mut command = Command::new(setting("TRANSOM_EMULATOR"));
    command.arg(path);
    command
}

fn setting(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: `cargo xtask test --only cross` builds, sets it and runs this")
    })
}
