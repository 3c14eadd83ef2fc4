//! [`DevmemUser`]: the program's end of a socket.

use super::piece::{DevmemPiece, Tokens};
use super::uapi::{DmabufToken, MAX_DONTNEED_FRAGS, MAX_DONTNEED_TOKENS};
use super::{CMSG_SPACE, Control, DevmemCmsg, DontneedError, RecvError, Sock};
use crate::alloc::Arc;
use crate::alloc::Vec;
use crate::assert::assert_not_impl_any;
use crate::devmem::EnqueueError;
use crate::piece::{Home, Owed};
use core::fmt;
use netmem::Refused;
use netmem::skb::{MAX_SKB_FRAGS, Skb};
use zerocopy::IntoBytes;

/// How many messages one read asks for: those of a packet with all its frags.
const MESSAGES: usize = MAX_SKB_FRAGS + 1;

/// The program's end of a socket, for a program that behaves: it receives pieces of device memory as values (rule S4).
///
/// [`recv`](Self::recv) makes one [`DevmemPiece`] of each token that the kernel gives. Dropping the piece returns it, from
/// any thread. No token is written by hand, so a piece is not returned twice, and no other piece is returned in its place.
///
/// It makes the calls of [`Sock`], which has the numbers: a read with a control buffer, and `SO_DEVMEM_DONTNEED`. The socket
/// is inside, because a token means another piece in another socket.
///
/// ```
/// use netmem_sim::dma::{Coherent, DmaBus};
/// use netmem::dma::PeerMemory;
/// use netmem::page_pool::{AnyProvider, PagePool, PagePoolParams};
/// use netmem::page_pool::Chunk;
/// use netmem::provider::DmabufProvider;
/// use netmem_sim::Memfd;
/// use netmem::skb::Skb;
/// use netmem_consumers::devmem::{DevmemPart, DevmemUser, Sock};
/// use std::sync::Arc;
///
/// // A packet: 4 bytes of it in host memory, 5 in the GPU's.
/// let device = Arc::new(Coherent::new()).driver_side();
/// let gpu = Memfd::new("gpu", 4096)?;
/// let dmabuf = DmabufProvider::bind(device.clone(), gpu.clone(), &[Chunk { offset: 0, len: 4096 }], 4096)?;
/// let mut pool: PagePool = PagePool::new(PagePoolParams::for_device(device, 4096), AnyProvider::from(dmabuf))?;
/// gpu.write(0, b"bytes")?;
/// let mut skb = Skb::copy_from(b"head").expect("four bytes");
/// skb.add_rx_frag(pool.alloc_frag(5).expect("4096 bytes are free"), 5)?;
///
/// let mut user = DevmemUser::new(Sock::new());
/// user.queue(skb)?;
/// let (mut buffer, mut received) = ([0; 64], Vec::with_capacity(8));
/// assert_eq!(user.recv(&mut buffer, &mut received)?, 9);
/// let [DevmemPart::Copied { len: 4 }, DevmemPart::Piece(piece)] = &received[..] else { panic!("two parts") };
/// let mut seen = [0; 5];
/// piece.read(&*gpu, 0, &mut seen)?;
/// assert_eq!((&buffer[..4], &seen), (&b"head"[..], b"bytes"));
///
/// received.clear(); // gives the piece back
/// assert_eq!((user.settle(), pool.in_use()), (1, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct DevmemUser {
    sock: Sock,
    home: Arc<Tokens>,
}

assert_not_impl_any!(DevmemUser: Clone, Copy, AsMut<Sock>, core::ops::DerefMut);

/// One part of what a read got, in order.
#[derive(Debug)]
pub enum DevmemPart {
    /// The next `len` bytes are the next ones of the reader's buffer.
    Copied {
        /// Length in bytes.
        len: u32,
    },
    /// The next bytes are in a dma-buf.
    Piece(DevmemPiece),
}

impl DevmemUser {
    /// Takes a socket. Tokens that were given before stay numbers.
    pub fn new(sock: Sock) -> Self {
        DevmemUser { sock, home: Arc::new(Home::new(Owed::new())) }
    }

    /// Returns the socket, to look at. There is no `&mut Sock`: two sockets could be swapped, and each would get the
    /// tokens of the other.
    pub fn sock(&self) -> &Sock {
        &self.sock
    }

    /// Queues a packet, behind the others: what the stack does.
    ///
    /// # Errors
    ///
    /// [`EnqueueError`], with the packet, when there is no memory.
    pub fn queue(&mut self, skb: Skb) -> Result<(), Refused<EnqueueError, Skb>> {
        self.sock.queue(skb)
    }

    /// Throws away at most `len` bytes of the queue, as [`Sock::discard`] does.
    pub fn discard(&mut self, len: usize) -> usize {
        self.sock.discard(len)
    }

    /// Reads at most `to.len()` bytes, as [`Sock::recv_devmem`] does, and pushes what it got to `received`: as much as fits
    /// without growing it, and at most 18 parts. Of a readable packet the bytes are in `to`, and `received` gets nothing.
    ///
    /// Pieces that were given back are returned to the kernel first.
    ///
    /// # Errors
    ///
    /// [`RecvError`]; what the error is about is still queued. [`RecvError::Control`] means that `received` is full.
    pub fn recv(&mut self, to: &mut [u8], received: &mut Vec<DevmemPart>) -> Result<usize, RecvError> {
        self.settle();
        let parts = (received.capacity() - received.len()).min(MESSAGES);
        self.home.with(|owed| owed.reserve(parts).map_err(|_| RecvError::NoMemory { pieces: parts }))?;
        let mut space = [0; MESSAGES * CMSG_SPACE];
        let mut control = Control::new(&mut space[..parts * CMSG_SPACE]);
        let got = self.sock.recv_devmem(to, &mut control)?;
        // One value of each message: the buffer is this call's, and is read once.
        for told in control.messages() {
            received.push(match told {
                DevmemCmsg::Linear(told) => DevmemPart::Copied { len: told.frag_size },
                DevmemCmsg::Dmabuf(told) => {
                    self.home.with(Owed::lend);
                    DevmemPart::Piece(DevmemPiece::new(told, self.home.clone()))
                }
            });
        }
        Ok(got)
    }

    /// Returns the pieces that were given back to the kernel, in as few calls of [`Sock::dontneed`] as it takes. Gives how
    /// many pieces the kernel took.
    pub fn settle(&mut self) -> usize {
        let mut returned = 0;
        loop {
            let mut ranges = [DmabufToken::default(); MAX_DONTNEED_TOKENS];
            let used = self.home.with(|owed| fill(&mut ranges, owed.noted()));
            if used == 0 {
                return returned;
            }
            // It cannot be refused: these are whole ranges, and as many as a call takes.
            returned += self.sock.dontneed(ranges[..used].as_bytes()).unwrap_or(0);
        }
    }

    /// Takes back tokens by number, for a program that does not behave: [`Sock::dontneed`].
    ///
    /// # Errors
    ///
    /// As for [`Sock::dontneed`].
    pub fn dontneed(&mut self, optval: &[u8]) -> Result<usize, DontneedError> {
        self.sock.dontneed(optval)
    }

    /// Returns how many pieces the program holds as values.
    pub fn pieces(&self) -> usize {
        self.home.with(|owed| owed.out())
    }
}

/// Moves tokens into ranges, as many as one call takes. Returns how many ranges there are.
fn fill(ranges: &mut [DmabufToken; MAX_DONTNEED_TOKENS], tokens: &mut Vec<u32>) -> usize {
    // The lowest comes out first.
    tokens.sort_unstable_by(|one, other| other.cmp(one));
    let mut used = 0_usize;
    for _ in 0..MAX_DONTNEED_FRAGS {
        let Some(&token) = tokens.last() else { break };
        let last = used.checked_sub(1).and_then(|last| ranges.get_mut(last));
        match last {
            // A token is at most 2^31 - 1, so the sum does not overflow.
            Some(last) if last.token_start + last.token_count == token => last.token_count += 1,
            _ => match ranges.get_mut(used) {
                Some(range) => {
                    *range = DmabufToken { token_start: token, token_count: 1 };
                    used += 1;
                }
                None => break,
            },
        }
        tokens.pop();
    }
    used
}

impl Drop for DevmemUser {
    /// Closes the socket: what the program holds goes back to its pool, and its pieces are not read any more
    /// ([`PieceError::Closed`](crate::PieceError::Closed)).
    fn drop(&mut self) {
        // Before the socket's own drop, which gives the memory away.
        self.home.close();
    }
}

impl fmt::Debug for DevmemUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DevmemUser").field("pieces", &self.pieces()).field("sock", &self.sock).finish()
    }
}
