//! Access units into RTP payloads: packetization-mode 1 (RFC 6184 section 6.3).
//!
//! Parameter sets and SEI that stand together go into one STAP-A; each slice
//! goes alone or in fragments of equal size, so that a batch of them can leave
//! in one call (the kernel segments only equal sizes).
//!
//! ```text
//! STAP-A: | F NRI 24 | size | NAL unit | size | NAL unit ...
//! FU-A:   | F NRI 28 | S E R type | part of the NAL unit's body ...
//! ```

use super::nal::NalType;
use super::{FU_A, FU_END, FU_START, NRI_MASK, STAP_A, TYPE_MASK};

/// Makes payloads of at most a given size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packetizer {
    max_payload: usize,
}

impl Packetizer {
    /// Payloads of at most `max_payload` bytes; taken for 16 if it is less,
    /// and for 65535 if it is more.
    pub fn new(max_payload: usize) -> Self {
        Self {
            max_payload: max_payload.clamp(16, usize::from(u16::MAX)),
        }
    }

    /// The payloads of one access unit, whose NAL units are `nals`: an
    /// [`super::AnnexB`], an [`super::Avcc`] or any other iterator.
    ///
    /// Delimiters, filler and end markers are left out: RTP marks the end of
    /// an access unit itself.
    pub fn packetize<'a, I>(&self, nals: I) -> Payloads<'a, I>
    where
        I: Iterator<Item = &'a [u8]> + Clone,
    {
        let mut nals = Kept(nals);
        Payloads {
            next: nals.next(),
            nals,
            fragments: None,
            max_payload: self.max_payload,
        }
    }
}

/// The payloads of an access unit, in sending order. Nothing is copied before
/// [`Payload::write`].
#[derive(Clone, Debug)]
pub struct Payloads<'a, I> {
    next: Option<&'a [u8]>,
    nals: Kept<I>,
    fragments: Option<Fragments<'a>>,
    max_payload: usize,
}

impl<'a, I> Iterator for Payloads<'a, I>
where
    I: Iterator<Item = &'a [u8]> + Clone,
{
    type Item = Payload<'a, I>;

    fn next(&mut self) -> Option<Payload<'a, I>> {
        let form = match self.fragments.as_mut().and_then(Fragments::next) {
            Some(fragment) => fragment,
            None => self.begin_nal()?,
        };
        let fragmenting = self.fragments.as_ref().is_some_and(|f| !f.rest.is_empty());
        Some(Payload {
            form,
            last: self.next.is_none() && !fragmenting,
        })
    }
}

impl<'a, I> Payloads<'a, I>
where
    I: Iterator<Item = &'a [u8]> + Clone,
{
    fn begin_nal(&mut self) -> Option<Form<'a, I>> {
        let nal = self.next?;
        if let Some(stap) = self.aggregate(nal) {
            return Some(stap);
        }
        self.next = self.nals.next();
        if nal.len() <= self.max_payload {
            return Some(Form::Single(nal));
        }
        let mut fragments = Fragments::of(nal, self.max_payload)?;
        let first = fragments.next();
        self.fragments = Some(fragments);
        first
    }

    /// A STAP-A of `first` and what may go with it, if that is something.
    fn aggregate(&mut self, first: &'a [u8]) -> Option<Form<'a, I>> {
        let mut len = 1 + 2 + first.len();
        if !is_aggregated(first) || len > self.max_payload {
            return None;
        }
        let rest = self.nals.clone();
        let mut nals = self.nals.clone();
        let mut count = 1;
        let mut nri = nri(first);
        let mut next = nals.next();
        while let Some(nal) = next.filter(|nal| is_aggregated(nal)) {
            if len + 2 + nal.len() > self.max_payload {
                break;
            }
            len += 2 + nal.len();
            nri = nri.max(self::nri(nal));
            count += 1;
            next = nals.next();
        }
        if count == 1 {
            return None;
        }
        self.nals = nals;
        self.next = next;
        Some(Form::StapA {
            indicator: nri | STAP_A,
            len,
            first,
            rest,
            count,
        })
    }
}

/// One RTP payload.
#[derive(Clone, Debug)]
pub struct Payload<'a, I> {
    form: Form<'a, I>,
    last: bool,
}

#[derive(Clone, Debug)]
enum Form<'a, I> {
    Single(&'a [u8]),
    StapA {
        indicator: u8,
        len: usize,
        first: &'a [u8],
        rest: Kept<I>,
        count: usize,
    },
    FuA {
        head: [u8; 2],
        body: &'a [u8],
    },
}

impl<'a, I> Payload<'a, I>
where
    I: Iterator<Item = &'a [u8]> + Clone,
{
    /// Length in bytes; never zero.
    #[allow(clippy::len_without_is_empty)] // no payload is empty
    pub const fn len(&self) -> usize {
        match &self.form {
            Form::Single(nal) => nal.len(),
            Form::StapA { len, .. } => *len,
            Form::FuA { body, .. } => 2 + body.len(),
        }
    }

    /// Whether it is the access unit's last, which carries the marker bit.
    pub const fn is_last(&self) -> bool {
        self.last
    }

    /// Writes the payload to the front of `out`; its length, or `None` where
    /// `out` is too small.
    pub fn write(&self, out: &mut [u8]) -> Option<usize> {
        let len = self.len();
        let mut out = out.get_mut(..len)?;
        let mut put = |bytes: &[u8]| {
            let (target, rest) = core::mem::take(&mut out).split_at_mut_checked(bytes.len())?;
            target.copy_from_slice(bytes);
            out = rest;
            Some(())
        };
        match &self.form {
            Form::Single(nal) => put(nal)?,
            Form::StapA {
                indicator,
                first,
                rest,
                count,
                ..
            } => {
                put(&[*indicator])?;
                for nal in core::iter::once(*first).chain(rest.clone()).take(*count) {
                    put(&u16::try_from(nal.len()).ok()?.to_be_bytes())?;
                    put(nal)?;
                }
            }
            Form::FuA { head, body } => {
                put(head)?;
                put(body)?;
            }
        }
        Some(len)
    }
}

/// What is left to send of a NAL unit that does not fit one payload.
#[derive(Clone, Debug)]
struct Fragments<'a> {
    header: u8,
    rest: &'a [u8],
    /// Length of all but the last, which may be shorter.
    len: usize,
    started: bool,
}

impl<'a> Fragments<'a> {
    /// As few fragments as fit, all of one length but the last, which is what
    /// a segmented send can carry; the rounding is all that it lacks.
    fn of(nal: &'a [u8], max_payload: usize) -> Option<Self> {
        let (header, body) = nal.split_first()?;
        let count = body.len().div_ceil(max_payload - 2).max(1);
        Some(Self {
            header: *header,
            rest: body,
            len: body.len().div_ceil(count),
            started: false,
        })
    }

    fn next<I>(&mut self) -> Option<Form<'a, I>> {
        let len = self.len.min(self.rest.len());
        let (body, rest) = self.rest.split_at_checked(len)?;
        if body.is_empty() {
            return None;
        }
        let start = if self.started { 0 } else { FU_START };
        let end = if rest.is_empty() { FU_END } else { 0 };
        self.started = true;
        self.rest = rest;
        let indicator = (self.header & !TYPE_MASK) | FU_A;
        Some(Form::FuA {
            head: [indicator, start | end | (self.header & TYPE_MASK)],
            body,
        })
    }
}

/// The NAL units that are sent.
#[derive(Clone, Debug)]
struct Kept<I>(I);

impl<'a, I: Iterator<Item = &'a [u8]>> Iterator for Kept<I> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        self.0.find(|nal| {
            !matches!(
                NalType::of(nal),
                None | Some(
                    NalType::Delimiter
                        | NalType::Filler
                        | NalType::EndOfSequence
                        | NalType::EndOfStream
                )
            )
        })
    }
}

fn is_aggregated(nal: &[u8]) -> bool {
    matches!(
        NalType::of(nal),
        Some(NalType::Sps | NalType::Pps | NalType::Sei)
    )
}

fn nri(nal: &[u8]) -> u8 {
    nal.first().map_or(0, |header| header & NRI_MASK)
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    fn payloads(max: usize, nals: &[&[u8]]) -> Vec<(Vec<u8>, bool)> {
        Packetizer::new(max)
            .packetize(nals.iter().copied())
            .map(|p| {
                let mut out = std::vec![0; p.len()];
                assert_eq!(p.write(&mut out), Some(p.len()));
                (out, p.is_last())
            })
            .collect()
    }

    #[test]
    fn parameter_sets_travel_together() {
        let idr = [0x65; 30];
        let sent = payloads(
            100,
            &[
                &[0x09, 0xf0],
                &[0x67, 1, 2],
                &[0x48, 3],
                &[0x06, 4],
                &idr,
                &[0x0c, 0xff],
            ],
        );
        assert_eq!(
            sent,
            [
                (
                    Vec::from([0x78, 0, 3, 0x67, 1, 2, 0, 2, 0x48, 3, 0, 2, 0x06, 4]),
                    false
                ),
                (Vec::from(idr), true)
            ]
        );
    }

    #[test]
    fn what_does_not_fit_the_aggregate_follows_it() {
        let sps = [0x67; 8];
        let pps = [0x68; 8];
        let sent = payloads(16, &[&sps, &pps, &[0x06, 1], &[0x41, 2]]);
        let kinds: Vec<(u8, usize)> = sent.iter().map(|(p, _)| (p[0] & 31, p.len())).collect();
        assert_eq!(kinds, [(7, 8), (24, 15), (1, 2)]);
    }

    #[test]
    fn fragments_are_equal_but_for_the_last() {
        for len in 1180..5000 {
            let mut nal = std::vec![0xaa; len];
            nal[0] = 0x65;
            let sent = payloads(1180, &[&nal]);
            if len == 1180 {
                assert_eq!(sent.len(), 1);
                continue;
            }
            assert_eq!(sent.len(), (len - 1).div_ceil(1178));
            let (last, rest) = sent.split_last().unwrap();
            let size = rest[0].0.len();
            assert!(size <= 1180 && rest.iter().all(|(p, _)| p.len() == size));
            // Only the rounding is missing.
            assert!((size - rest.len()..=size).contains(&last.0.len()));
            let body: usize = sent.iter().map(|(p, _)| p.len() - 2).sum();
            assert_eq!(body, len - 1);
            let flags: Vec<u8> = sent.iter().map(|(p, _)| p[1] & 0xc0).collect();
            assert_eq!(flags.first(), Some(&FU_START));
            assert_eq!(flags.last(), Some(&FU_END));
            assert_eq!(flags.iter().filter(|f| **f != 0).count(), 2);
            assert!(sent.iter().all(|(p, _)| p[0] == 0x7c && p[1] & 0x3f == 5));
            assert_eq!(sent.iter().filter(|(_, last)| *last).count(), 1);
        }
    }

    #[test]
    fn every_unit_has_one_last_payload() {
        assert!(payloads(100, &[]).is_empty());
        assert!(payloads(100, &[&[], &[0x09, 0x10]]).is_empty());
        let sent = payloads(100, &[&[0x67, 1], &[0x68, 1]]);
        assert_eq!(sent.len(), 1);
        assert!(sent[0].1);
        let long = [0x67; 101];
        assert_eq!(payloads(100, &[&long]).len(), 2);
    }

    #[test]
    fn short_buffers_are_refused() {
        let nal = [0x41; 20];
        let nals: [&[u8]; 1] = [&nal];
        let payload = Packetizer::new(100)
            .packetize(nals.iter().copied())
            .next()
            .unwrap();
        assert_eq!(payload.write(&mut [0; 19]), None);
    }
}
