//! What a program for a board may ask of it: no more than a fresh Debian 12 has, and little of its card.

use crate::cross::elf::{Program, Version};
use crate::cross::target::{Libc, Target, named};

/// The newest symbols of Debian 12's libraries.
const NEWEST: &[(&str, &str)] = &[
    // libc6 2.36
    ("GLIBC", "2.36"),
    // libstdc++6 12.2, libgcc-s1 12.2
    ("GLIBCXX", "3.4.30"),
    ("CXXABI", "1.3.13"),
    ("GCC", "12.0.0"),
];

/// The libraries that every Debian has, and ALSA's.
const PRESENT: &[&str] = &[
    "ld-linux-aarch64.so.1",
    "ld-linux-armhf.so.3",
    "ld-linux-x86-64.so.2",
    "libasound.so.2",
    "libc.so.6",
    "libdl.so.2",
    "libgcc_s.so.1",
    "libm.so.6",
    "libpthread.so.0",
    "librt.so.1",
    "libstdc++.so.6",
];

/// A program of the packages is to stay below this, in bytes.
const SIZE_LIMIT: u64 = 8_000_000;

/// That `program`, in the build that packages hold, has grown beyond what a board's card is to bear.
pub(crate) fn too_large(program: &Program) -> Option<String> {
    (program.size >= SIZE_LIMIT).then(|| {
        format!(
            "it has {} bytes, and is to stay below {SIZE_LIMIT}: see what grew (`nm --size-sort` on a build \
             with `strip = false`), and let what need not be fast be built small in [profile.dist.package]",
            program.size
        )
    })
}

/// What makes `program` unfit for `target`, each in a line that names the mend.
pub(crate) fn complaints(program: &Program, target: &Target) -> Vec<String> {
    let mut complaints = Vec::new();
    if program.machine != target.machine {
        complaints.push(format!("it is {program}, which {} cannot run", target.name));
    }
    if matches!(target.libc, Libc::Musl) {
        if let Some(interpreter) = &program.interpreter {
            complaints.push(format!(
                "it is to be static, and asks for {interpreter}: is `crt-static` switched off?"
            ));
        }
        return complaints;
    }
    for (name, newest) in NEWEST {
        let (need, newest) = (program.newest(name), Version::parse(newest));
        if let (Some(need), Some(newest)) = (need, newest)
            && need > newest
        {
            let by_zig = match named(target.name) {
                Some(_) => format!(", or with `cargo xtask cross {} --zig`", target.name),
                None => String::new(),
            };
            complaints.push(format!(
                "it needs {name} {need}, and Debian 12 has {newest}: build on Debian 12{by_zig}"
            ));
        }
    }
    for library in &program.needed {
        if !PRESENT.contains(&library.as_str()) {
            complaints.push(format!(
                "it needs {library}, which a fresh board lacks: link it statically, or leave out \
                 the feature that wants it"
            ));
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(versions: &[&str], needed: &[&str]) -> Program {
        Program {
            machine: object::elf::EM_AARCH64,
            bits: 64,
            interpreter: Some("/lib/ld-linux-aarch64.so.1".to_owned()),
            needed: needed.iter().map(|&name| name.to_owned()).collect(),
            versions: versions.iter().map(|&name| name.to_owned()).collect(),
            ..Program::default()
        }
    }

    fn told(program: &Program, target: &str) -> String {
        complaints(program, named(target).expect("a target")).join("\n")
    }

    #[test]
    fn what_debian_12_has_is_enough() {
        let fit = program(
            &["GLIBC_2.17", "GLIBC_2.36", "GLIBCXX_3.4.30", "GCC_3.0"],
            &["libc.so.6", "libasound.so.2"],
        );
        assert_eq!(told(&fit, "aarch64-gnu"), "");
    }

    #[test]
    fn a_newer_library_is_refused_by_name_and_with_a_mend() {
        let newer = told(&program(&["GLIBC_2.17", "GLIBC_2.38"], &[]), "aarch64-gnu");
        assert!(
            newer.contains("GLIBC 2.38") && newer.contains("2.36") && newer.contains("--zig"),
            "{newer}"
        );
        let newer = told(&program(&["GLIBCXX_3.4.32"], &[]), "aarch64-gnu");
        assert!(newer.contains("GLIBCXX 3.4.32"), "{newer}");
        let unknown = told(&program(&[], &["libv4l2.so.0"]), "aarch64-gnu");
        assert!(unknown.contains("libv4l2.so.0"), "{unknown}");
    }

    #[test]
    fn a_program_that_has_grown_is_refused() {
        let of = |size| {
            too_large(&Program {
                size,
                ..Program::default()
            })
        };
        assert_eq!(of(SIZE_LIMIT - 1), None);
        let told = of(SIZE_LIMIT).expect("too large");
        assert!(
            told.contains("8000000") && told.contains("[profile.dist"),
            "{told}"
        );
    }

    #[test]
    fn another_machine_and_a_shared_musl_are_refused() {
        let other = told(&program(&[], &[]), "armv7-gnu");
        assert!(other.contains("aarch64"), "{other}");
        let shared = told(&program(&[], &[]), "aarch64-musl");
        assert!(shared.contains("ld-linux-aarch64.so.1"), "{shared}");
    }
}
