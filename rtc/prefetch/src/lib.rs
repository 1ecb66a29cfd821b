//! Asks the CPU for memory that will be read soon.
//!
//! A server that serves hundreds of peers in turn finds nothing of the next one in the
//! cache: the kernel's work on their datagrams has driven it out. A load that misses holds up
//! all behind it, on a small ARM core at once and on a large one as soon as its window is
//! full. A prefetch holds up nothing: it is a hint, which changes no value and cannot fault.
//!
//! ```
//! use transom_rtc_prefetch::{prefetch, prefetch_line};
//!
//! let peers = vec![[0_u8; 500]; 100];
//! for (index, peer) in peers.iter().enumerate() {
//!     if let Some(next) = peers.get(index + 4) {
//!         prefetch(next);
//!     }
//!     assert_eq!(peer.iter().map(|b| u32::from(*b)).sum::<u32>(), 0);
//! }
//! prefetch_line(&peers);
//! ```

#![no_std]

mod hint;

/// Bytes of a cache line: of x86-64, and of every ARM core that Linux runs on a board with.
const LINE: usize = 64;

/// Asks for all lines that `value` lies in; not for what it points to.
#[inline]
pub fn prefetch<T: ?Sized>(value: &T) {
    let start = core::ptr::from_ref(value).cast::<u8>();
    for offset in offsets(start.addr(), size_of_val(value)) {
        hint::read_soon(start.wrapping_add(offset));
    }
}

/// Asks for the line that `value` begins in: enough where it is a word, or the first of
/// several that lie together.
#[inline]
pub fn prefetch_line<T: ?Sized>(value: &T) {
    hint::read_soon(core::ptr::from_ref(value).cast());
}

/// Where, from `address` on, each line of `len` bytes begins, or `address` itself inside the first.
#[inline]
fn offsets(address: usize, len: usize) -> impl Iterator<Item = usize> {
    let into_line = address % LINE;
    (0..into_line + len)
        .step_by(LINE)
        .map(move |line| line.saturating_sub(into_line))
        .filter(move |_| len > 0)
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::collections::BTreeSet;
    use std::vec::Vec;

    use super::*;

    #[test]
    fn every_line_is_asked_for_once_and_none_besides() {
        for address in [0, 1, 63, 64, 100, 4096 - 1] {
            for len in [0, 1, 2, 63, 64, 65, 128, 592] {
                let touched: BTreeSet<_> = (address..address + len).map(|at| at / LINE).collect();
                let asked: Vec<_> = offsets(address, len).collect();
                assert!(asked.iter().all(|offset| *offset < len.max(1)));
                let lines: BTreeSet<_> = asked.iter().map(|at| (address + at) / LINE).collect();
                assert_eq!(lines, touched, "{len} bytes at {address}");
                assert_eq!(asked.len(), touched.len(), "{len} bytes at {address}");
            }
        }
    }

    #[test]
    fn what_is_asked_for_stays_as_it_is() {
        let values: Vec<u8> = (0..=255).collect();
        for from in 0..values.len() {
            prefetch(&values[from..]);
            prefetch_line(&values[from..]);
        }
        prefetch(&());
        prefetch::<[u64]>(&[]);
        assert!(values.iter().copied().eq(0..=255));
    }
}
