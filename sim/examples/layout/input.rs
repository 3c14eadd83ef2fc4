//! From a path to facts: raw BTF, the .BTF section of an ELF file, or facts recorded before.

use super::btf;
use super::error::LayoutError;
use super::facts::{self, Facts};
use object::{Object, ObjectSection};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Where the running kernel describes itself.
const RUNNING: &str = "/sys/kernel/btf/vmlinux";
/// More than any vmlinux has, with all of its debug information.
const MAX_LEN: u64 = 4 << 30;

/// Reads the facts of the kernel at `path`, or of the running one, and calls it `name`.
pub(crate) fn read(path: Option<&Path>, name: Option<&str>) -> Result<Facts, LayoutError> {
    let running = Path::new(RUNNING);
    let from = path.unwrap_or(running);
    let file = from.display().to_string();
    let bytes = load(from).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound if path.is_none() => LayoutError::NoBtf,
        _ => LayoutError::Read { file: file.clone(), source },
    })?;
    if bytes.len() as u64 > MAX_LEN {
        return Err(LayoutError::TooLong { file, max: MAX_LEN });
    }
    let mut facts = parse(&file, &bytes)?;
    if let Some(name) = name {
        facts.kernel = name.into();
    } else if from == running {
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease");
        facts.kernel = release.map_or_else(|_| file, |release| release.trim().into());
    } else if facts.kernel.is_empty() {
        facts.kernel = from.file_name().map_or(file, |name| name.to_string_lossy().into_owned());
    }
    Ok(facts)
}

fn load(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_LEN + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads the facts from the bytes of `file`. Only recorded facts name their kernel.
pub(crate) fn parse(file: &str, bytes: &[u8]) -> Result<Facts, LayoutError> {
    if bytes.is_empty() {
        return Err(LayoutError::Empty { file: file.into() });
    }
    if bytes.starts_with(facts::MAGIC.as_bytes()) {
        let text = String::from_utf8_lossy(bytes);
        return Facts::parse(file, &text);
    }
    let facts = if bytes.starts_with(b"\x7fELF") {
        btf::parse(file, section(file, bytes)?)?
    } else if btf::is_btf(bytes) {
        btf::parse(file, bytes)?
    } else if bytes.get(0x202..0x206) == Some(b"HdrS") {
        return Err(LayoutError::Vmlinuz { file: file.into() });
    } else {
        let start = bytes[..bytes.len().min(4)].into();
        return Err(LayoutError::Foreign { file: file.into(), start });
    };
    if facts.of("page").is_none() {
        return Err(LayoutError::NoKernel { file: file.into() });
    }
    Ok(facts)
}

/// The .BTF section of an ELF file.
fn section<'a>(file: &str, bytes: &'a [u8]) -> Result<&'a [u8], LayoutError> {
    let wrong = |error: object::Error| LayoutError::Elf { file: file.into(), what: error.to_string() };
    let elf = object::File::parse(bytes).map_err(wrong)?;
    let section = elf.section_by_name(".BTF").ok_or_else(|| LayoutError::NoSection { file: file.into() })?;
    let data = section.data().map_err(wrong)?;
    if data.is_empty() {
        return Err(LayoutError::Elf { file: file.into(), what: "its .BTF section is empty".into() });
    }
    if !btf::is_btf(data) {
        return Err(LayoutError::Elf { file: file.into(), what: "its .BTF section holds no BTF".into() });
    }
    Ok(data)
}
