//! Test vectors, which the page's twin and Python's are tested with too.

use std::path::Path;

use serde_json::Value;

/// The rows of `list` in `tests/data/control/FILE.json`: name, bytes, and what they mean or why they are refused.
pub(crate) fn vectors(file: &str, list: &str) -> Vec<(String, Vec<u8>, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/control");
    let path = folder.join(file).with_extension("json");
    let file: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let rows = file[list].as_array().unwrap();
    assert!(rows.len() > 1, "{list}");
    let text = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
    let rows = rows.iter().map(|row| {
        let told = row.get("message").unwrap_or(&row["error"]).clone();
        (text(row, "name"), unhex(&text(row, "hex")), told)
    });
    rows.collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}
