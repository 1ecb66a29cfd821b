//! Which machine this is.

use std::fs;

/// Where the device tree names it, on ARM boards.
const MODEL: &str = "/proc/device-tree/model";

/// The model as the device tree names it; `None` on machines without one.
pub fn machine_model() -> Option<String> {
    let bytes = fs::read(MODEL).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim_end_matches('\0').trim();
    (!text.is_empty()).then(|| text.to_owned())
}
