//! A disk that is full, forbidden or gone, a ring that stays within its bound, and a reader that follows.

#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use support::Dir;
use transom_record::{
    Event, Found, LossReason, Note, Reader, RecordFigures, Recorder, Store, StoreConfig,
    StoreError, Tail, Writer, WriterConfig, write_csv,
};

const SECOND: u64 = 1_000_000;

fn config(dir: &Path, max_bytes: u64) -> WriterConfig {
    WriterConfig {
        store: StoreConfig {
            dir: dir.to_owned(),
            max_bytes,
        },
        sync_after: Duration::from_secs(10),
        boot: [7; 16],
        pid: 1,
        version: "test".to_owned(),
    }
}

fn note(text: &str) -> Event {
    Event::Note(Note {
        warning: false,
        text: text.to_owned(),
    })
}

fn all(dir: &Path) -> Vec<Event> {
    let mut reader = Reader::open(dir).expect("a directory");
    let mut events = Vec::new();
    while let Some(found) = reader.next(Tail::Final).expect("a directory") {
        if let Found::Entry(entry) = found {
            events.push(entry.event);
        }
    }
    events
}

#[test]
fn the_ring_stays_within_its_bound_and_keeps_the_newest() {
    let dir = Dir::new();
    let bound = 1024 * 1024;
    let mut writer = Writer::new(config(dir.path(), bound), Arc::default());
    for at in 0..30_000_u64 {
        writer.push(
            at * 1000,
            at * 1000,
            0,
            note(&format!("{at} {}", "x".repeat(60))),
        );
    }
    writer.finish(0);
    let files = fs::read_dir(dir.path()).expect("the directory");
    let sizes = files.map(|file| file.expect("a file").metadata().expect("its size").len());
    let bytes: u64 = sizes.sum();
    assert!(bytes <= bound && bytes > bound / 2, "{bytes}");
    let events = all(dir.path());
    assert!(matches!(events.first(), Some(Event::Boot(boot)) if !boot.starts));
    assert!(matches!(events.last(), Some(Event::Note(note)) if note.text.starts_with("29999 ")));
}

#[test]
fn what_waits_is_with_the_kernel_within_a_second_and_a_stop_at_once() {
    let dir = Dir::new();
    let figures = Arc::new(RecordFigures::default());
    let mut writer = Writer::new(config(dir.path(), 1 << 20), Arc::clone(&figures));
    writer.push(0, 0, 0, note("a"));
    assert_eq!((figures.writes(), writer.poll_timeout()), (0, Some(SECOND)));
    writer.handle_timeout(SECOND);
    assert_eq!(
        (figures.records(), figures.writes(), figures.syncs()),
        (2, 1, 0)
    );
    // Ten seconds for the disk itself.
    assert_eq!(writer.poll_timeout(), Some(10 * SECOND));
    writer.push(2 * SECOND, 2 * SECOND, 0, Event::Stop { reason: 1 });
    assert_eq!((figures.records(), figures.syncs()), (3, 1));
    // A storm of them: one a second waits for the disk.
    for at in 1..100 {
        let now = 2 * SECOND + at * 10_000;
        writer.push(now, now, 0, Event::Stop { reason: 1 });
    }
    assert_eq!((figures.records(), figures.syncs()), (102, 1));
    assert_eq!(writer.poll_timeout(), Some(3 * SECOND));
    writer.handle_timeout(3 * SECOND);
    assert_eq!((figures.syncs(), writer.poll_timeout()), (2, None));
}

/// A file system of a few pages, where this test may make one.
fn small_disk(path: &Path) -> bool {
    let mount = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=256k", "none"])
        .arg(path)
        .output();
    mount.is_ok_and(|output| output.status.success())
}

struct Unmount<'a>(&'a Path);

impl Drop for Unmount<'_> {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(self.0).status();
    }
}

#[test]
fn a_full_disk_loses_entries_and_nothing_else() {
    let dir = Dir::new();
    if !small_disk(dir.path()) {
        println!("skipped: no tmpfs may be mounted here (root only)");
        return;
    }
    let unmount = Unmount(dir.path());
    let ring = dir.path().join("ring");
    let other = dir.path().join("other");
    let figures = Arc::new(RecordFigures::default());
    let mut writer = Writer::new(config(&ring, 1 << 20), Arc::clone(&figures));
    writer.push(0, 0, 0, note("before"));
    writer.handle_timeout(SECOND);
    // Somebody else takes the rest; of a last page there may be some left.
    let _ = fs::write(&other, vec![1; 300_000]);
    for at in 1..200 {
        let now = SECOND + at;
        writer.push(now, now, 0, note(&format!("{at} {}", "x".repeat(200))));
        writer.handle_timeout(now + SECOND);
    }
    assert!(figures.is_failing() && figures.lost_by_storage() > 50);
    // It is tried again, not all the time, and in the end there is room.
    fs::remove_file(&other).expect("it goes");
    writer.push(100 * SECOND, 100 * SECOND, 0, note("after"));
    writer.finish(100 * SECOND);
    assert!(!figures.is_failing());
    let events = all(&ring);
    let lost = events.iter().find_map(|event| match event {
        Event::Lost {
            why: LossReason::Storage,
            count,
        } => Some(*count),
        _ => None,
    });
    assert_eq!(lost, Some(figures.lost_by_storage()));
    assert_eq!(events.last(), Some(&note("after")));
    assert!(events.contains(&note("before")));
    drop(unmount);
}

#[test]
fn what_cannot_be_a_ring_is_told_with_the_mend() {
    let dir = Dir::new();
    let file = dir.path().join("file");
    fs::write(&file, "x").expect("a file");
    let open = |path: &Path| {
        Store::open(StoreConfig {
            dir: path.to_owned(),
            max_bytes: 1 << 20,
        })
    };
    let error = open(&file).expect_err("a file").to_string();
    assert!(
        error.contains("[record]") && error.contains("file"),
        "{error}"
    );
    let ring = dir.path().join("ring");
    let first = open(&ring).expect("a ring");
    let second = open(&ring).expect_err("taken");
    assert!(matches!(second, StoreError::Taken(_)), "{second}");
    drop(first);
    open(&ring).expect("it is free again");
    // What is called like a file of ours and is none.
    let odd = dir.path().join("odd");
    fs::create_dir_all(odd.join("0000000001.rec")).expect("a directory");
    let (store, recovered) = open(&odd).expect("a ring");
    assert_eq!(recovered.last_seq, 0);
    assert!(!store.path().is_dir(), "{}", store.path().display());
}

#[test]
fn a_directory_that_may_not_be_written_stops_nobody() {
    let dir = Dir::new();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o500)).expect("its mode");
    // Root writes everywhere but in the kernel's own tree.
    let dir = match fs::write(dir.path().join("probe"), "") {
        Ok(()) => Path::new("/proc/transom").to_owned(),
        Err(_) => dir.path().join("ring"),
    };
    let recorder = Recorder::start(config(&dir, 1 << 20)).expect("a thread");
    for _ in 0..10 {
        recorder.record(1, note("nobody hears it"));
    }
    recorder.finish();
    assert!(recorder.figures().is_failing());
    assert_eq!(recorder.figures().lost_by_storage(), 10);
}

#[test]
fn more_than_the_queue_takes_is_counted_and_the_count_recorded() {
    let dir = Dir::new();
    let recorder = Recorder::start(config(dir.path(), 1 << 24)).expect("a thread");
    // Faster than any disk: urgent ones wait for it.
    for at in 0..200_000 {
        recorder.record(at, Event::Stop { reason: 1 });
    }
    std::thread::sleep(Duration::from_millis(200));
    recorder.record(200_000, note("last"));
    recorder.finish();
    let events = all(dir.path());
    let mut told = 0;
    let mut kept = 0;
    for event in &events {
        match event {
            Event::Lost { why, count } => {
                assert_eq!(*why, LossReason::Queue);
                told += count;
            }
            Event::Stop { .. } => kept += 1,
            _ => {}
        }
    }
    let lost = recorder.figures().lost_in_queue();
    println!("{kept} kept, {lost} lost");
    assert_eq!((told, kept), (lost, 200_000 - lost));
    assert_eq!(events.last(), Some(&note("last")));
}

#[test]
fn who_follows_sees_what_is_written_over_the_ends_of_files() {
    let dir = Dir::new();
    let mut writer = Writer::new(config(dir.path(), 1 << 20), Arc::default());
    let mut reader = Reader::open(dir.path()).expect("a directory");
    let mut seen = 0;
    for at in 0..3000_u64 {
        writer.push(
            at * 1000,
            at * 1000,
            0,
            note(&format!("{at} {}", "x".repeat(80))),
        );
        if at % 100 == 0 {
            writer.finish(at * 1000);
        }
        while let Some(found) = reader.next(Tail::Growing).expect("a directory") {
            match found {
                Found::Entry(entry) => {
                    if let Event::Note(note) = entry.event {
                        assert!(note.text.starts_with(&format!("{seen} ")), "{note:?}");
                        seen += 1;
                    }
                }
                other => panic!("{other:?}"),
            }
        }
    }
    assert!(seen > 2800, "{seen}");
}

#[test]
fn a_gap_and_damage_are_told_in_an_export() {
    let dir = Dir::new();
    let mut writer = Writer::new(config(dir.path(), 1 << 20), Arc::default());
    for at in 0..20 {
        writer.push(at, at, 5_000_000, note("odd, \"text\"\nof two lines"));
    }
    writer.finish(20);
    let path = dir.path().join("0000000001.rec");
    let mut bytes = fs::read(&path).expect("the file");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    fs::write(&path, bytes).expect("it is harmed");
    let mut reader = Reader::open(dir.path()).expect("a directory");
    let mut table = Vec::new();
    let done = write_csv(&mut reader, None, &mut table, &mut |_| {}).expect("a table");
    assert_eq!((done.entries, done.missing), (20, 1));
    assert!(done.damaged > 30);
    let text = String::from_utf8(table).expect("text");
    assert!(text.starts_with("time,seq,mono_us,event,boot,"), "{text}");
    assert!(
        text.contains("\"odd, \"\"text\"\"\nof two lines\""),
        "{text}"
    );
}
