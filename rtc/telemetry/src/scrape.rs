//! Reads the text format back, to the letter and to the conventions.

use std::collections::{BTreeMap, BTreeSet};

/// What a program told, read by someone strict: where Prometheus shrugs, this
/// refuses. For tests.
#[derive(Clone, Debug, Default)]
pub struct Scrape {
    samples: Vec<Sample>,
    families: BTreeMap<String, String>,
}

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The metric's name, with `_bucket` and the like.
    pub name: String,
    /// The labels, in order.
    pub labels: Vec<(String, String)>,
    /// The value.
    pub value: f64,
}

/// What is wrong, and in which line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct ScrapeError {
    /// Counted from one; zero where it is about the whole.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

/// Units that are not the base units, and abbreviations of those that are.
const ODD_UNITS: [&str; 10] = [
    "_ms",
    "_us",
    "_milliseconds",
    "_microseconds",
    "_minutes",
    "_kilobytes",
    "_megabytes",
    "_kbps",
    "_mbps",
    "_percent",
];

impl Scrape {
    /// Reads a whole text.
    ///
    /// # Errors
    /// The first line that is not of format 0.0.4 or against its conventions:
    /// HELP and TYPE before the samples and once, families in one piece, no
    /// sample twice, counters that end in `_total`, base units, histograms that
    /// add up.
    pub fn parse(text: &str) -> Result<Self, ScrapeError> {
        let mut reader = Reader::default();
        let complete = text.ends_with('\n');
        for (at, line) in text.split_terminator('\n').enumerate() {
            let told = reader.line(line);
            told.map_err(|what| ScrapeError { line: at + 1, what })?;
        }
        let whole = match complete {
            true => reader.finish(),
            false => Err("the last line has no end".into()),
        };
        whole.map_err(|what| ScrapeError { line: 0, what })
    }

    /// The value of the sample with exactly these labels, in any order.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let has = |sample: &Sample| {
            sample.labels.len() == labels.len()
                && labels.iter().all(|(name, value)| {
                    let mut those = sample.labels.iter();
                    those.any(|(n, v)| n == name && v == value)
                })
        };
        let mut samples = self.samples.iter().filter(|s| s.name == name);
        samples.find(|sample| has(sample)).map(|s| s.value)
    }

    /// The sum of all samples of this name; zero where there is none.
    pub fn sum(&self, name: &str) -> f64 {
        let samples = self.samples.iter().filter(|s| s.name == name);
        samples.map(|s| s.value).sum()
    }

    /// Every sample.
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// Name and type of every family.
    pub fn families(&self) -> impl Iterator<Item = (&str, &str)> {
        self.families.iter().map(|(n, t)| (n.as_str(), t.as_str()))
    }

    /// The counters, each with its labels as text: for comparing two scrapes.
    pub fn counters(&self) -> impl Iterator<Item = (String, f64)> {
        let is_counter = |s: &&Sample| s.name.ends_with("_total") || s.name.ends_with("_count");
        let samples = self.samples.iter().filter(is_counter);
        samples.map(|s| (format!("{}{:?}", s.name, s.labels), s.value))
    }
}

#[derive(Default)]
struct Reader {
    scrape: Scrape,
    /// Name and help came, the type did not yet.
    announced: Option<String>,
    /// The family whose samples may come.
    open: Option<(String, String)>,
    seen: BTreeSet<String>,
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<(), String> {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            return self.help(rest);
        }
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            return self.kind(rest);
        }
        match line.starts_with('#') || line.is_empty() {
            true => Err(format!("neither HELP, TYPE nor a sample: {line}")),
            false => self.sample(line),
        }
    }

    fn help(&mut self, rest: &str) -> Result<(), String> {
        let (name, help) = rest.split_once(' ').ok_or("no help")?;
        check_name(name)?;
        if help.trim().is_empty() {
            return Err(format!("{name} has no help"));
        }
        unescape(help, false)?;
        if self.announced.replace(name.into()).is_some() {
            return Err(format!("HELP of {name} instead of a TYPE"));
        }
        self.open = None;
        Ok(())
    }

    fn kind(&mut self, rest: &str) -> Result<(), String> {
        let (name, kind) = rest.split_once(' ').ok_or("no type")?;
        if self.announced.take().as_deref() != Some(name) {
            return Err(format!("TYPE of {name} without its HELP just before"));
        }
        match kind {
            "counter" if !name.ends_with("_total") => {
                return Err(format!("the counter {name} does not end in _total"));
            }
            "gauge" | "histogram" if name.ends_with("_total") => {
                return Err(format!("{name} is no counter"));
            }
            "counter" | "gauge" | "histogram" => {}
            _ => return Err(format!("{name} is of the type `{kind}`")),
        }
        let bare = name.strip_suffix("_total").unwrap_or(name);
        if let Some(unit) = ODD_UNITS.iter().find(|unit| bare.ends_with(**unit)) {
            return Err(format!("{name} is in `{unit}`, which is no base unit"));
        }
        let families = &mut self.scrape.families;
        if families.insert(name.into(), kind.into()).is_some() {
            return Err(format!("{name} comes twice"));
        }
        self.open = Some((name.into(), kind.into()));
        Ok(())
    }

    fn sample(&mut self, line: &str) -> Result<(), String> {
        if self.announced.is_some() {
            return Err("a sample between HELP and TYPE".into());
        }
        let end = line.find(['{', ' ']).ok_or("no value")?;
        let (name, rest) = line.split_at(end);
        check_name(name)?;
        let (family, kind) = self.open.as_ref().ok_or("a sample before any TYPE")?;
        let suffix = name.strip_prefix(family.as_str());
        let belongs = match kind.as_str() {
            "histogram" => matches!(suffix, Some("_bucket" | "_sum" | "_count")),
            _ => suffix == Some(""),
        };
        if !belongs {
            return Err(format!("{name} stands among the samples of {family}"));
        }
        let (labels, rest) = match rest.strip_prefix('{') {
            Some(rest) => labels(rest)?,
            None => (Vec::new(), rest),
        };
        let value = rest.strip_prefix(' ').ok_or("no blank before the value")?;
        // A timestamp would be legal; nobody here writes one.
        let value = number(value)?;
        let only_grows = kind == "counter" || (kind == "histogram" && suffix != Some("_sum"));
        if only_grows && !(value.is_finite() && value >= 0.0) {
            return Err(format!("{name} counts {value}"));
        }
        let mut sorted = labels.clone();
        sorted.sort();
        if sorted.windows(2).any(|two| two[0].0 == two[1].0) {
            return Err(format!("{name} has a label twice"));
        }
        if !self.seen.insert(format!("{name}{sorted:?}")) {
            return Err(format!("{name}{sorted:?} comes twice"));
        }
        self.scrape.samples.push(Sample {
            name: name.into(),
            labels,
            value,
        });
        Ok(())
    }

    fn finish(self) -> Result<Scrape, String> {
        if let Some(name) = self.announced {
            return Err(format!("{name} has no TYPE"));
        }
        let families = self.scrape.families.iter();
        for (name, _) in families.filter(|(_, kind)| *kind == "histogram") {
            self.scrape.check_histogram(name)?;
        }
        Ok(self.scrape)
    }
}

impl Scrape {
    /// Buckets ascend, do not shrink, and end with all of them.
    fn check_histogram(&self, family: &str) -> Result<(), String> {
        let counts = format!("{family}_count");
        let buckets = format!("{family}_bucket");
        for count in self.samples.iter().filter(|s| s.name == counts) {
            let (mut bound, mut within) = (f64::NEG_INFINITY, 0.0);
            for bucket in self.samples.iter().filter(|s| s.name == buckets) {
                let mut labels = bucket.labels.clone();
                let le = labels.iter().position(|(name, _)| name == "le");
                let (_, le) = labels.remove(le.ok_or(format!("{buckets} without le"))?);
                if labels != count.labels {
                    continue;
                }
                let le = number(&le)?;
                if le <= bound || bucket.value < within {
                    return Err(format!("{buckets} {le} is out of order"));
                }
                (bound, within) = (le, bucket.value);
            }
            let labels: Vec<_> = count.labels.iter().map(|(n, v)| (&**n, &**v)).collect();
            let sum = self.value(&format!("{family}_sum"), &labels);
            #[allow(clippy::float_cmp, reason = "both are whole numbers")]
            if bound != f64::INFINITY || within != count.value || sum.is_none() {
                return Err(format!("{family} does not add up"));
            }
        }
        Ok(())
    }
}

/// `[a-zA-Z_:][a-zA-Z0-9_:]*`, of which colons are for rules.
fn check_name(name: &str) -> Result<(), String> {
    let legal = |c: char| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit();
    let starts_well = name.starts_with(|c: char| c.is_ascii_lowercase());
    match starts_well && name.chars().all(legal) {
        true => Ok(()),
        false => Err(format!("`{name}` is no name")),
    }
}

type Labels = Vec<(String, String)>;

/// What stands in the braces, the first of which is taken, and what follows.
fn labels(mut rest: &str) -> Result<(Labels, &str), String> {
    let mut labels = Vec::new();
    loop {
        let (name, behind) = rest.split_once("=\"").ok_or("a label without a value")?;
        check_name(name)?;
        let end = closing_quote(behind).ok_or("a label's value has no end")?;
        let (value, behind) = behind.split_at(end);
        labels.push((name.to_owned(), unescape(value, true)?));
        let behind = behind.strip_prefix('"').ok_or("no quote")?;
        if let Some(behind) = behind.strip_prefix('}') {
            return Ok((labels, behind));
        }
        rest = behind.strip_prefix(',').ok_or("no comma after a label")?;
    }
}

/// Where the first quote is that is not escaped.
fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(at),
            _ => {}
        }
    }
    None
}

fn unescape(text: &str, in_quotes: bool) -> Result<String, String> {
    let mut plain = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        plain.push(match c {
            '\\' => match chars.next() {
                Some('\\') => '\\',
                Some('n') => '\n',
                Some('"') if in_quotes => '"',
                other => return Err(format!("`\\{}` is no escape", other.unwrap_or(' '))),
            },
            c => c,
        });
    }
    Ok(plain)
}

/// As Go's ParseFloat reads it, without its hexadecimals and underscores.
fn number(text: &str) -> Result<f64, String> {
    match text {
        "+Inf" => Ok(f64::INFINITY),
        "-Inf" => Ok(f64::NEG_INFINITY),
        "NaN" => Ok(f64::NAN),
        _ => {
            let legal = |b: u8| b.is_ascii_digit() || b"+-.eE".contains(&b);
            let plain = text.bytes().all(legal).then(|| text.parse().ok());
            plain.flatten().ok_or(format!("`{text}` is no number"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_against_the_format_is_refused() {
        const A: &str = "# HELP a A.\n# TYPE a gauge\n";
        for (text, why) in [
            ("a 1\n".to_owned(), "before any TYPE"),
            (format!("{A}a 1"), "no end"),
            (format!("{A}a 1\n\n"), "neither HELP"),
            (format!("{A}# EOF\n"), "neither HELP"),
            (format!("{A}a  1\n"), "no number"),
            (format!("{A}a 1 1700000000000\n"), "no number"),
            (format!("{A}a inf\n"), "no number"),
            (format!("{A}a{{}} 1\n"), "without a value"),
            (format!("{A}a{{b=\"x\"}}1\n"), "no blank"),
            (format!("{A}a{{b=\"x\",}} 1\n"), "without a value"),
            (format!("{A}a{{b=\"\\t\"}} 1\n"), "no escape"),
            (format!("{A}a{{b=\"x}} 1\n"), "no end"),
            (format!("{A}a{{B=\"x\"}} 1\n"), "no name"),
            (format!("{A}a{{b=\"x\",b=\"y\"}} 1\n"), "label twice"),
            (format!("{A}a 1\na 2\n"), "comes twice"),
            (format!("{A}a 1\n{A}"), "comes twice"),
            (format!("{A}b 1\n"), "among the samples"),
            ("# TYPE a gauge\n".into(), "without its HELP"),
            ("# HELP a A.\n".into(), "no TYPE"),
            ("# HELP a \n# TYPE a gauge\n".into(), "no help"),
            ("# HELP a A.\n# TYPE a counter\n".into(), "_total"),
            (
                "# HELP a_total A.\n# TYPE a_total gauge\n".into(),
                "no counter",
            ),
            ("# HELP a_ms A.\n# TYPE a_ms gauge\n".into(), "base unit"),
            ("# HELP a A.\n# TYPE a summary\n".into(), "of the type"),
            (
                "# HELP a_total A.\n# TYPE a_total counter\na_total -1\n".into(),
                "counts -1",
            ),
        ] {
            let error = Scrape::parse(&text).unwrap_err().to_string();
            assert!(error.contains(why), "{text:?}: {error}");
        }
        assert!(Scrape::parse(&format!("{A}a{{b=\"{{}}, =\"}} 1e3\n")).is_ok());
    }

    #[test]
    fn histograms_add_up() {
        const H: &str = "# HELP h H.\n# TYPE h histogram\n";
        let of = |le1: u32, inf: u32, count: u32| {
            format!(
                "{H}h_bucket{{le=\"1\"}} {le1}\nh_bucket{{le=\"+Inf\"}} {inf}\nh_sum 1.5\nh_count {count}\n"
            )
        };
        assert!(Scrape::parse(&of(1, 2, 2)).is_ok());
        assert!(Scrape::parse(&of(3, 2, 2)).is_err());
        assert!(Scrape::parse(&of(1, 2, 3)).is_err());
        let unbounded = format!("{H}h_bucket{{le=\"1\"}} 1\nh_sum 1\nh_count 1\n");
        assert!(Scrape::parse(&unbounded).is_err());
    }
}
