//! What a kernel says of its structs, and the small text file that keeps it.

use super::bits::Bits;
use super::error::LayoutError;
use std::fmt;
use std::path::Path;

/// How a file of facts starts.
pub(crate) const MAGIC: &str = "netmem layout facts 1";

/// A named member of a struct, wherever in its anonymous structs and unions it lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) offset: Bits,
    pub(crate) size: Bits,
}

/// A struct.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Struct {
    pub(crate) name: String,
    pub(crate) size: Bits,
    pub(crate) members: Vec<Member>,
}

/// An enum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Enum {
    pub(crate) name: String,
    pub(crate) size: Bits,
    pub(crate) values: Vec<(String, i128)>,
}

/// All of it. What a kernel does not have is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) kernel: String,
    pub(crate) structs: Vec<Struct>,
    pub(crate) enums: Vec<Enum>,
}

impl Facts {
    /// The struct of this name.
    pub(crate) fn of(&self, name: &str) -> Option<&Struct> {
        self.structs.iter().find(|found| found.name == name)
    }

    /// Writes them where `parse` finds them.
    pub(crate) fn write(&self, file: &Path) -> Result<(), LayoutError> {
        std::fs::write(file, self.to_string())
            .map_err(|source| LayoutError::Write { file: file.display().to_string(), source })
    }

    /// Reads what `write` wrote.
    pub(crate) fn parse(file: &str, text: &str) -> Result<Self, LayoutError> {
        let mut facts = Facts { kernel: String::new(), structs: Vec::new(), enums: Vec::new() };
        let mut in_enum = false;
        for (i, line) in text.lines().enumerate().skip(1).filter(|(_, line)| !line.trim().is_empty()) {
            let wrong =
                |what: &str| LayoutError::Facts { file: file.into(), line: i + 1, what: format!("{line:?} {what}") };
            if line.starts_with('#') {
                continue;
            }
            if let Some(kernel) = line.strip_prefix("kernel ") {
                facts.kernel = kernel.trim().into();
                continue;
            }
            let words: Vec<_> = line.split_whitespace().collect();
            let bits = |word: &str| word.parse::<Bits>().map_err(|()| wrong("has a number of bytes that is none"));
            match (line.starts_with(' '), &*words) {
                (false, ["struct", name, size]) => {
                    facts.structs.push(Struct { name: (*name).into(), size: bits(size)?, members: Vec::new() });
                    in_enum = false;
                }
                (false, ["enum", name, size]) => {
                    facts.enums.push(Enum { name: (*name).into(), size: bits(size)?, values: Vec::new() });
                    in_enum = true;
                }
                (true, [name, value]) if in_enum => {
                    let value = value.parse().map_err(|_| wrong("has a value that is not a whole number"))?;
                    let last = facts.enums.last_mut().ok_or_else(|| wrong("belongs to no enum"))?;
                    last.values.push(((*name).into(), value));
                }
                (true, [name, offset, size]) if !in_enum => {
                    let member = Member { name: (*name).into(), offset: bits(offset)?, size: bits(size)? };
                    let last = facts.structs.last_mut().ok_or_else(|| wrong("belongs to no struct"))?;
                    last.members.push(member);
                }
                _ => return Err(wrong("is no fact")),
            }
        }
        if facts.kernel.is_empty() {
            return Err(LayoutError::Facts { file: file.into(), line: 1, what: "no line names the kernel".into() });
        }
        Ok(facts)
    }
}

impl fmt::Display for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{MAGIC}\n# cargo run --example layout -- --name {:?} --record FILE [PATH]", self.kernel)?;
        writeln!(f, "# struct NAME SIZE, then its members as NAME OFFSET SIZE, in bytes\nkernel {}", self.kernel)?;
        for Struct { name, size, members } in &self.structs {
            writeln!(f, "struct {name} {size}")?;
            members.iter().try_for_each(|it| writeln!(f, "  {} {} {}", it.name, it.offset, it.size))?;
        }
        for Enum { name, size, values } in &self.enums {
            writeln!(f, "enum {name} {size}")?;
            values.iter().try_for_each(|(name, value)| writeln!(f, "  {name} {value}"))?;
        }
        f.write_str("")
    }
}
