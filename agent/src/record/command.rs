//! `transom-agent log`: what happened, as lines or for other programs.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use transom_record::{Exported, Found, Reader, Since, Tail, line, write_csv};

use crate::cli::Cli;
use crate::config::Config;

/// Between two looks at a log that is followed.
const LOOK: Duration = Duration::from_millis(200);

/// What is asked of the log.
#[derive(Clone, Debug, Args)]
pub struct LogOptions {
    /// The directory of the log [default: that of the configuration]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// What
    #[command(subcommand)]
    command: LogCommand,
}

/// What is asked of the log.
#[derive(Clone, Debug, Subcommand)]
pub(super) enum LogCommand {
    /// Print it, a line an entry, oldest first.
    ///
    /// For grep: `... log show | grep -w stop`, or `grep 'state=stopped reason=stale'`.
    Show {
        /// Only what happened since: how long ago (90s, 15min, 2h, 3days) or a time in UTC
        #[arg(long, value_name = "WHEN")]
        since: Option<Since>,
        /// Go on with what happens from now on
        #[arg(long)]
        follow: bool,
    },
    /// Write it for a table or a viewer such as Foxglove.
    Export {
        /// csv: one table. mcap: a channel a kind of event, with schemas
        #[arg(long, value_name = "FORMAT")]
        format: ExportFormat,
        /// The file, which must not be there yet; - is standard output (csv only)
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
        /// Only what happened since: how long ago (90s, 15min, 2h, 3days) or a time in UTC
        #[arg(long, value_name = "WHEN")]
        since: Option<Since>,
    },
}

/// For what it is exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ExportFormat {
    /// One table (RFC 4180).
    Csv,
    /// For Foxglove and similar viewers.
    Mcap,
}

/// Runs it.
pub fn run(cli: &Cli, options: &LogOptions) -> ExitCode {
    let done = dir(cli, options).and_then(|dir| match &options.command {
        LogCommand::Show { since, follow } => show(&dir, *since, *follow),
        LogCommand::Export {
            format,
            output,
            since,
        } => export(&dir, *format, output, *since),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(told) => {
            eprintln!("transom-agent log: {told}");
            ExitCode::FAILURE
        }
    }
}

fn dir(cli: &Cli, options: &LogOptions) -> Result<PathBuf, String> {
    if let Some(dir) = &options.dir {
        return Ok(dir.clone());
    }
    match Config::record_dir(cli) {
        Ok(dir) => dir.ok_or_else(|| {
            "nothing says where the log is: write `dir` into [record] of transom-agent.toml, name that file by --config, or give --dir".to_owned()
        }),
        Err(mistakes) => {
            let mistakes: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
            Err(mistakes.join("\n"))
        }
    }
}

fn show(dir: &Path, since: Option<Since>, follow: bool) -> Result<(), String> {
    let mut reader = Reader::open(dir).map_err(|error| error.to_string())?;
    let tail = match follow {
        true => Tail::Growing,
        false => Tail::Final,
    };
    let mut out = BufWriter::new(io::stdout().lock());
    loop {
        match reader.next(tail).map_err(|error| error.to_string())? {
            Some(found) => {
                let text = match found {
                    Found::Entry(entry)
                        if since.is_some_and(|since| entry.wall_us < since.wall_us) =>
                    {
                        continue;
                    }
                    Found::Entry(entry) => line(&entry),
                    other => format!("# {}", remark(&other)),
                };
                if writeln!(out, "{text}").is_err() {
                    // Nobody reads on, as where `head` has had enough.
                    return Ok(());
                }
            }
            None if follow => {
                if out.flush().is_err() {
                    return Ok(());
                }
                thread::sleep(LOOK);
            }
            None => {
                let _ = out.flush();
                return Ok(());
            }
        }
    }
}

/// What is wrong at a place of the log.
fn remark(found: &Found) -> String {
    match found {
        Found::Entry(entry) => line(entry),
        Found::Damage { path, bytes } => format!(
            "{}: {bytes} bytes are no entry: torn by a loss of power, or damaged",
            path.display()
        ),
        Found::Gap { after, before } if before > after => format!(
            "{} entries are missing between {after} and {before}",
            before.saturating_sub(*after).saturating_sub(1)
        ),
        Found::Gap { after, before } => format!("numbers go back from {after} to {before}"),
        Found::Unreadable { path, told } => format!("{}: {told}", path.display()),
    }
}

fn export(
    dir: &Path,
    format: ExportFormat,
    output: &Path,
    since: Option<Since>,
) -> Result<(), String> {
    let mut reader = Reader::open(dir).map_err(|error| error.to_string())?;
    let mut progress = Progress::default();
    if output == Path::new("-") {
        if format == ExportFormat::Mcap {
            return Err("MCAP is no stream: name a file by -o".to_owned());
        }
        let mut out = BufWriter::new(io::stdout().lock());
        let done = write_csv(&mut reader, since, &mut out, &mut |done| {
            progress.tell(done)
        });
        let done = done.map_err(|error| error.to_string())?;
        return progress.conclude(&done, output);
    }
    let file = create(output)?;
    let exported = match format {
        ExportFormat::Csv => {
            let mut out = BufWriter::new(file);
            write_csv(&mut reader, since, &mut out, &mut |done| {
                progress.tell(done)
            })
        }
        ExportFormat::Mcap => mcap(&mut reader, since, file, &mut progress),
    };
    match exported {
        Ok(done) => progress.conclude(&done, output),
        Err(error) => {
            // Half of it would be taken for all.
            let _ = fs::remove_file(output);
            Err(format!("{}: {error}", output.display()))
        }
    }
}

#[cfg(feature = "mcap")]
fn mcap(
    reader: &mut Reader,
    since: Option<Since>,
    file: File,
    progress: &mut Progress,
) -> Result<Exported, transom_record::ExportError> {
    let out = BufWriter::new(file);
    transom_record::write_mcap(reader, since, out, &mut |done| progress.tell(done))
}

#[cfg(not(feature = "mcap"))]
fn mcap(
    _: &mut Reader,
    _: Option<Since>,
    _: File,
    _: &mut Progress,
) -> Result<Exported, transom_record::ExportError> {
    Err(transom_record::ExportError::Format(
        "this transom-agent was built without it: build with `--features mcap`, or export csv"
            .to_owned(),
    ))
}

/// Never writes over anything.
fn create(path: &Path) -> Result<File, String> {
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).open(path);
    file.map_err(|error| {
        let mend = match error.kind() {
            io::ErrorKind::AlreadyExists => "remove it, or give another file by -o",
            _ => "give a file by -o that can be written",
        };
        format!("{}: {error}: {mend}", path.display())
    })
}

/// Tells a person how far it is; a program that reads standard error gets only the end.
#[derive(Debug, Default)]
struct Progress {
    told: bool,
}

impl Progress {
    fn tell(&mut self, done: &Exported) {
        if io::stderr().is_terminal() {
            eprint!("\r{} entries", done.entries);
            self.told = true;
        }
    }

    fn conclude(&self, done: &Exported, output: &Path) -> Result<(), String> {
        if self.told {
            eprintln!();
        }
        eprintln!("{}: {} entries", output.display(), done.entries);
        if done.missing > 0 || done.damaged > 0 || done.unreadable > 0 {
            eprintln!(
                "{} entries are missing, {} bytes are damaged, {} files could not be read: `transom-agent log show | grep '^#'` says where",
                done.missing, done.damaged, done.unreadable
            );
        }
        Ok(())
    }
}
