//! Why there is nothing to compare with.

use std::io;

/// Why a kernel's layouts could not be read, or not be written down.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LayoutError {
    /// The running kernel does not describe itself.
    #[error(
        "there is no /sys/kernel/btf/vmlinux: this kernel has no CONFIG_DEBUG_INFO_BTF, or /sys is not mounted; name a \
         vmlinux with a .BTF section, as Debian's linux-headers packages carry one"
    )]
    NoBtf,
    /// A file that cannot be opened or read.
    #[error("cannot read {file}: {source}")]
    Read { file: String, source: io::Error },
    /// A file that cannot be written.
    #[error("cannot write {file}: {source}")]
    Write { file: String, source: io::Error },
    /// A file that does not end.
    #[error("{file} is longer than {max} bytes, which no vmlinux is: name the kernel's BTF or its vmlinux")]
    TooLong { file: String, max: u64 },
    /// A file of no bytes.
    #[error("{file} is empty: was it written to the end?")]
    Empty { file: String },
    /// Something else.
    #[error(
        "{file} is neither BTF nor ELF nor recorded facts: it starts with {start:02x?}; name /sys/kernel/btf/vmlinux or \
         a vmlinux with a .BTF section"
    )]
    Foreign { file: String, start: Vec<u8> },
    /// A kernel as it is booted.
    #[error(
        "{file} is a kernel image (vmlinuz), which has its BTF compressed inside: unpack it with the kernel's \
         scripts/extract-vmlinux and name the result"
    )]
    Vmlinuz { file: String },
    /// An ELF file that contradicts itself.
    #[error("{file} is a damaged ELF file ({what}): copy it or unpack it again")]
    Elf { file: String, what: String },
    /// An ELF file without BTF.
    #[error(
        "{file} has no .BTF section: name a vmlinux that was built with CONFIG_DEBUG_INFO_BTF, as Debian's \
         linux-headers packages carry one"
    )]
    NoSection { file: String },
    /// BTF that ends too early.
    #[error("the BTF of {file} is cut off: it has {have} bytes and its header says {need}; copy it again")]
    CutOff { file: String, have: usize, need: u64 },
    /// BTF of a format that is not known.
    #[error("the BTF of {file} has {what}, which is newer than this program: compare with an older kernel's")]
    Newer { file: String, what: String },
    /// BTF that contradicts itself.
    #[error("the BTF of {file} is damaged ({what}): copy it again")]
    Damaged { file: String, what: String },
    /// BTF that is only half of it.
    #[error(
        "the BTF of {file} is that of a module and builds on its kernel's: name the kernel's /sys/kernel/btf/vmlinux"
    )]
    Module { file: String },
    /// BTF of something else.
    #[error("{file} describes no struct page, so it is not a kernel's: name /sys/kernel/btf/vmlinux or a vmlinux")]
    NoKernel { file: String },
    /// Facts that nobody recorded like that.
    #[error("{file}, line {line}: {what}; record the facts again with --record")]
    Facts { file: String, line: usize, what: String },
}
