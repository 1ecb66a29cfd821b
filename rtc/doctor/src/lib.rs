//! What is wrong, and what mends it.
//!
//! `transom-sfu doctor` and `transom-agent doctor` are an [`Examination`] each:
//! checks that run one after the other, each on a thread of its own and within
//! a bound, so that a device or a server that hangs is a finding and not the
//! end of the doctor. What they share about the machine is in [`machine`];
//! [`forgiving`] reads a configuration past its mistakes, so that all of them
//! are told at once.
//!
//! # Output
//!
//! For people, a line a check and below it the mend:
//!
//! ```text
//! FAIL  http-port     127.0.0.1:7080 is held by python3 (pid 4711)
//!                     -> stop it, or choose another port with --http
//! ```
//!
//! With `--json`, one object on stdout. Readers should pass over fields and
//! check names that they do not know; what exists keeps its meaning within a
//! `version`:
//!
//! ```json
//! {
//!   "version": 1,
//!   "program": "transom-sfu",
//!   "program_version": "0.1.0",
//!   "verdict": "fail",
//!   "checks": [
//!     {
//!       "name": "http-port",
//!       "verdict": "fail",
//!       "found": "127.0.0.1:7080 is held by python3 (pid 4711)",
//!       "mend": "stop it, or choose another port with --http",
//!       "duration_ms": 3
//!     }
//!   ]
//! }
//! ```
//!
//! - `verdict` is `ok`, `warn`, `fail` or `skipped`; the report's is the worst
//!   among its checks.
//! - `name` is lower case with dashes. A name may occur more than once: each
//!   mistake of a configuration is a `config` check.
//! - `mend` is `null` where nothing is to be done.
//!
//! # Exit status
//!
//! 0 where no check failed, warnings or not; 1 where one did; 2 for a command
//! line that is not understood.
#![forbid(unsafe_code)]

mod check;
mod examination;
pub mod forgiving;
pub mod machine;
mod render;
mod report;

pub use check::{Check, Finding, Verdict};
pub use examination::{Examination, Format};
pub use report::{Report, SCHEMA_VERSION};
