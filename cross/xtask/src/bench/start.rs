//! `cargo xtask bench start`: how soon the server answers, and what it takes then.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::{browser, server, server_built};
use crate::args::{self, Args};
use crate::failure::Failure;
use crate::needs::{self, Consent};
use crate::workspace::Profile;

const HELP: &str = "\
cargo xtask bench start [--runs N] [--dist] [--yes]

  Time from the exec of transom-sfu to its first HTTP answer (GET /healthz), which is asked for in a
  tight loop: of first starts, which make the secrets, and of later ones. Its memory two seconds
  later, and the size of the stripped binary.

  --runs N   of each (20)
  --dist     the build that packages hold, instead of the release build
";

/// Goals: to the first answer, memory, size.
const ANSWER_MS: f64 = 10.0;
const RESIDENT_MB: f64 = 8.0;
const BINARY_MB: f64 = 8.0;

/// It does not answer at all after so long.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) fn bench(mut args: Args) -> Result<(), Failure> {
    let (mut runs, mut profile, mut yes) = (20, Profile::Release, false);
    while let Some(word) = args.word() {
        match word.as_str() {
            "--runs" => runs = args.number("--runs")?,
            "--dist" => profile = Profile::Dist,
            "--yes" | "-y" => yes = true,
            "--help" | "-h" => {
                print!("{HELP}");
                return Ok(());
            }
            other => return Err(args::unknown("bench start", other)),
        }
    }
    needs::debian(needs::BUILD, Consent::new(yes))?;
    let binary = server_built(profile)?;
    let state = server::folder()?.join("start");
    let mut first = Vec::new();
    let mut later = Vec::new();
    for _ in 0..runs.max(1) {
        // It may not be there.
        let _ = fs::remove_dir_all(&state);
        first.push(Started::new(&binary, &state)?.after);
        later.push(Started::new(&binary, &state)?.after);
    }
    println!("| | median | p95 | worst | goal |");
    println!("| --- | --- | --- | --- | --- |");
    for (name, times) in [("first start", first), ("later starts", later)] {
        let times = Times::of(times);
        println!(
            "| {name}: exec to the first HTTP answer | {:.1} ms | {:.1} ms | {:.1} ms | < {ANSWER_MS} ms |",
            times.at(0.5),
            times.at(0.95),
            times.at(1.0)
        );
    }
    let started = Started::new(&binary, &state)?;
    thread::sleep(Duration::from_secs(2));
    let resident = resident(started.child.id())?;
    println!("| memory after 2 s | {resident:.2} MB | | | < {RESIDENT_MB} MB |");
    let size = browser::megabytes(browser::stripped("transom-sfu", profile)?);
    println!("| binary, stripped | {size:.2} MB | | | < {BINARY_MB} MB |");
    Ok(())
}

/// A server that has answered; killed with the value.
struct Started {
    child: Child,
    after: Duration,
}

impl Started {
    fn new(binary: &Path, state: &Path) -> Result<Self, Failure> {
        let http = free_port()?;
        let mut command = Command::new(binary);
        command
            .args(["--http", &http.to_string(), "--udp-port", "0"])
            .arg("--state-dir")
            .arg(state)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let begun = Instant::now();
        let child = command.spawn();
        let child = child.map_err(Failure::io(binary.display()))?;
        let mut started = Self {
            child,
            after: Duration::ZERO,
        };
        while !answers(http) {
            if begun.elapsed() > PATIENCE {
                let name = binary.display();
                return Err(Failure::new(format!("{name} does not answer")));
            }
        }
        started.after = begun.elapsed();
        Ok(started)
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> Result<SocketAddr, Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let address = listener.and_then(|listener| listener.local_addr());
    address.map_err(Failure::io("no free port"))
}

/// Whether the server says that it is well.
fn answers(http: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(http) else {
        return false;
    };
    let request = b"GET /healthz HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n";
    let mut answer = [0; 12];
    stream.write_all(request).is_ok()
        && stream.read_exact(&mut answer).is_ok()
        && answer.starts_with(b"HTTP/1.1 200")
}

/// Megabytes that a process holds.
fn resident(pid: u32) -> Result<f64, Failure> {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).map_err(Failure::io(&path))?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|l| l.trim().strip_suffix("kB"));
    let kilobytes = kilobytes.and_then(|n| n.trim().parse::<f64>().ok());
    kilobytes
        .map(|kilobytes| kilobytes * 1024.0 / 1e6)
        .ok_or_else(|| Failure::new(format!("{path} has no VmRSS")))
}

/// Milliseconds, in order.
struct Times(Vec<f64>);

impl Times {
    fn of(times: Vec<Duration>) -> Self {
        let times = times.into_iter().map(|t| t.as_secs_f64() * 1e3);
        let mut times: Vec<f64> = times.collect();
        times.sort_by(f64::total_cmp);
        Self(times)
    }

    /// The time within which that share of them lies: nearest rank.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank among a few"
    )]
    fn at(&self, share: f64) -> f64 {
        let rank = (share * self.0.len() as f64).ceil() as usize;
        let time = self.0.get(rank.saturating_sub(1));
        time.copied().unwrap_or(f64::NAN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks() {
        let times = Times::of((1..=20).rev().map(Duration::from_millis).collect());
        assert_eq!(times.at(0.5), 10.0);
        assert_eq!(times.at(0.95), 19.0);
        assert_eq!(times.at(1.0), 20.0);
    }

    #[test]
    fn this_process_has_memory() {
        assert!(resident(std::process::id()).is_ok_and(|mb| mb > 0.1));
    }
}
