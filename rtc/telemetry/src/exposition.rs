//! Prometheus' text format, version 0.0.4
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>).

use std::fmt::{self, Write as _};

use crate::Histogram;

/// What to send as `Content-Type`.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Metrics as text, a family after the other.
///
/// Names and helps are the program's own; label values may be anybody's and are
/// escaped. A family is to be written once, with all its samples.
#[derive(Debug, Default)]
pub struct Exposition {
    text: String,
}

impl Exposition {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins a family of counters, which only grow; by convention its name
    /// ends in `_total`.
    pub fn counter(&mut self, name: &'static str, help: &'static str) -> Family<'_> {
        self.family(name, help, "counter")
    }

    /// Begins a family of gauges, which come and go.
    pub fn gauge(&mut self, name: &'static str, help: &'static str) -> Family<'_> {
        self.family(name, help, "gauge")
    }

    /// Begins a family of histograms, in seconds.
    pub fn histogram(&mut self, name: &'static str, help: &'static str) -> HistogramFamily<'_> {
        HistogramFamily(self.family(name, help, "histogram"))
    }

    /// The whole text.
    pub fn finish(self) -> String {
        self.text
    }

    fn family(&mut self, name: &'static str, help: &'static str, kind: &str) -> Family<'_> {
        self.text.push_str("# HELP ");
        self.text.push_str(name);
        self.text.push(' ');
        escape(&mut self.text, help, false);
        self.text.push_str("\n# TYPE ");
        for word in [name, " ", kind, "\n"] {
            self.text.push_str(word);
        }
        Family {
            text: &mut self.text,
            name,
        }
    }
}

/// The samples of one family.
#[derive(Debug)]
pub struct Family<'a> {
    text: &'a mut String,
    name: &'static str,
}

impl Family<'_> {
    /// The only sample, without labels.
    pub fn value(&mut self, value: impl Into<Number>) {
        self.line("", &[], None, value.into());
    }

    /// A sample with labels, in this order; no two may have the same.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: impl Into<Number>) -> &mut Self {
        self.line("", labels, None, value.into());
        self
    }

    fn line(
        &mut self,
        suffix: &str,
        labels: &[(&str, &str)],
        bound: Option<Number>,
        value: Number,
    ) {
        self.text.push_str(self.name);
        self.text.push_str(suffix);
        let mut before = '{';
        for (label, value) in labels {
            self.text.push(before);
            before = ',';
            self.text.push_str(label);
            self.text.push_str("=\"");
            escape(self.text, value, true);
            self.text.push('"');
        }
        if let Some(bound) = bound {
            // A String takes everything that is written to it.
            let _ = write!(self.text, "{before}le=\"{bound}\"");
            before = ',';
        }
        if before == ',' {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
    }
}

/// The samples of a family of histograms.
#[derive(Debug)]
pub struct HistogramFamily<'a>(Family<'a>);

impl HistogramFamily<'_> {
    /// One histogram.
    pub fn sample(&mut self, labels: &[(&str, &str)], histogram: &Histogram) -> &mut Self {
        let mut count = 0;
        for (bound, within) in histogram.buckets() {
            count += within;
            let bound = bound.map_or(f64::INFINITY, |bound| bound.as_secs_f64());
            self.0
                .line("_bucket", labels, Some(bound.into()), count.into());
        }
        let sum = histogram.sum().as_secs_f64();
        self.0.line("_sum", labels, None, sum.into());
        self.0.line("_count", labels, None, count.into());
        self
    }
}

/// The value of a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// Exact, however large.
    Integer(u64),
    /// Anything else.
    Real(f64),
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(n) => n.fmt(f),
            Self::Real(x) if x.is_infinite() => f.write_str(match x.is_sign_positive() {
                true => "+Inf",
                false => "-Inf",
            }),
            Self::Real(x) => x.fmt(f),
        }
    }
}

impl From<u64> for Number {
    fn from(n: u64) -> Self {
        Self::Integer(n)
    }
}

impl From<u32> for Number {
    fn from(n: u32) -> Self {
        Self::Integer(n.into())
    }
}

impl From<usize> for Number {
    fn from(n: usize) -> Self {
        Self::Integer(u64::try_from(n).unwrap_or(u64::MAX))
    }
}

impl From<bool> for Number {
    fn from(yes: bool) -> Self {
        Self::Integer(yes.into())
    }
}

impl From<f64> for Number {
    fn from(x: f64) -> Self {
        Self::Real(x)
    }
}

impl From<std::time::Duration> for Number {
    /// Seconds, the base unit.
    fn from(d: std::time::Duration) -> Self {
        Self::Real(d.as_secs_f64())
    }
}

/// Backslash and line feed are escaped everywhere, quotes in label values.
fn escape(text: &mut String, value: &str, in_quotes: bool) {
    for c in value.chars() {
        match c {
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '"' if in_quotes => text.push_str("\\\""),
            c => text.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::Scrape;

    #[test]
    fn the_text_is_that_of_the_format() {
        let mut exposition = Exposition::new();
        exposition.counter("a_total", "Of a.\\ b").value(7_u64);
        exposition
            .gauge("b_seconds", "Of b.")
            .sample(&[("c", "x"), ("d", "\"\\\n")], 0.25)
            .sample(&[("c", "y"), ("d", "")], f64::INFINITY);
        const BOUNDS: &[Duration] = &[Duration::from_millis(10), Duration::from_secs(1)];
        let histogram = Histogram::new(BOUNDS);
        histogram.observe(Duration::from_millis(10));
        histogram.observe(Duration::from_millis(500));
        histogram.observe(Duration::from_secs(2));
        exposition
            .histogram("e_seconds", "Of e.")
            .sample(&[("f", "g")], &histogram);
        let text = exposition.finish();
        assert_eq!(
            text,
            r#"# HELP a_total Of a.\\ b
# TYPE a_total counter
a_total 7
# HELP b_seconds Of b.
# TYPE b_seconds gauge
b_seconds{c="x",d="\"\\\n"} 0.25
b_seconds{c="y",d=""} +Inf
# HELP e_seconds Of e.
# TYPE e_seconds histogram
e_seconds_bucket{f="g",le="0.01"} 1
e_seconds_bucket{f="g",le="1"} 2
e_seconds_bucket{f="g",le="+Inf"} 3
e_seconds_sum{f="g"} 2.51
e_seconds_count{f="g"} 3
"#
        );
        let scrape = Scrape::parse(&text).unwrap();
        assert_eq!(scrape.value("a_total", &[]), Some(7.0));
        let hostile = scrape.value("b_seconds", &[("c", "x"), ("d", "\"\\\n")]);
        assert_eq!(hostile, Some(0.25));
    }

    proptest! {
        #[test]
        fn whatever_stands_in_a_label_comes_back(value in ".*", tail in "[\"\\\\\n{}=, ]*") {
            let value = format!("{value}{tail}");
            let mut exposition = Exposition::new();
            exposition.gauge("a", "A.").sample(&[("b", &value)], 1_u64);
            let scrape = Scrape::parse(&exposition.finish()).unwrap();
            prop_assert_eq!(scrape.value("a", &[("b", &value)]), Some(1.0));
        }
    }
}
