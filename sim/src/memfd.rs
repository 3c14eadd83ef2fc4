//! [`Memfd`]: a device whose memory is a sealed memfd.

use memmap2::{MmapOptions, MmapRaw};
use netmem::dma::{PeerError, PeerMemory};
use rustix::fs::{MemfdFlags, SealFlags};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// Memory of a "GPU": a memfd, sealed so that its size never changes, as `/dev/udmabuf` wants it.
///
/// The receiving side never maps it. The NIC writes it through the file descriptor, as a device would write over the
/// bus, and whoever owns the memory maps it and looks ([`map`](Self::map)): the one process that can read what arrived.
///
/// ```
/// use netmem::dma::PeerMemory;
/// use netmem_sim::Memfd;
///
/// let gpu = Memfd::new("gpu", 1 << 16)?;
/// gpu.write(4096, b"payload")?;
/// let mut seen = [0; 7];
/// gpu.map()?.read(4096, &mut seen)?;
/// assert_eq!(&seen, b"payload");
/// assert!(gpu.write((1 << 16) - 1, b"ab").is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Memfd {
    fd: OwnedFd,
    len: usize,
}

/// Why there is no such memory.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MemfdError {
    /// It would have no bytes.
    #[error("device memory of {len} bytes is not possible: ask for a multiple of 4096, at least 4096")]
    Size {
        /// What was asked for.
        len: usize,
    },
    /// The process may not write files that are so long.
    #[error(
        "device memory of {len} bytes is a file, and this process may write files of {limit} bytes: raise the limit \
         (ulimit -f), or use less"
    )]
    FileLimit {
        /// What was asked for, in bytes.
        len: usize,
        /// The limit, in bytes.
        limit: u64,
    },
    /// The system refused.
    #[error("cannot {what} device memory of {len} bytes: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// How large it was to be.
        len: usize,
        /// What the system said.
        source: io::Error,
    },
}

impl Memfd {
    /// A sealed memfd of `len` bytes, a multiple of 4096.
    ///
    /// # Errors
    ///
    /// * [`MemfdError::Size`]: the length is not possible.
    /// * [`MemfdError::FileLimit`]: a limit on files (`RLIMIT_FSIZE`) is smaller.
    /// * [`MemfdError::System`]: the system refused.
    pub fn new(name: &str, len: usize) -> Result<Arc<Self>, MemfdError> {
        if len == 0 || len % 4096 != 0 {
            return Err(MemfdError::Size { len });
        }
        // Asked first, because a file that would grow beyond the limit raises SIGXFSZ, which ends the process.
        let limit = rustix::process::getrlimit(rustix::process::Resource::Fsize).current;
        if let Some(limit) = limit.filter(|limit| *limit < len as u64) {
            return Err(MemfdError::FileLimit { len, limit });
        }
        let system = |what| move |error: rustix::io::Errno| MemfdError::System { what, len, source: error.into() };
        let fd = rustix::fs::memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)
            .map_err(system("create"))?;
        rustix::fs::ftruncate(&fd, len as u64).map_err(system("size"))?;
        rustix::fs::fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)
            .map_err(system("seal"))?;
        Ok(Arc::new(Memfd { fd, len }))
    }

    /// The owner's mapping, to read. This is the GPU looking at its own memory.
    ///
    /// # Errors
    ///
    /// [`MemfdError::System`].
    pub fn map(&self) -> Result<MemfdView, MemfdError> {
        let map = MmapOptions::new().len(self.len).map_raw_read_only(&self.fd);
        map.map(|map| MemfdView { map }).map_err(|source| MemfdError::System { what: "map", len: self.len, source })
    }
}

impl PeerMemory for Memfd {
    fn len(&self) -> usize {
        self.len
    }

    fn write(&self, offset: usize, bytes: &[u8]) -> Result<(), PeerError> {
        let refused = PeerError { offset, len: bytes.len() };
        if offset.checked_add(bytes.len()).is_none_or(|end| end > self.len) {
            return Err(refused);
        }
        let mut done = 0;
        while done < bytes.len() {
            match rustix::io::pwrite(&self.fd, &bytes[done..], (offset + done) as u64) {
                Ok(0) => return Err(refused),
                Ok(written) => done += written,
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return Err(refused),
            }
        }
        Ok(())
    }

    fn read(&self, offset: usize, bytes: &mut [u8]) -> Result<(), PeerError> {
        let refused = PeerError { offset, len: bytes.len() };
        if offset.checked_add(bytes.len()).is_none_or(|end| end > self.len) {
            return Err(refused);
        }
        let mut done = 0;
        while done < bytes.len() {
            match rustix::io::pread(&self.fd, &mut bytes[done..], (offset + done) as u64) {
                Ok(0) => return Err(refused),
                Ok(read) => done += read,
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return Err(refused),
            }
        }
        Ok(())
    }
}

/// The memory as its owner sees it.
#[derive(Debug)]
pub struct MemfdView {
    map: MmapRaw,
}

/// A read that leaves the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{len} bytes at offset {offset} leave a device memory of {size} bytes")]
pub struct OutOfBounds {
    /// First byte.
    pub offset: usize,
    /// How many.
    pub len: usize,
    /// How large the memory is.
    pub size: usize,
}

impl MemfdView {
    /// Copies `to.len()` bytes from `offset` on.
    ///
    /// # Errors
    ///
    /// [`OutOfBounds`] when the range leaves the memory.
    pub fn read(&self, offset: usize, to: &mut [u8]) -> Result<(), OutOfBounds> {
        let size = self.map.len();
        if offset.checked_add(to.len()).is_none_or(|end| end > size) {
            return Err(OutOfBounds { offset, len: to.len(), size });
        }
        // SAFETY: the offset is inside the mapping.
        let from = unsafe { self.map.as_ptr().add(offset) };
        // SAFETY: the range is inside the mapping, which the seals keep at its size; `to` is a Rust slice and so is no
        // part of it. The file is written through its descriptor only, by the kernel, which is outside this program's
        // memory model; no reference into the mapping is ever made.
        unsafe { std::ptr::copy_nonoverlapping(from, to.as_mut_ptr(), to.len()) };
        Ok(())
    }
}
