//! A log as the agent writes it, for readers that others wrote.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::Path;
use std::time::Duration;

use transom_record::{
    Event, Note, Reader, Recorder, RecorderConfig, Setpoint, StoreConfig, boot_id, write_csv,
    write_mcap,
};

/// Writes the log itself to `dir/ring`, and it as `dir/log.csv` and `dir/log.mcap`.
pub(crate) fn write(dir: &Path) -> Result<(), String> {
    let ring = dir.join("ring");
    let recorder = Recorder::start(RecorderConfig {
        store: StoreConfig {
            dir: ring.clone(),
            max_bytes: 1 << 20,
        },
        sync_after: Duration::from_secs(10),
        boot: boot_id(),
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    });
    let recorder = recorder.map_err(|error| error.to_string())?;
    for (at, event) in (1..).zip(Event::kinds()) {
        recorder.record(at, event);
    }
    for at in 0..500_i16 {
        let mut axes = [0; 8];
        axes[0] = at * 60;
        axes[1] = -at;
        recorder.record(
            1000 + at.unsigned_abs() as u64,
            Event::Setpoint(Setpoint {
                seq: at.unsigned_abs().into(),
                age_us: (at > 0).then_some(40_000),
                axes,
            }),
        );
    }
    recorder.record(
        5000,
        Event::Note(Note {
            warning: true,
            text: "with, \"quotes\"\nand two lines, für alle".to_owned(),
        }),
    );
    recorder.finish();
    if recorder.figures().lost_in_queue() > 0 {
        return Err("the queue was too short".to_owned());
    }
    let open = || Reader::open(&ring).map_err(|error| error.to_string());
    let create = |name: &str| {
        let file = File::create(dir.join(name));
        file.map(BufWriter::new).map_err(|error| error.to_string())
    };
    let table = write_csv(&mut open()?, None, &mut create("log.csv")?, &mut |_| {});
    let viewer = write_mcap(&mut open()?, None, create("log.mcap")?, &mut |_| {});
    let (table, viewer) = (
        table.map_err(|error| error.to_string())?,
        viewer.map_err(|error| error.to_string())?,
    );
    if table != viewer {
        return Err(format!("{table:?}, and {viewer:?}"));
    }
    fs::write(dir.join("entries"), table.entries.to_string()).map_err(|error| error.to_string())
}
