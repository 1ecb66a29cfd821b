//! What came of one case, row by row.

use std::fmt;

use super::{Case, Figures};
use crate::bench::figures::by_thread;

/// The figures of one case: the floor's and each server's, repeat by repeat.
pub(super) struct Table {
    floor: Vec<Figures>,
    servers: Vec<Column>,
}

struct Column {
    name: String,
    runs: Vec<Figures>,
    /// Why there are no more.
    refused: Option<String>,
}

impl Table {
    pub(super) fn new(names: Vec<String>) -> Self {
        let column = |name| Column {
            name,
            runs: Vec::new(),
            refused: None,
        };
        Self {
            floor: Vec::new(),
            servers: names.into_iter().map(column).collect(),
        }
    }

    pub(super) fn floor(&mut self, figures: Figures) {
        self.floor.push(figures);
    }

    pub(super) fn run(&mut self, at: usize, figures: Figures) {
        if let Some(column) = self.servers.get_mut(at) {
            column.runs.push(figures);
        }
    }

    /// No more runs of this server: it does not do this case.
    pub(super) fn refuse(&mut self, at: usize, why: &str) {
        if let Some(column) = self.servers.get_mut(at) {
            column.refused = Some(why.to_owned());
        }
    }

    pub(super) fn is_refused(&self, at: usize) -> bool {
        self.servers.get(at).is_none_or(|c| c.refused.is_some())
    }

    /// A row for the floor and each server. The first server is the one that
    /// the others are compared with.
    pub(super) fn rows(&self, case: &Case) -> Vec<Row> {
        let ours = self.servers.first().map_or(&[][..], |c| &c.runs);
        let mut rows = Vec::new();
        if !self.floor.is_empty() {
            let us = Spread::of(each(&self.floor, "us_per_packet"));
            rows.push(Row {
                case: case.clone(),
                name: "floor".to_owned(),
                cells: vec![thousands(&self.floor), us.to_string()],
            });
        }
        for column in &self.servers {
            if column.runs.is_empty() {
                // The whole of it was told when it happened.
                let why = column.refused.as_deref().unwrap_or_default();
                let why = why.split_once(": ").map_or(why, |(first, _)| first);
                rows.push(Row {
                    case: case.clone(),
                    name: column.name.clone(),
                    cells: vec![why.to_owned()],
                });
                continue;
            }
            rows.push(Row {
                case: case.clone(),
                name: column.name.clone(),
                cells: self.cells(ours, column),
            });
        }
        rows
    }

    fn cells(&self, ours: &[Figures], column: &Column) -> Vec<String> {
        let runs = &column.runs;
        let pair = |p50, p99| {
            format!(
                "{:.1} / {:.1}",
                Spread::of(each(runs, p50)).median,
                Spread::of(each(runs, p99)).median
            )
        };
        let lost: f64 = each(runs, "lost").into_iter().sum();
        let expected: f64 = each(runs, "expected").into_iter().sum();
        vec![
            thousands(runs),
            Spread::of(each(runs, "us_per_packet")).to_string(),
            Spread::of(ratios(runs, &self.floor)).to_string(),
            Spread::of(ratios(runs, ours)).to_string(),
            format!("{:.1}", Spread::of(each(runs, "cpu_share")).median * 100.0),
            shares(runs),
            format!("{:.1}", Spread::of(each(runs, "rss")).median / 1e6),
            if lost > 0.0 {
                format!("{lost:.0} ({:.3} %)", 100.0 * lost / expected.max(1.0))
            } else {
                "0".to_owned()
            },
            pair("join_ms_p50", "join_ms_p99"),
            pair("dtls_ms_p50", "dtls_ms_p99"),
            pair("key_frame_ms_p50", "key_frame_ms_p99"),
            pair("delay_ms_p50", "delay_ms_p99"),
        ]
    }
}

/// One line of the table.
pub(super) struct Row {
    case: Case,
    name: String,
    cells: Vec<String>,
}

impl Row {
    /// The table's head. CPU a packet counts more the higher it is; the ratios
    /// are of this row to the floor, and to our server.
    pub(super) const HEAD: &'static str = "\
| publisher | cipher | N | server | thousand packets a CPU-second | us a packet | : floor | : transom | CPU % | by thread | RSS MB | lost | join ms p50 / p99 | DTLS ms | key frame ms | delay ms p50 / p99 |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |";
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Case {
            publisher,
            cipher,
            n,
        } = &self.case;
        write!(f, "| {publisher} | {cipher} | {n} | {} |", self.name)?;
        for cell in &self.cells {
            write!(f, " {cell} |")?;
        }
        Ok(())
    }
}

/// A median and its extremes.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Spread {
    median: f64,
    least: f64,
    most: f64,
    count: usize,
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |i: usize| values.get(i).copied().unwrap_or(f64::NAN);
        let count = values.len();
        Self {
            median: if count % 2 == 1 {
                at(count / 2)
            } else {
                f64::midpoint(at((count / 2).wrapping_sub(1)), at(count / 2))
            },
            least: at(0),
            most: at(count.wrapping_sub(1)),
            count,
        }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.count {
            0 => f.write_str("-"),
            1 => write!(f, "{:.2}", self.median),
            _ => write!(
                f,
                "{:.2} ({:.2} to {:.2})",
                self.median, self.least, self.most
            ),
        }
    }
}

fn each(runs: &[Figures], key: &str) -> Vec<f64> {
    runs.iter().filter_map(|r| r.number(key)).collect()
}

/// CPU a packet of `runs` to that of `others`, repeat by repeat: they were
/// measured one after the other.
fn ratios(runs: &[Figures], others: &[Figures]) -> Vec<f64> {
    let us = |f: &Figures| f.number("us_per_packet");
    let pairs = runs.iter().zip(others);
    pairs
        .filter_map(|(run, other)| Some(us(run)? / us(other)?))
        .collect()
}

/// What each media thread used, percent of them all: the median of the runs.
fn shares(runs: &[Figures]) -> String {
    let mut names: Vec<&str> = Vec::new();
    let mut used: Vec<Vec<f64>> = Vec::new();
    for run in runs {
        let threads = by_thread(run.text("cpu_by_thread"));
        let media = threads.into_iter().filter(|(n, _)| n.starts_with("media"));
        let media: Vec<_> = media.collect();
        let sum: f64 = media.iter().map(|(_, cpu)| cpu).sum();
        for (name, cpu) in media {
            let at = names.iter().position(|n| *n == name).unwrap_or_else(|| {
                names.push(name);
                used.push(Vec::new());
                names.len() - 1
            });
            if let Some(used) = used.get_mut(at) {
                used.push(100.0 * cpu / sum);
            }
        }
    }
    if used.len() < 2 {
        return "-".to_owned();
    }
    let shares = used.into_iter();
    let shares = shares.map(|of| format!("{:.0}", Spread::of(of).median));
    shares.collect::<Vec<_>>().join(" : ")
}

fn thousands(runs: &[Figures]) -> String {
    let packets = each(runs, "packets_per_cpu_second");
    let spread = Spread::of(packets.iter().map(|p| p / 1e3).collect());
    match spread.count {
        0 => "-".to_owned(),
        1 => format!("{:.0}", spread.median),
        _ => format!(
            "{:.0} ({:.0} to {:.0})",
            spread.median, spread.least, spread.most
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(values: &[f64]) -> String {
        Spread::of(values.to_vec()).to_string()
    }

    #[test]
    fn medians_with_their_extremes() {
        assert_eq!(spread(&[]), "-");
        assert_eq!(spread(&[2.0]), "2.00");
        assert_eq!(spread(&[3.0, 1.0]), "2.00 (1.00 to 3.00)");
        assert_eq!(spread(&[5.0, 1.0, 2.0]), "2.00 (1.00 to 5.00)");
    }

    #[test]
    fn shares_are_of_the_media_threads() {
        let run = |text: &str| Figures::parse(&format!("cpu_by_thread={text}\n"));
        let two = [run("control:7,media:6,media-1:4"), run("media:4,media-1:6")];
        assert_eq!(shares(&two), "50 : 50");
        assert_eq!(shares(&two[..1]), "60 : 40");
        assert_eq!(shares(&[run("control:1,media:3")]), "-");
        assert_eq!(shares(&[]), "-");
    }

    #[test]
    fn who_refuses_has_a_row_that_says_why() {
        let mut table = Table::new(vec!["transom".to_owned(), "srs".to_owned()]);
        table.refuse(1, "server does not take GCM: try --cipher cm");
        assert!(table.is_refused(1) && !table.is_refused(0));
        let case = Case {
            publisher: "burst".to_owned(),
            cipher: "gcm".to_owned(),
            n: 1,
        };
        let rows = table.rows(&case);
        let row = rows.last().map(Row::to_string).unwrap_or_default();
        assert_eq!(row, "| burst | gcm | 1 | srs | server does not take GCM |");
    }
}
