//! What was measured, for people and for scripts.

use std::fmt::{self, Write as _};
use std::time::Duration;

use transom_rtc_proto::peer::CloseReason;
use transom_rtc_proto::port::SrtpProfile;

use crate::cipher::profile_name;
use crate::process::{ThreadUse, Use};
use crate::publisher::Ended;
use crate::quantile::quantile;
use crate::subscriber::JoinTimes;
use crate::tally::Tally;

/// What the server's process has used in the measured time.
#[derive(Clone, Debug)]
pub(crate) struct ServerFigures {
    pub(crate) used: Use,
    /// Memory before the first session and at the end of the measured time, bytes.
    pub(crate) resident_before: u64,
    pub(crate) resident: u64,
}

/// Everything about one run.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) publisher: &'static str,
    pub(crate) cipher: &'static str,
    pub(crate) subscribers: usize,
    pub(crate) loss_percent: f64,
    /// Nothing was published while it was measured.
    pub(crate) idle: bool,
    pub(crate) measured: Duration,
    /// CPU time of this process meanwhile: near a core, it is what limits.
    pub(crate) own_cpu: Duration,
    pub(crate) tally: Tally,
    /// Where a process was named.
    pub(crate) server: Option<ServerFigures>,
    pub(crate) joins: Vec<JoinTimes>,
    /// Why subscribers ended before their time.
    pub(crate) closed: Vec<CloseReason>,
    pub(crate) transport_cc: usize,
    pub(crate) published: Ended,
    pub(crate) published_with: SrtpProfile,
    /// Datagrams that full receive buffers of this machine refused meanwhile.
    pub(crate) receive_buffer_errors: u64,
    /// Sessions that the server did not let us end.
    pub(crate) unclosed: usize,
}

impl Outcome {
    /// What makes the figures worth nothing, if anything does.
    pub(crate) fn fault(&self) -> Option<String> {
        let t = &self.tally;
        if let Some(reason) = self.published.closed {
            return Some(format!("the publisher's session ended: {reason}"));
        }
        if let Some(reason) = self.closed.first() {
            let n = self.closed.len();
            return Some(format!("{n} subscribers' sessions ended: {reason}"));
        }
        if t.bad > 0 {
            let (bad, sampled) = (t.bad, t.sampled);
            return Some(format!(
                "{bad} of {sampled} opened packets are not what was sent"
            ));
        }
        let silent = t.silent > 0 && !self.idle;
        silent.then(|| format!("{} subscribers got nothing", t.silent))
    }

    /// One `key=value` a line. A key without a value was not measured.
    pub(crate) fn plain(&self) -> String {
        let mut lines = String::new();
        for (key, value) in self.figures() {
            let _ = writeln!(lines, "{key}={value}");
        }
        lines
    }

    fn figures(&self) -> Vec<(&'static str, String)> {
        let t = &self.tally;
        let p = &self.published.figures;
        let [answer, dtls, first_rtp, key_frame] = self.join_times();
        let delay = Spread::of(t.delays.iter().copied());
        let server = self.server.as_ref();
        let mut figures = vec![
            ("publisher", self.publisher.to_owned()),
            ("cipher", self.cipher.to_owned()),
            ("subscribers", self.subscribers.to_string()),
            ("loss_percent", self.loss_percent.to_string()),
            ("seconds", seconds(self.measured)),
            ("datagrams", t.datagrams.to_string()),
            ("bytes", t.bytes.to_string()),
            (
                "cpu_seconds",
                server.map(|s| seconds(s.used.cpu)).unwrap_or_default(),
            ),
            (
                "cpu_source",
                server
                    .map(|s| s.used.source.name())
                    .unwrap_or_default()
                    .to_owned(),
            ),
            ("cpu_share", number(self.cpu_share())),
            ("cpu_by_thread", self.by_thread(|t| seconds(t.cpu))),
            ("sleeps_by_thread", self.by_thread(|t| t.sleeps.to_string())),
            (
                "packets_per_cpu_second",
                number(self.packets_per_cpu_second()),
            ),
            ("us_per_packet", number(self.us_per_packet())),
            (
                "rss",
                server.map(|s| s.resident.to_string()).unwrap_or_default(),
            ),
            (
                "rss_before",
                server
                    .map(|s| s.resident_before.to_string())
                    .unwrap_or_default(),
            ),
            ("expected", t.expected.to_string()),
            ("lost", t.lost.to_string()),
            ("connected", t.connected.to_string()),
            ("silent", t.silent.to_string()),
            ("sampled", t.sampled.to_string()),
            ("bad", t.bad.to_string()),
            ("duplicates", t.duplicates.to_string()),
            ("strange", t.strange.to_string()),
            ("dropped", t.dropped.to_string()),
            ("repairs", t.repairs.to_string()),
            ("repaired", t.repaired.to_string()),
            ("sender_reports", t.sender_reports.to_string()),
            ("reports", t.reports.to_string()),
            ("nacks", t.nacks.to_string()),
            ("plis", t.plis.to_string()),
            ("transport_feedback", t.transport_feedback.to_string()),
            ("asked_meanwhile", t.key_frames_asked.to_string()),
            ("sent_to_server", t.sent.to_string()),
            ("other_datagrams", t.others.to_string()),
            ("transport_cc", self.transport_cc.to_string()),
        ];
        for (names, spread) in [
            (["answer_ms_p50", "answer_ms_p99"], answer),
            (["dtls_ms_p50", "dtls_ms_p99"], dtls),
            (["join_ms_p50", "join_ms_p99"], first_rtp),
            (["key_frame_ms_p50", "key_frame_ms_p99"], key_frame),
            (["delay_ms_p50", "delay_ms_p99"], delay),
        ] {
            let [p50, p99] = names;
            figures.push((p50, spread.map(|s| millis(s.p50)).unwrap_or_default()));
            figures.push((p99, spread.map(|s| millis(s.p99)).unwrap_or_default()));
        }
        figures.extend([
            ("published", p.packets.to_string()),
            (
                "published_with",
                profile_name(self.published_with).to_owned(),
            ),
            ("key_frames", p.key_frames.to_string()),
            ("key_frames_asked", p.key_frames_asked.to_string()),
            ("publisher_nacked", p.nacked.to_string()),
            ("publisher_repaired", p.repaired.to_string()),
            ("publisher_latest_ms", millis(p.latest)),
            (
                "receive_buffer_errors",
                self.receive_buffer_errors.to_string(),
            ),
            ("unclosed", self.unclosed.to_string()),
        ]);
        figures
    }

    /// Of all joins: answer, DTLS, first packet, first key frame.
    fn join_times(&self) -> [Option<Spread>; 4] {
        let joins = || self.joins.iter();
        [
            Spread::of(joins().map(|j| j.answer)),
            Spread::of(joins().filter_map(|j| j.dtls)),
            Spread::of(joins().filter_map(|j| j.first_rtp)),
            Spread::of(joins().filter_map(|j| j.key_frame)),
        ]
    }

    /// `name:figure` of the server's threads, with commas between them.
    fn by_thread(&self, figure: impl Fn(&ThreadUse) -> String) -> String {
        let threads = self.server.iter().flat_map(|s| &s.used.threads);
        let pairs = threads.map(|(name, used)| format!("{name}:{}", figure(used)));
        pairs.collect::<Vec<_>>().join(",")
    }

    fn cpu_share(&self) -> Option<f64> {
        let server = self.server.as_ref()?;
        Some(server.used.cpu.as_secs_f64() / self.measured.as_secs_f64())
    }

    fn own_cpu_share(&self) -> f64 {
        self.own_cpu.as_secs_f64() / self.measured.as_secs_f64()
    }

    #[allow(clippy::cast_precision_loss)] // packets of one run
    fn packets_per_cpu_second(&self) -> Option<f64> {
        let cpu = self.server.as_ref()?.used.cpu.as_secs_f64();
        (cpu > 0.0).then(|| self.tally.datagrams as f64 / cpu)
    }

    fn us_per_packet(&self) -> Option<f64> {
        self.packets_per_cpu_second().map(|packets| 1e6 / packets)
    }
}

/// For people.
impl fmt::Display for Outcome {
    #[allow(clippy::cast_precision_loss)] // figures for the eye
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let t = &self.tally;
        let p = &self.published.figures;
        writeln!(
            f,
            "{} publisher ({}), {} subscribers ({}), {:.1} s",
            self.publisher,
            profile_name(self.published_with),
            self.subscribers,
            self.cipher,
            self.measured.as_secs_f64()
        )?;
        writeln!(
            f,
            "counted      {} RTP datagrams, {:.0} a second, for {:.1} % of a core",
            t.datagrams,
            t.datagrams as f64 / self.measured.as_secs_f64(),
            100.0 * self.own_cpu_share()
        )?;
        if let (Some(server), Some(share)) = (&self.server, self.cpu_share()) {
            writeln!(
                f,
                "server       {:.1} thousand packets a CPU-second, {:.2} us a packet, {:.1} % of a core ({}), {:.1} MB ({:.1} MB before)",
                self.packets_per_cpu_second().unwrap_or(0.0) / 1e3,
                self.us_per_packet().unwrap_or(0.0),
                100.0 * share,
                server.used.source.name(),
                server.resident as f64 / 1e6,
                server.resident_before as f64 / 1e6
            )?;
        }
        writeln!(
            f,
            "lost         {} of {} by sequence gap; {} refused by full receive buffers here",
            t.lost, t.expected, self.receive_buffer_errors
        )?;
        if t.dropped > 0 {
            writeln!(
                f,
                "repair       {} dropped on purpose, {} repaired by RTX, {} NACKs",
                t.dropped, t.repaired, t.nacks
            )?;
        }
        writeln!(
            f,
            "opened       {} packets, {} bad; {} duplicates, {} strange",
            t.sampled, t.bad, t.duplicates, t.strange
        )?;
        let [answer, dtls, first_rtp, key_frame] = self.join_times();
        for (name, spread) in [
            ("join", first_rtp),
            ("  answer", answer),
            ("  DTLS", dtls),
            ("  key frame", key_frame),
            ("delay", Spread::of(t.delays.iter().copied())),
        ] {
            if let Some(spread) = spread {
                writeln!(
                    f,
                    "{name:<12} p50 {} ms, p99 {} ms",
                    millis(spread.p50),
                    millis(spread.p99)
                )?;
            }
        }
        writeln!(
            f,
            "said         {} receiver reports, {} transport feedback ({} subscribers), {} PLI; heard {} sender reports",
            t.reports, t.transport_feedback, self.transport_cc, t.plis, t.sender_reports
        )?;
        writeln!(
            f,
            "publisher    {} packets, {} key frames ({} asked for), {} repaired, at worst {} ms late",
            p.packets,
            p.key_frames,
            p.key_frames_asked,
            p.repaired,
            millis(p.latest)
        )
    }
}

#[derive(Clone, Copy, Debug)]
struct Spread {
    p50: Duration,
    p99: Duration,
}

impl Spread {
    fn of(values: impl Iterator<Item = Duration>) -> Option<Self> {
        let mut values: Vec<_> = values.collect();
        Some(Self {
            p50: quantile(&mut values, 0.5)?,
            p99: quantile(&mut values, 0.99)?,
        })
    }
}

fn seconds(d: Duration) -> String {
    format!("{:.6}", d.as_secs_f64())
}

fn millis(d: Duration) -> String {
    format!("{:.3}", d.as_secs_f64() * 1e3)
}

fn number(value: Option<f64>) -> String {
    value.map(|v| format!("{v:.4}")).unwrap_or_default()
}
