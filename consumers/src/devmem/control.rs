//! [`Control`]: the control messages of one read.

use super::uapi::{DmabufCmsg, SCM_DEVMEM_DMABUF, SCM_DEVMEM_LINEAR, SOL_SOCKET};
use crate::errno::ETOOSMALL;
use static_assertions::const_assert_eq;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `struct cmsghdr` of 64-bit Linux.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Cmsghdr {
    /// Header and payload, without the padding behind.
    cmsg_len: u64,
    cmsg_level: i32,
    cmsg_type: i32,
}

const HEADER: usize = size_of::<Cmsghdr>();

/// How many bytes of control buffer one message takes: `CMSG_SPACE(sizeof(struct dmabuf_cmsg))`.
pub const CMSG_SPACE: usize = HEADER + size_of::<DmabufCmsg>();

const_assert_eq!(CMSG_SPACE, 40);
// No padding: CMSG_LEN and CMSG_SPACE are the same.
const_assert_eq!(CMSG_SPACE % size_of::<u64>(), 0);

/// The reader's control buffer, `msg_control`, and what was written to it.
///
/// Messages are whole or not there: one that does not fit ends the read, and what it would have told stays in the
/// socket. Linux once cut them short, and user space lost a token for good (18912c520674).
#[derive(Debug)]
pub struct Control<'a> {
    buffer: &'a mut [u8],
    used: usize,
}

/// No room for one more control message, and nothing was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{left} bytes of control buffer are left, and a message takes {CMSG_SPACE}: give a larger one")]
pub struct ControlError {
    /// Bytes that are left.
    pub left: usize,
}

impl ControlError {
    /// Returns ETOOSMALL (525), as `put_cmsg_notrunc` does.
    pub fn errno(&self) -> i32 {
        ETOOSMALL
    }
}

/// What one control message tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DevmemCmsg {
    /// The next `frag_size` bytes are the next ones of the reader's buffer.
    #[doc(alias = "SCM_DEVMEM_LINEAR")]
    Linear(DmabufCmsg),
    /// The next `frag_size` bytes are in a dma-buf.
    #[doc(alias = "SCM_DEVMEM_DMABUF")]
    Dmabuf(DmabufCmsg),
}

impl<'a> Control<'a> {
    /// A control buffer with nothing in it. Any length and alignment will do.
    pub fn new(buffer: &'a mut [u8]) -> Self {
        Control { buffer, used: 0 }
    }

    /// Bytes that are left.
    #[doc(alias = "msg_controllen")]
    pub fn left(&self) -> usize {
        self.buffer.len() - self.used
    }

    /// What was written.
    pub fn as_bytes(&self) -> &[u8] {
        &self.buffer[..self.used]
    }

    /// What was written, read again as user space does.
    pub fn messages(&self) -> Messages<'_> {
        Messages::new(self.as_bytes())
    }

    /// Writes a message, whole or not at all.
    #[doc(alias = "put_cmsg_notrunc")]
    pub(super) fn put(&mut self, message: DevmemCmsg) -> Result<(), ControlError> {
        let left = self.left();
        let (cmsg_type, payload) = match message {
            DevmemCmsg::Linear(payload) => (SCM_DEVMEM_LINEAR, payload),
            DevmemCmsg::Dmabuf(payload) => (SCM_DEVMEM_DMABUF, payload),
        };
        let Some(space) = self.buffer[self.used..].get_mut(..CMSG_SPACE) else { return Err(ControlError { left }) };
        let header = Cmsghdr { cmsg_len: CMSG_SPACE as u64, cmsg_level: SOL_SOCKET, cmsg_type };
        let (head, body) = space.split_at_mut(HEADER);
        head.copy_from_slice(header.as_bytes());
        body.copy_from_slice(payload.as_bytes());
        self.used += CMSG_SPACE;
        Ok(())
    }
}

/// The messages about device memory in a control buffer: the loop over `CMSG_NXTHDR` that user space writes.
///
/// The bytes may be anything. Messages of other kinds are skipped, and one whose length is wrong ends the iteration.
#[derive(Clone, Debug)]
pub struct Messages<'a> {
    left: &'a [u8],
}

impl<'a> Messages<'a> {
    /// Looks for messages in what a read has written.
    pub fn new(control: &'a [u8]) -> Self {
        Messages { left: control }
    }
}

impl Iterator for Messages<'_> {
    type Item = DevmemCmsg;

    fn next(&mut self) -> Option<DevmemCmsg> {
        // Each round consumes a header at least.
        loop {
            let (header, _) = Cmsghdr::read_from_prefix(self.left).ok()?;
            let len = usize::try_from(header.cmsg_len).ok()?;
            let payload = self.left.get(HEADER..len)?;
            // The last message may lack its padding.
            self.left = self.left.get(len.next_multiple_of(size_of::<u64>())..).unwrap_or_default();
            let payload = DmabufCmsg::read_from_prefix(payload).map(|(payload, _)| payload);
            match (header.cmsg_level, header.cmsg_type, payload) {
                (SOL_SOCKET, SCM_DEVMEM_LINEAR, Ok(payload)) => return Some(DevmemCmsg::Linear(payload)),
                (SOL_SOCKET, SCM_DEVMEM_DMABUF, Ok(payload)) => return Some(DevmemCmsg::Dmabuf(payload)),
                _ => {}
            }
        }
    }
}
