//! Subscribers that join and leave, thousands of them: does the server's memory
//! stay what it is?

use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use transom_rtc_dtls::Certificate;
use transom_rtc_tokio::client::Endpoint;

use crate::audience::{Audience, Farewell, Seat};
use crate::call::Call;
use crate::cipher::CipherKind;
use crate::clock::Clock;
use crate::process::{self, ProcessError};
use crate::publisher::Publisher;
use crate::quantile::quantile;
use crate::run::{CONNECT, RunError, Target, begin, close, has_joined, join};
use crate::schedule::PublisherKind;

/// Samples of the curve.
const SAMPLES: usize = 20;

/// After the last one of a sample's subscribers has left and before memory is
/// read: goodbyes have gone by then, on both sides.
const QUIET: Duration = Duration::from_millis(500);

/// Longest that the server may keep threads and files after all have left.
const TIDY: Duration = Duration::from_secs(5);

/// Memory is judged from so many cycles on: until then, what the server keeps for
/// the next ones still fills.
const JUDGED_FROM: usize = 2000;

/// What it may grow by, of what it was after the first tenth, and besides.
const GROWTH_PERCENT: u64 = 10;
const GROWTH: u64 = 1 << 20;

/// What to do.
#[derive(Clone, Debug)]
pub(crate) struct ChurnConfig {
    pub(crate) target: Target,
    pub(crate) pid: u32,
    pub(crate) cycles: usize,
    pub(crate) at_once: usize,
    pub(crate) publisher: PublisherKind,
    pub(crate) cipher: CipherKind,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Churned {
    /// After so many cycles, with nobody but the publisher there.
    samples: Vec<Sample>,
    /// Before the publisher came, and after it went.
    before: Held,
    after: Held,
    /// Joins that failed, and the first reason.
    failed: usize,
    why: Option<String>,
    /// From the POST to the first packet.
    joins: Vec<Duration>,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    cycle: usize,
    resident: u64,
    /// Joins a second since the sample before.
    rate: f64,
}

/// What a process holds besides memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Held {
    threads: usize,
    files: usize,
}

impl Held {
    /// Whether it is more than `before`. Less may be: somebody else's HTTP
    /// connection was just ending.
    const fn exceeds(self, before: Self) -> bool {
        self.threads > before.threads || self.files > before.files
    }

    fn of(pid: u32) -> Result<Self, ProcessError> {
        Ok(Self {
            threads: process::threads(pid)?,
            files: process::open_files(pid)?,
        })
    }
}

/// Runs it.
pub(crate) async fn run(config: &ChurnConfig) -> Result<Churned, RunError> {
    let (whip, whep) = config.target.endpoints()?;
    let before = Held::of(config.pid)?;
    let clock = Clock::new();
    let mut sessions = Vec::new();
    let begun = begin((config.publisher, 1), clock, &whip, &mut sessions).await;
    let publisher = match begun {
        Ok((publisher, _)) => publisher,
        Err(error) => {
            close(sessions).await;
            return Err(error);
        }
    };
    let visits = Arc::new(Visits {
        clock,
        whep,
        certificate: Certificate::generate()?,
        cipher: config.cipher,
        audience: Audience::start(Handle::current(), clock)?,
    });
    let mut churned = Churned {
        samples: Vec::new(),
        before,
        after: before,
        failed: 0,
        why: None,
        joins: Vec::new(),
    };
    let came = come_and_go(config, &visits, &publisher, &mut churned).await;
    let farewell = match Arc::into_inner(visits) {
        Some(visits) => visits.audience.end()?,
        None => Farewell::default(), // all tasks have ended: nobody else holds it
    };
    publisher.end()?;
    close(sessions).await;
    came?;
    churned.joins = farewell.joins.iter().filter_map(|j| j.first_rtp).collect();
    let begun = clock.now();
    loop {
        churned.after = Held::of(config.pid)?;
        if !churned.after.exceeds(before) || clock.now().since(begun) > TIDY {
            return Ok(churned);
        }
        sleep(QUIET).await;
    }
}

async fn come_and_go(
    config: &ChurnConfig,
    visits: &Arc<Visits>,
    publisher: &Publisher,
    churned: &mut Churned,
) -> Result<(), RunError> {
    let mut cycle = 0;
    for sample in 1..=SAMPLES {
        let until = config.cycles * sample / SAMPLES;
        if until == cycle {
            continue;
        }
        let begun = visits.clock.now();
        let mut underway = JoinSet::new();
        let mut failed = Vec::new();
        for index in cycle..until {
            if underway.len() == config.at_once
                && let Some(Ok(Err(error))) = underway.join_next().await
            {
                failed.push(error);
            }
            let visits = Arc::clone(visits);
            underway.spawn(async move { visits.one(index).await });
        }
        while let Some(visited) = underway.join_next().await {
            failed.extend(visited.ok().and_then(Result::err));
        }
        churned.failed += failed.len();
        let why = failed.first().map(ToString::to_string);
        churned.why = churned.why.take().or(why);
        let took = visits.clock.now().since(begun);
        sleep(QUIET).await;
        #[allow(clippy::cast_precision_loss)] // thousands
        churned.samples.push(Sample {
            cycle: until,
            resident: process::resident(config.pid)?,
            rate: (until - cycle) as f64 / took.as_secs_f64(),
        });
        cycle = until;
        if publisher.is_over() {
            break;
        }
    }
    Ok(())
}

/// What all visits have in common.
struct Visits {
    clock: Clock,
    whep: Endpoint,
    certificate: Certificate,
    cipher: CipherKind,
    audience: Audience,
}

impl Visits {
    /// Joins, waits for the first packet and leaves.
    async fn one(&self, index: usize) -> Result<(), RunError> {
        let Call {
            http,
            link,
            posted,
            answered,
        } = join(self.clock, &self.whep, &self.certificate, index).await?;
        let profile = self.cipher.profile_of(index);
        let (number, first_rtp) = self.audience.join(Seat {
            link,
            certificate: self.certificate.clone(),
            profile,
            loss_ppm: 0,
            rogue: None,
            posted,
            answered,
        });
        let joined = timeout(CONNECT, first_rtp).await;
        let closed = http.close().await;
        self.audience.leave(number);
        let joined = joined
            .map_err(|_| RunError::Timeout("a subscriber got no RTP packet", CONNECT.as_secs()))?;
        has_joined(index, profile, joined.unwrap_or(Ok(())))?;
        closed.map_err(|source| RunError::Leave { index, source })
    }
}

impl Churned {
    /// What must not be, if anything is.
    pub(crate) fn fault(&self) -> Option<String> {
        if self.failed > 0 {
            let why = self.why.as_deref().unwrap_or_default();
            return Some(format!("{} of the joins failed: {why}", self.failed));
        }
        if self.after.exceeds(self.before) {
            let (before, after) = (self.before, self.after);
            return Some(format!(
                "the server had {} threads and {} open files before, and has {} and {}",
                before.threads, before.files, after.threads, after.files
            ));
        }
        let (from, to) = self.growth()?;
        let judged = self.cycles() >= JUDGED_FROM;
        (judged && to > from + from * GROWTH_PERCENT / 100 + GROWTH).then(|| {
            format!(
                "memory grew from {:.2} MB after a tenth of the cycles to {:.2} MB",
                megabytes(from),
                megabytes(to)
            )
        })
    }

    /// Memory after the first tenth, and at the end.
    fn growth(&self) -> Option<(u64, u64)> {
        let from = self.samples.get(self.samples.len() / 10)?;
        Some((from.resident, self.samples.last()?.resident))
    }

    /// Bytes that each cycle left behind, by a line fitted to the curve from the
    /// first quarter on.
    #[allow(clippy::cast_precision_loss)] // megabytes and thousands
    fn slope(&self) -> f64 {
        let quarter = self.samples.len() / 4;
        let later = self.samples.get(quarter..).unwrap_or_default();
        let n = later.len() as f64;
        let mean = |of: fn(&Sample) -> f64| later.iter().map(of).sum::<f64>() / n;
        let (x, y) = (mean(|s| s.cycle as f64), mean(|s| s.resident as f64));
        let (mut up, mut down) = (0.0, 0.0);
        for sample in later {
            let dx = sample.cycle as f64 - x;
            up += dx * (sample.resident as f64 - y);
            down += dx * dx;
        }
        if down > 0.0 { up / down } else { 0.0 }
    }

    /// One `key=value` a line.
    pub(crate) fn plain(&self) -> String {
        let mut lines = String::new();
        for sample in &self.samples {
            let _ = writeln!(lines, "rss_at_{}={}", sample.cycle, sample.resident);
        }
        let (p50, p99) = self.join_times();
        for (key, value) in [
            ("cycles", self.cycles().to_string()),
            ("failed", self.failed.to_string()),
            ("slope", format!("{:.1}", self.slope())),
            ("join_ms_p50", p50),
            ("join_ms_p99", p99),
            ("threads_before", self.before.threads.to_string()),
            ("threads_after", self.after.threads.to_string()),
            ("files_before", self.before.files.to_string()),
            ("files_after", self.after.files.to_string()),
        ] {
            let _ = writeln!(lines, "{key}={value}");
        }
        lines
    }

    fn cycles(&self) -> usize {
        self.samples.last().map_or(0, |s| s.cycle)
    }

    fn join_times(&self) -> (String, String) {
        let mut joins = self.joins.clone();
        let mut at = |share| {
            let time = quantile(&mut joins, share);
            let time = time.map(|t| format!("{:.1}", t.as_secs_f64() * 1e3));
            time.unwrap_or_default()
        };
        (at(0.5), at(0.99))
    }
}

/// For people.
impl fmt::Display for Churned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| cycles | RSS MB | joins a second |")?;
        writeln!(f, "| --- | --- | --- |")?;
        for sample in &self.samples {
            writeln!(
                f,
                "| {} | {:.2} | {:.0} |",
                sample.cycle,
                megabytes(sample.resident),
                sample.rate
            )?;
        }
        let (p50, p99) = self.join_times();
        writeln!(
            f,
            "slope        {:.0} bytes a cycle from the first quarter on",
            self.slope()
        )?;
        writeln!(f, "join         p50 {p50} ms, p99 {p99} ms")?;
        let (before, after) = (self.before, self.after);
        writeln!(
            f,
            "threads      {} before, {} after",
            before.threads, after.threads
        )?;
        writeln!(
            f,
            "open files   {} before, {} after",
            before.files, after.files
        )
    }
}

#[allow(clippy::cast_precision_loss)] // for the eye
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    fn churned(resident: impl Fn(usize) -> u64) -> Churned {
        let held = Held {
            threads: 4,
            files: 12,
        };
        let samples = (1..=SAMPLES).map(|n| Sample {
            cycle: 500 * n,
            resident: resident(500 * n),
            rate: 100.0,
        });
        Churned {
            samples: samples.collect(),
            before: held,
            after: held,
            failed: 0,
            why: None,
            joins: Vec::new(),
        }
    }

    #[test]
    fn a_flat_curve_is_no_fault_and_a_rising_one_is() {
        let flat = churned(|n| if n < 1000 { 8_000_000 } else { 9_000_000 });
        assert_eq!(flat.fault(), None);
        assert!(flat.slope().abs() < 1.0);
        let rising = churned(|n| 8_000_000 + 1000 * n as u64);
        assert!((rising.slope() - 1000.0).abs() < 1.0);
        assert!(rising.fault().is_some_and(|f| f.contains("memory")));
    }

    #[test]
    fn what_stays_behind_is_a_fault() {
        let mut left = churned(|_| 8_000_000);
        left.after.files += 1;
        assert!(left.fault().is_some_and(|f| f.contains("13")));
        let mut failed = churned(|_| 8_000_000);
        failed.failed = 3;
        failed.why = Some("no answer".to_owned());
        assert!(failed.fault().is_some_and(|f| f.contains("no answer")));
    }
}
