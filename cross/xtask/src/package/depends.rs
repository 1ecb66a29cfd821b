//! What a package depends on, read off its program.

use std::collections::BTreeSet;

use crate::cross::{Program, SymbolVersion};
use crate::failure::Failure;

/// The release of GCC whose libstdc++ brought these symbols, and so Debian's version of it
/// (<https://gcc.gnu.org/onlinedocs/libstdc++/manual/abi.html>). Oldest last.
const LIBSTDCXX: &[(&str, &str)] = &[
    ("3.4.30", "12"),
    ("3.4.29", "11"),
    ("3.4.28", "10"),
    ("3.4.26", "9"),
    ("3.4.25", "8"),
    ("3.4.22", "6"),
    ("3.4.21", "5.2"),
    ("3.4.20", "4.9"),
    ("3.4", "4.8"),
];

/// The packages of the libraries that `program` names, each as new as the symbols that it uses.
pub(super) fn libraries(program: &Program) -> Result<BTreeSet<String>, Failure> {
    program
        .needed
        .iter()
        .map(|name| library(name, program))
        .collect()
}

fn library(name: &str, program: &Program) -> Result<String, Failure> {
    let at_least = |package: &str, version: Option<String>| match version {
        Some(version) => format!("{package} (>= {version})"),
        None => package.to_owned(),
    };
    let newest = |symbols| program.newest(symbols);
    Ok(match name {
        "libc.so.6" | "libdl.so.2" | "libm.so.6" | "libpthread.so.0" | "librt.so.1" => {
            at_least("libc6", newest("GLIBC").map(|v| v.to_string()))
        }
        name if name.starts_with("ld-linux") => {
            at_least("libc6", newest("GLIBC").map(|v| v.to_string()))
        }
        "libgcc_s.so.1" => at_least("libgcc-s1", newest("GCC").map(|v| v.to_string())),
        "libstdc++.so.6" => {
            let version = newest("GLIBCXX").and_then(|need| libstdcxx(&need));
            at_least("libstdc++6", version.map(str::to_owned))
        }
        // Its name tells how wide its time is; on Debian 13 the other one provides this one. Its
        // symbols' versions are older than any Debian.
        "libasound.so.2" => "libasound2 (>= 1.2.8) | libasound2t64".to_owned(),
        other => {
            return Err(Failure::new(format!(
                "no package is known that has {other}: add it to cross/xtask/src/package/depends.rs"
            )));
        }
    })
}

fn libstdcxx(need: &SymbolVersion) -> Option<&'static str> {
    let enough = |has: &str| SymbolVersion::parse(has).is_some_and(|has| has <= *need);
    let found = LIBSTDCXX.iter().find(|(symbols, _)| enough(symbols));
    found.map(|(_, gcc)| *gcc)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(needed: &[&str], versions: &[&str]) -> Program {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Program {
            needed: owned(needed),
            versions: owned(versions),
            ..Program::default()
        }
    }

    #[test]
    fn each_library_is_as_new_as_the_symbols_in_use() {
        let program = program(
            &[
                "libc.so.6",
                "libm.so.6",
                "ld-linux-aarch64.so.1",
                "libgcc_s.so.1",
                "libstdc++.so.6",
                "libasound.so.2",
            ],
            &[
                "GLIBC_2.17",
                "GLIBC_2.34",
                "GCC_3.0",
                "GCC_4.2.0",
                "GLIBCXX_3.4.9",
                "GLIBCXX_3.4.29",
                "ALSA_0.9",
            ],
        );
        let names: Vec<String> = libraries(&program).expect("known").into_iter().collect();
        assert_eq!(
            names,
            [
                "libasound2 (>= 1.2.8) | libasound2t64",
                "libc6 (>= 2.34)",
                "libgcc-s1 (>= 4.2.0)",
                "libstdc++6 (>= 11)",
            ]
        );
    }

    #[test]
    fn an_unknown_library_is_named() {
        let error = libraries(&program(&["libv4l2.so.0"], &[])).unwrap_err();
        assert!(error.to_string().contains("libv4l2.so.0"), "{error}");
    }
}
