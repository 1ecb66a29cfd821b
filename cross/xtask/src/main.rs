//! The project's commands. `cargo xtask` depends on nothing but the Rust
//! toolchain; whatever else a command needs, it finds out and offers to install.

mod args;
mod bench;
mod boundaries;
mod cross;
mod demo;
mod device;
mod failure;
mod foreground;
mod logs;
mod needs;
mod package;
mod parts;
mod programs;
mod step;
mod summary;
mod sysroot;
mod test;
mod tools;
mod workspace;

use std::process::ExitCode;

use args::Args;
use failure::Failure;

const HELP: &str = "\
cargo xtask COMMAND [options]     (COMMAND --help tells the options)

  demo     show live video and sound in a browser: builds, starts server and agent, prints the link
  test     run the tests, all of them or --only some; installs what they need
  cross    build for ARM boards, and tell sizes and needs
  package  make Debian packages of both programs
  device   boot an ARM board made of software and test our programs on it
  bench    measure against the project's goals: latency, load, start, memory and more

On a fresh Debian machine with Rust, `cargo xtask demo` is all it takes.
";

fn main() -> ExitCode {
    let mut args = Args::from_env();
    let done = match args.word().as_deref() {
        Some("demo") => demo::demo(args),
        Some("test") => test::test(args),
        Some("bench") => bench::bench(args),
        Some("device") => device::device(args),
        Some("cross") => cross::cross(args),
        Some("package") => package::package(args),
        Some(demo::RUN) => demo::run(args),
        None | Some("help" | "--help" | "-h") => {
            print!("{HELP}");
            Ok(())
        }
        Some(other) => Err(Failure::new(format!(
            "there is no command `{other}`; `cargo xtask --help` lists them"
        ))),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("\nxtask: {failure}");
            ExitCode::FAILURE
        }
    }
}
