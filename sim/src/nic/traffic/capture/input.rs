//! [`Input`]: a window that moves over a file, and [`CaptureFile`]: a file that is never waited for without end.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::io::Errno;

/// The longest piece of a file that is held in memory, in bytes.
pub(super) const MAX_BLOCK: usize = 1 << 20;

/// How long a read waits for a pipe that has no bytes for now.
const WAIT: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };

/// A file, a pipe or a terminal, as [`Capture::open`](super::Capture::open) reads it.
///
/// A read that gets nothing for about 20 ms fails with [`ErrorKind::WouldBlock`], so a reader of a pipe whose writer is
/// slow can look after other things.
#[derive(Debug)]
pub struct CaptureFile {
    file: File,
    /// The length in bytes, where it is known beforehand.
    len: Option<u64>,
}

impl CaptureFile {
    /// Opens a file or a pipe. Opening a FIFO does not wait for its writer.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        // CAST: the flags of the system are a C int, and this one is positive.
        let file = OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(path)?;
        Self::new(file)
    }

    /// Reads standard input from where it is.
    pub(super) fn stdin() -> io::Result<Self> {
        // A second descriptor of the same file: nothing is buffered here that another reader of this process would miss.
        Self::new(File::from(io::stdin().as_fd().try_clone_to_owned()?))
    }

    fn new(file: File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(CaptureFile { len: metadata.is_file().then_some(metadata.len()), file })
    }

    /// The length of the file in bytes, as it was when it was opened; `None` for a pipe.
    pub(super) fn len(&self) -> Option<u64> {
        self.len
    }
}

impl Read for CaptureFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.len.is_none() {
            match poll(&mut [PollFd::new(&self.file, PollFlags::IN)], Some(&WAIT)) {
                Ok(0) | Err(Errno::INTR) => return Err(ErrorKind::WouldBlock.into()),
                Ok(_) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.file.read(buffer)
    }
}

/// A window of at most [`MAX_BLOCK`] bytes that moves over a file.
///
/// # Invariants
///
/// `start <= end <= buffer.len()`.
#[derive(Debug)]
pub(super) struct Input<R> {
    reader: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Where the window starts in the file.
    pub(super) offset: u64,
}

impl<R> Input<R> {
    pub(super) fn new(reader: R) -> Self {
        // INVARIANT: nothing was read.
        Input { reader, buffer: vec![0; 1 << 16], start: 0, end: 0, offset: 0 }
    }

    /// What is in the window.
    pub(super) fn data(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// The number at byte `at` of the window, where it must be.
    pub(super) fn u32(&self, at: usize, big_endian: bool) -> u32 {
        let bytes = self.data()[at..].first_chunk().copied().unwrap_or_default();
        if big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    }

    /// The same for a number of two bytes.
    pub(super) fn u16(&self, at: usize, big_endian: bool) -> u16 {
        let bytes = self.data()[at..].first_chunk().copied().unwrap_or_default();
        if big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) }
    }

    /// Moves the window on. What is passed over is not seen again.
    pub(super) fn consume(&mut self, len: usize) {
        let len = len.min(self.end - self.start);
        // INVARIANT: `len` is at most what is left.
        self.start += len;
        self.offset += len as u64;
    }

    /// How far the file was read, in bytes from its start.
    pub(super) fn end_offset(&self) -> u64 {
        self.offset + (self.end - self.start) as u64
    }

    /// How much memory the window has, in bytes.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.buffer.len()
    }
}

impl<R: Read> Input<R> {
    /// Tries to have `len` bytes, at most [`MAX_BLOCK`], in the window. False when the file ends before. After an error
    /// the window is as it was, with what has come: [`ErrorKind::WouldBlock`] is tried again.
    pub(super) fn fill(&mut self, len: usize) -> io::Result<bool> {
        debug_assert!(len <= MAX_BLOCK);
        if self.start + len > self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            // INVARIANT: the same bytes, moved to the front.
            self.end -= self.start;
            self.start = 0;
            if len > self.buffer.len() {
                self.buffer.resize(len.next_power_of_two(), 0);
            }
        }
        while self.end - self.start < len {
            match self.reader.read(&mut self.buffer[self.end..]) {
                Ok(0) => return Ok(false),
                // INVARIANT: a reader that claims more than there was room for is not believed.
                Ok(read) => self.end = self.buffer.len().min(self.end + read),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}
