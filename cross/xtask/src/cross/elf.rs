//! What a built program asks of the machine that runs it, read off the file.

use std::fmt;
use std::fs;
use std::path::Path;

use object::elf::{self, FileHeader32, FileHeader64, Machine};
use object::read::elf::{Dyn, FileHeader, SectionTable};
use object::{Endianness, FileKind};

use crate::failure::Failure;

/// A program's header, and what its dynamic linker will look for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Program {
    pub(crate) machine: Machine,
    pub(crate) bits: u8,
    /// Bytes of the file.
    pub(crate) size: u64,
    /// It still carries a symbol table.
    pub(crate) symbols: bool,
    /// `None`: static.
    pub(crate) interpreter: Option<String>,
    /// The libraries it names (`DT_NEEDED`).
    pub(crate) needed: Vec<String>,
    /// The versions of their symbols that it was linked against: `GLIBC_2.34`.
    pub(crate) versions: Vec<String>,
}

/// What a program with relative relocations names instead of a version, and the version that has it.
const RELATIVE_RELOCATIONS: &str = "ABI_DT_RELR";
const RELATIVE_RELOCATIONS_SINCE: &str = "2.36";

/// A version as symbols have it: numbers, dots between them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version(Vec<u32>);

impl Program {
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let bytes = fs::read(path).map_err(Failure::io(path.display()))?;
        let no_program =
            |error: object::Error| Failure::new(format!("{}: {error}", path.display()));
        match FileKind::parse(bytes.as_slice()).map_err(no_program)? {
            FileKind::Elf64 => parse::<FileHeader64<Endianness>>(&bytes, 64),
            FileKind::Elf32 => parse::<FileHeader32<Endianness>>(&bytes, 32),
            _ => return Err(Failure::new(format!("{}: no ELF file", path.display()))),
        }
        .map_err(no_program)
    }

    /// The newest version of `name` (`GLIBC`) that a symbol needs.
    pub(crate) fn newest(&self, name: &str) -> Option<Version> {
        self.versions
            .iter()
            .filter_map(|version| version.strip_prefix(name)?.strip_prefix('_'))
            .map(|version| match version {
                RELATIVE_RELOCATIONS => RELATIVE_RELOCATIONS_SINCE,
                version => version,
            })
            .filter_map(Version::parse)
            .max()
    }
}

/// As file(1) would put it.
impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let machine = match self.machine {
            elf::EM_AARCH64 => "ARM aarch64",
            elf::EM_ARM => "ARM",
            elf::EM_X86_64 => "x86-64",
            _ => "another machine",
        };
        write!(f, "ELF {}-bit, {machine}, ", self.bits)?;
        match &self.interpreter {
            Some(interpreter) => write!(f, "dynamic by {interpreter}")?,
            None => write!(f, "static")?,
        }
        write!(f, ", {}stripped", if self.symbols { "not " } else { "" })
    }
}

impl Version {
    /// `None` for what is no number, such as that of `GLIBC_PRIVATE`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        text.split('.')
            .map(|number| number.parse().ok())
            .collect::<Option<_>>()
            .map(Self)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<String> = self.0.iter().map(u32::to_string).collect();
        f.write_str(&numbers.join("."))
    }
}

fn parse<Elf: FileHeader<Endian = Endianness>>(
    bytes: &[u8],
    bits: u8,
) -> Result<Program, object::Error> {
    let header = Elf::parse(bytes)?;
    let endian = header.endian()?;
    let sections = header.sections(endian, bytes)?;
    let mut program = Program {
        machine: header.e_machine(endian),
        bits,
        size: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
        symbols: !sections.symbols(endian, bytes, elf::SHT_SYMTAB)?.is_empty(),
        ..Program::default()
    };
    for segment in header.program_headers(endian, bytes)? {
        use object::read::elf::ProgramHeader as _;
        if let Some(interpreter) = segment.interpreter(endian, bytes)? {
            program.interpreter = Some(text(interpreter));
        }
    }
    program.needed = needed(endian, bytes, &sections)?;
    program.versions = versions(endian, bytes, &sections)?;
    Ok(program)
}

fn needed<Elf: FileHeader<Endian = Endianness>>(
    endian: Endianness,
    bytes: &[u8],
    sections: &SectionTable<'_, Elf>,
) -> Result<Vec<String>, object::Error> {
    let Some((entries, link)) = sections.dynamic(endian, bytes)? else {
        return Ok(Vec::new());
    };
    let strings = sections.strings(endian, bytes, link)?;
    entries
        .iter()
        .filter(|entry| entry.tag(endian) == elf::DT_NEEDED)
        .map(|entry| entry.string(endian, strings).map(text))
        .collect()
}

fn versions<Elf: FileHeader<Endian = Endianness>>(
    endian: Endianness,
    bytes: &[u8],
    sections: &SectionTable<'_, Elf>,
) -> Result<Vec<String>, object::Error> {
    let mut versions = Vec::new();
    let Some((mut libraries, link)) = sections.gnu_verneed(endian, bytes)? else {
        return Ok(versions);
    };
    let strings = sections.strings(endian, bytes, link)?;
    while let Some((_, mut needs)) = libraries.next()? {
        while let Some(need) = needs.next()? {
            versions.push(text(need.name(endian, strings)?));
        }
    }
    Ok(versions)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_test_itself_is_read() {
        let itself = std::env::current_exe().expect("a path");
        let program = Program::read(&itself).expect("an ELF file");
        assert!(program.interpreter.is_some(), "{program:?}");
        assert!(
            program.needed.iter().any(|name| name == "libc.so.6"),
            "{program:?}"
        );
        let glibc = program.newest("GLIBC").expect("symbols of glibc");
        assert!(glibc >= Version(vec![2, 17]), "{glibc}");
        assert_eq!(program.newest("NO_SUCH"), None);
    }

    #[test]
    fn what_is_no_program_is_named() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        let error = Program::read(&here).unwrap_err().to_string();
        assert!(error.contains("Cargo.toml"), "{error}");
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        let version = |text| Version::parse(text).expect("a version");
        assert!(version("2.4") < version("2.36"));
        assert!(version("3.4.9") < version("3.4.30"));
        assert!(version("2.36") < version("2.36.1"));
        assert_eq!(version("2.36").to_string(), "2.36");
        assert_eq!(Version::parse("PRIVATE"), None);
    }
}
