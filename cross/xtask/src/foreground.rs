//! Ctrl-C without signal handlers: the standard library has none, and handlers would need `unsafe`.
//! A shell takes this process's place in the terminal's foreground and runs it again behind itself;
//! on a signal it closes the standard input of what it runs, which then ends what it started.

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{fs, io, thread};

use crate::failure::Failure;
use crate::workspace;

/// What runs in the background of a shell without job control ignores SIGINT (POSIX, 2.11), so the
/// terminal's Ctrl-C ends neither it nor, by inheritance, its children behind its back.
const SHELL: &str = r#"
fifo=$1; shift
"$@" <"$fifo" &
inner=$!
exec 3>"$fifo"
rm "$fifo"
trap 'exec 3>&-' INT TERM HUP
while kill -0 $inner 2>/dev/null; do wait $inner; status=$?; done
exit $status
"#;

/// Becomes a shell that runs `words` of this program and turns signals into the end of its input.
/// Comes back only on failure.
pub(crate) fn again<'a>(words: impl IntoIterator<Item = &'a str>) -> Failure {
    match shell(words) {
        Ok(mut command) => Failure::io("cannot start sh")(command.exec()),
        Err(failure) => failure,
    }
}

/// Set once the input ended: somebody pressed Ctrl-C.
pub(crate) fn stop_asked() -> Arc<AtomicBool> {
    let asked = Arc::new(AtomicBool::new(false));
    let set = Arc::clone(&asked);
    thread::spawn(move || {
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        set.store(true, Ordering::Relaxed);
    });
    asked
}

fn shell<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Command, Failure> {
    let folder = workspace::target().join("demo");
    fs::create_dir_all(&folder).map_err(Failure::io(folder.display()))?;
    let fifo = folder.join(format!("stop-{}", std::process::id()));
    let _ = fs::remove_file(&fifo);
    let made = Command::new("mkfifo")
        .arg(&fifo)
        .status()
        .map_err(Failure::io("cannot start mkfifo"))?;
    if !made.success() {
        return Err(Failure::new(format!("mkfifo {}: {made}", fifo.display())));
    }
    let itself = std::env::current_exe().map_err(Failure::io("where this program is"))?;
    let mut command = Command::new("sh");
    command
        .args(["-c", SHELL, "sh"])
        .arg(fifo)
        .arg(itself)
        .args(words);
    Ok(command)
}
