//! The process's heap: one, and in huge pages once many subscribers have their state in it.
//!
//! What forwarding reads of a subscriber lies in four or five places, each in a page of its
//! own, and the processor keeps the addresses of some hundred pages at hand. Beyond them every
//! place costs a walk through the page tables, which the kernel's own work has driven out of
//! the cache; in a virtual machine two walks. A huge page holds the state of hundreds.
#![allow(unsafe_code)] // mallopt and madvise are C

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::time::{Duration, Instant};

/// Sessions from which on it pays. Below them all addresses are at hand, and a board with
/// few viewers keeps its memory.
const MANY: usize = 32;

/// Between two looks whether the heap has grown.
const EVERY: Duration = Duration::from_secs(1);

/// Of ARM and x86-64 with pages of 4 KB. Others are much larger, and do not fit into a small heap.
const HUGE: usize = 2 << 20;

/// One in so many of a huge page's pages must be in use already, so that it takes little
/// more memory than before.
const USED: usize = 8;

/// What the heap grows by at least from then on: room for whole huge pages. It takes memory
/// only as it is used.
#[cfg(target_env = "gnu")]
const GROWTH: libc::c_int = 8 << 20;

/// What is larger does not come out of the heap, and goes back to the system with its last use: glibc's
/// own measure, which it would raise otherwise.
#[cfg(target_env = "gnu")]
const LARGE: libc::c_int = 128 << 10;

/// Looks after the heap.
#[derive(Debug)]
pub(super) struct Heap {
    next: Instant,
    allowed: bool,
    /// Where the pages begin that are huge already.
    huge: Vec<usize>,
}

impl Heap {
    /// Has all threads take memory from one heap, which begins where a huge page does; to be
    /// called before there are others. Where the C library is not glibc, nothing changes.
    pub(super) fn unite() {
        #[cfg(target_env = "gnu")]
        {
            set(libc::M_ARENA_MAX, 1);
            // What is left out up to the first huge page is not touched, and so takes no memory.
            set(libc::M_MMAP_THRESHOLD, GROWTH);
            let probe = Vec::<u8>::with_capacity(HUGE / 8);
            let next = probe.as_ptr().addr();
            drop(probe);
            let left_out = Vec::<u8>::with_capacity(next.next_multiple_of(HUGE) - next);
            std::hint::black_box(left_out).leak();
            set(libc::M_MMAP_THRESHOLD, LARGE);
        }
    }

    pub(super) fn new(now: Instant) -> Self {
        let setting = |name: &str| {
            let path = format!("/sys/kernel/mm/transparent_hugepage/{name}");
            fs::read_to_string(path).unwrap_or_default()
        };
        Self {
            next: now,
            allowed: is_allowed(&setting("enabled"), &setting("hpage_pmd_size")),
            huge: Vec::new(),
        }
    }

    /// To be called often, by the loop that serves.
    pub(super) fn handle_timeout(&mut self, now: Instant, sessions: usize) {
        if !self.allowed || sessions < MANY || now < self.next {
            return;
        }
        self.next = now + EVERY;
        #[cfg(target_env = "gnu")]
        if self.huge.is_empty() {
            set(libc::M_TOP_PAD, GROWTH);
        }
        if let Err(error) = self.gather() {
            tracing::debug!(%error, "the heap stays in small pages");
            // Another time there may be memory. A kernel before 6.1 gathers pages by itself, in a minute.
            self.allowed = matches!(
                error.kind(),
                ErrorKind::WouldBlock | ErrorKind::ResourceBusy | ErrorKind::OutOfMemory
            );
        }
    }

    /// Puts what has come into use of the heap into huge pages: some tenths of a millisecond for each.
    fn gather(&mut self) -> io::Result<()> {
        let maps = fs::read_to_string("/proc/self/maps")?;
        let whole = heap(&maps).map_or(0..0, whole);
        let pagemap = File::open("/proc/self/pagemap")?;
        self.huge.retain(|start| whole.contains(start));
        let before = self.huge.len();
        for start in whole.step_by(HUGE) {
            if !self.huge.contains(&start) && in_use(&pagemap, start)? {
                collapse(start)?;
                self.huge.push(start);
            }
        }
        if self.huge.len() > before {
            let bytes = self.huge.len() * HUGE;
            tracing::debug!(bytes, "of the heap lie in huge pages");
        }
        Ok(())
    }
}

/// Sets one of the allocator's parameters.
#[cfg(target_env = "gnu")]
fn set(what: libc::c_int, to: libc::c_int) {
    // SAFETY: mallopt(3) takes the allocator's lock, and changes how memory is asked of the
    // kernel from here on, not what was given.
    unsafe { libc::mallopt(what, to) };
}

/// Whether the machine's owner lets huge pages be asked for, and they are of our size.
fn is_allowed(enabled: &str, size: &str) -> bool {
    let asked = enabled.contains("[always]") || enabled.contains("[madvise]");
    asked && size.trim().parse() == Ok(HUGE)
}

/// Where the heap lies, by `/proc/self/maps` (proc(5)), in which it is several pieces
/// once some of it is huge.
fn heap(maps: &str) -> Option<Range<usize>> {
    let lines = maps.lines().filter(|line| line.ends_with(" [heap]"));
    let pieces = lines.filter_map(|line| {
        let (range, _) = line.split_once(' ')?;
        let (start, end) = range.split_once('-')?;
        let hex = |text| usize::from_str_radix(text, 16).ok();
        Some(hex(start)?..hex(end)?)
    });
    pieces.reduce(|all, piece| all.start.min(piece.start)..all.end.max(piece.end))
}

/// The huge pages that lie in `range` whole.
fn whole(range: Range<usize>) -> Range<usize> {
    range.start.next_multiple_of(HUGE)..range.end / HUGE * HUGE
}

/// Whether enough of the huge page at `start` is memory already, by `/proc/self/pagemap`: 64 bits for
/// each page of 4 KB, of which the last says that it is. (What is at hand to a service of systemd's: of
/// mincore(2) its usual filter knows nothing.)
fn in_use(pagemap: &File, start: usize) -> io::Result<bool> {
    let mut pages = [0_u8; HUGE / 4096 * 8];
    let at = u64::try_from(start / 4096 * 8).unwrap_or(u64::MAX);
    pagemap.read_exact_at(&mut pages, at)?;
    let (pages, _) = pages.as_chunks::<8>();
    let used = pages
        .iter()
        .filter(|page| u64::from_ne_bytes(**page) >> 63 == 1);
    Ok(used.count() * USED >= pages.len())
}

fn collapse(start: usize) -> io::Result<()> {
    // SAFETY: both change what kind of page memory lies in, and neither its contents nor its
    // address (madvise(2)). Where the heap has shrunk meanwhile, they fail.
    unsafe {
        check(libc::madvise(address(start), HUGE, libc::MADV_HUGEPAGE))?;
        check(libc::madvise(address(start), HUGE, libc::MADV_COLLAPSE))
    }
}

fn address(start: usize) -> *mut libc::c_void {
    std::ptr::without_provenance_mut(start)
}

fn check(done: libc::c_int) -> io::Result<()> {
    match done {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_of_the_machine_decides() {
        assert!(is_allowed("always [madvise] never\n", "2097152\n"));
        assert!(is_allowed("[always] madvise never\n", "2097152\n"));
        assert!(!is_allowed("always madvise [never]\n", "2097152\n"));
        assert!(
            !is_allowed("[always] madvise never\n", "33554432\n"),
            "16 KB pages"
        );
        assert!(!is_allowed("", ""), "a kernel without");
    }

    #[test]
    fn the_heap_is_found_and_its_ends_are_left_out() {
        let maps = "5600-5700 r-xp 00000000 fe:00 12   /usr/bin/transom-sfu\n\
                    1ff000-400000 rw-p 00000000 00:00 0                     [heap]\n\
                    400000-7ff000 rw-p 00000000 00:00 0                     [heap]\n\
                    7ffc0000-7ffd0000 rw-p 00000000 00:00 0                 [stack]\n";
        let range = heap(maps).expect("is there");
        assert_eq!(range, 0x1f_f000..0x7f_f000);
        assert_eq!(whole(range), HUGE..3 * HUGE);
        assert_eq!(whole(0..HUGE - 1), 0..0);
        assert_eq!(heap("5600-5700 r-xp 0 fe:00 12 /usr/bin/x\n"), None);
    }
}
