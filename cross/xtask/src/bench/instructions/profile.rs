//! Callgrind's output: what each function executed itself, summed up by the part
//! of the program that it belongs to.

use std::collections::HashMap;

/// The parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// AES, GHASH, SHA-1: ring and the RustCrypto crates.
    Ciphers,
    /// memcpy, memmove, memset.
    Copying,
    /// sfu-edge.
    Forward,
    /// rtc/proto.
    Peer,
    /// rtc/srtp.
    Srtp,
    /// rtc/udp.
    Udp,
    /// The standard library where it is not inlined, the allocator, system calls' entries.
    Rest,
}

impl Part {
    pub(super) const ALL: [Self; 7] = [
        Self::Ciphers,
        Self::Copying,
        Self::Forward,
        Self::Peer,
        Self::Srtp,
        Self::Udp,
        Self::Rest,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Ciphers => "AES, SHA",
            Self::Copying => "memcpy, memset",
            Self::Forward => "forward (sfu-edge)",
            Self::Peer => "peer (rtc/proto)",
            Self::Srtp => "rtc/srtp",
            Self::Udp => "rtc/udp",
            Self::Rest => "rest",
        }
    }

    /// By the function's name, then by the file of the line, which tells where
    /// inlined code comes from, then by the crate in the function's name.
    fn of(function: &str, file: &str) -> Self {
        const CIPHERS: [&str; 9] = [
            "ring_core",
            "ring::",
            "aes::",
            "sha1::",
            "ctr::",
            "hmac::",
            "cipher::",
            "digest::",
            "ghash",
        ];
        const CIPHER_FILES: [&str; 9] = [
            "/ring-",
            "/aes-",
            "/sha1-",
            "/ctr-",
            "/hmac-",
            "/cipher-",
            "/digest-",
            "/inout-",
            "/block-buffer-",
        ];
        let has = |text: &str, words: &[&str]| words.iter().any(|word| text.contains(word));
        if has(function, &["memcpy", "memmove", "memset", "memcmp", "bcmp"]) {
            return Self::Copying;
        }
        if has(function, &CIPHERS) || has(file, &CIPHER_FILES) {
            return Self::Ciphers;
        }
        let parts = [
            (Self::Forward, "sfu-edge/src", "transom_sfu"),
            (Self::Peer, "rtc/proto/src", "transom_rtc_proto"),
            (Self::Srtp, "rtc/srtp/src", "transom_rtc_srtp"),
            (Self::Udp, "rtc/udp/src", "transom_rtc_udp"),
        ];
        let by_file = parts.iter().find(|(_, folder, _)| file.contains(folder));
        let part = by_file.or_else(|| parts.iter().find(|(_, _, krate)| function.contains(krate)));
        part.map_or(Self::Rest, |(part, _, _)| *part)
    }
}

/// Instructions by part.
#[derive(Clone, Debug, Default)]
pub(super) struct Profiled([f64; Part::ALL.len()]);

impl Profiled {
    /// Reads a file of callgrind's (its manual: Callgrind Format Specification).
    pub(super) fn parse(text: &str) -> Self {
        let mut profiled = Self::default();
        let mut names = [HashMap::new(), HashMap::new()];
        let [files, functions] = &mut names;
        let (mut file, mut function) = (String::new(), String::new());
        let mut inclusive = false;
        for line in text.lines() {
            match line.split_once('=') {
                Some(("fl" | "fi" | "fe", name)) => file = resolve(files, name),
                Some(("fn", name)) => function = resolve(functions, name),
                // Named here for the first time, perhaps.
                Some(("cfi" | "cfl", name)) => drop(resolve(files, name)),
                Some(("cfn", name)) => drop(resolve(functions, name)),
                // What was called counts where it is a function of its own.
                Some(("calls", _)) => inclusive = true,
                Some(_) => {}
                None => {
                    let Some(cost) = cost(line) else { continue };
                    if !std::mem::take(&mut inclusive) {
                        let part = Part::of(&function, &file);
                        if let Some(sum) = profiled.0.get_mut(part as usize) {
                            *sum += cost;
                        }
                    }
                }
            }
        }
        profiled
    }

    pub(super) fn total(&self) -> f64 {
        self.0.iter().sum()
    }

    pub(super) fn of(&self, part: Part) -> f64 {
        self.0.get(part as usize).copied().unwrap_or(0.0)
    }
}

/// `(7) name` gives 7 a name; `(7)` is that name again.
fn resolve(names: &mut HashMap<String, String>, text: &str) -> String {
    let numbered = text.strip_prefix('(').and_then(|rest| rest.split_once(')'));
    let Some((number, name)) = numbered else {
        return text.to_owned();
    };
    let name = name.trim();
    if name.is_empty() {
        return names.get(number).cloned().unwrap_or_default();
    }
    names.insert(number.to_owned(), name.to_owned());
    name.to_owned()
}

/// A position (a line, relative perhaps) and a count.
fn cost(line: &str) -> Option<f64> {
    let (position, count) = line.split_once(' ')?;
    let first = position.bytes().next()?;
    let is_position = first.is_ascii_digit() || matches!(first, b'+' | b'-' | b'*');
    is_position.then(|| count.trim().parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUT: &str = "\
version: 1
positions: line
events: Ir
summary: 999

ob=(1) /x/transom-sfu
fl=(1) sfu-edge/src/media/forward.rs
fn=(1) transom_sfu::media::forward::forward
10 100
+2 5
cfi=(2) rtc/proto/src/peer/send.rs
cfn=(2) transom_rtc_proto::peer::Peer::forward
calls=3 40
* 7000
fi=(3) /rustc/abc/library/core/src/slice/mod.rs
3 11
fe=(1)
-1 1

fl=(2)
fn=(2)
40 50
fi=(4) rtc/srtp/src/layer.rs
4 9
fl=(5) ???
fn=(3) __memcpy_avx_unaligned_erms
0 30
fn=(4) ring_core_0_17_14__aes_hw_ctr32_encrypt_blocks
0 400
fn=(5) malloc
0 2
";

    #[test]
    fn every_line_counts_for_the_part_it_was_written_in() {
        let profiled = Profiled::parse(OUT);
        let of = Part::ALL.map(|part| profiled.of(part));
        assert_eq!(of, [400.0, 30.0, 117.0, 50.0, 9.0, 0.0, 2.0]);
        assert_eq!(profiled.total(), 608.0);
    }

    #[test]
    fn parts_are_told_by_name_file_and_crate() {
        for (function, file, part) in [
            ("memset", "", Part::Copying),
            ("<T as x>::f", "/r/aes-0.8.4/src/ni.rs", Part::Ciphers),
            ("aes::ni::encrypt", "???", Part::Ciphers),
            ("core::ptr::drop<transom_rtc_udp::X>", "/rustc/x", Part::Udp),
            ("clock_gettime", "???", Part::Rest),
        ] {
            assert_eq!(Part::of(function, file), part, "{function}");
        }
    }
}
