//! [`ZcrxReceive`]: a packet on its way to a program's memory.

use super::{CopyError, HandOutError, Zcrx};
use crate::errno::{EBUSY, EFAULT};
use core::fmt;
use netmem::Refused;
use netmem::memory::{Backing, NetIov};
use netmem::page_pool::Frag;
use netmem::skb::{MAX_SKB_FRAGS, Skb, SkbFrag};

/// A packet that is being handed to a program that receives by [zcrx](crate::zcrx).
///
/// What the device wrote into the program's memory is passed as it is. What it did not, the linear part and frags that
/// the CPU can read, is copied there. It may take several calls, as the program's completion ring and its buffers are
/// finite; dropping this gives the rest of the packet up.
///
/// ```
/// use netmem_sim::dma::{Coherent, DmaBus};
/// use netmem_sim::Memfd;
/// use netmem_consumers::zcrx::{UserArea, Zcrx, ZcrxParams};
/// use netmem::skb::Skb;
/// use netmem_consumers::zcrx::ZcrxReceive;
/// use std::sync::Arc;
///
/// let device = Arc::new(Coherent::new()).driver_side();
/// let memory = Memfd::new("program", 16 << 12)?;
/// let (zcrx, mut user) = Zcrx::register(ZcrxParams::new(device, 64), UserArea::whole(memory.clone()))?;
///
/// let skb = Skb::copy_from(&[7; 5000]).expect("there is memory");
/// let mut receive = ZcrxReceive::new(skb);
/// assert_eq!(receive.run(&zcrx)?, 5000);
/// let (first, second) = (user.receive()?.expect("4096 bytes"), user.receive()?.expect("the rest"));
/// assert_eq!((first.len(), second.len()), (4096, 904));
/// let mut seen = [0; 904];
/// second.read(0, &mut seen)?;
/// assert_eq!(seen, [7; 904]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ZcrxReceive {
    /// Of this only the linear part is left.
    skb: Skb,
    /// How much of the linear part has been copied.
    linear: usize,
    frags: [Option<SkbFrag>; MAX_SKB_FRAGS],
    /// The frag that comes next, and how much of it has been copied.
    at: usize,
    copied: usize,
}

/// Why a packet, or the rest of it, did not reach the program. The packet is still there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ZcrxError {
    /// It had to be copied and could not be.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// Device memory that the program does not have.
    #[error("frag {frag} is device memory of somebody else's: receive the packet as what it is")]
    NotOurs {
        /// The frag, from 0.
        frag: usize,
    },
    /// The program has 2^32 - 1 pieces of that net_iov.
    #[error("frag {frag} cannot be handed to the program: it has 2^32 - 1 pieces of that net_iov")]
    TooMany {
        /// The frag, from 0.
        frag: usize,
    },
}

impl ZcrxError {
    /// Returns what `io_zcrx_recv_skb` returns. It has no refusal for too many references, because its counter comes round;
    /// EBUSY is the nearest.
    pub fn errno(&self) -> i32 {
        match self {
            ZcrxError::Copy(reason) => reason.errno(),
            ZcrxError::NotOurs { .. } => EFAULT,
            ZcrxError::TooMany { .. } => EBUSY,
        }
    }
}

impl ZcrxReceive {
    /// A packet of which nothing has been handed over.
    pub fn new(mut skb: Skb) -> Self {
        let mut frags = [const { None }; MAX_SKB_FRAGS];
        for (slot, frag) in frags.iter_mut().zip(skb.take_frags()) {
            *slot = Some(frag);
        }
        ZcrxReceive { skb, linear: 0, frags, at: 0, copied: 0 }
    }

    /// How many bytes have not been handed over.
    pub fn left(&self) -> usize {
        let frags: usize = self.frags.iter().flatten().map(|frag| frag.len() as usize).sum();
        self.skb.linear().len() - self.linear + frags - self.copied
    }

    /// Hands over as much as it can, one completion a piece, while the program's completion ring has room. Returns how
    /// many bytes it was; 0 when none are left.
    ///
    /// # Errors
    ///
    /// [`ZcrxError`], when nothing was handed over. Make room and call again.
    #[doc(alias = "io_zcrx_recv_skb")]
    pub fn run(&mut self, zcrx: &Zcrx) -> Result<usize, ZcrxError> {
        let mut done = 0;
        while self.left() != 0 {
            match self.step(zcrx) {
                Ok(bytes) => done += bytes,
                Err(_) if done != 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    /// Hands over the rest of the linear part, or of the next frag.
    fn step(&mut self, zcrx: &Zcrx) -> Result<usize, ZcrxError> {
        let linear = &self.skb.linear()[self.linear..];
        if !linear.is_empty() {
            let copied = zcrx.copy(linear)?;
            self.linear += copied;
            return Ok(copied);
        }
        let at = self.at;
        let Some(slot) = self.frags.get_mut(at) else { return Ok(0) };
        let Some(frag) = slot.take() else {
            self.at += 1;
            return Ok(0);
        };
        let len = frag.len() as usize;
        if len == 0 {
            self.at += 1;
            return Ok(0);
        }
        match split(frag) {
            Backing::NetIov(frag) => {
                if let Err(Refused { reason, back }) = zcrx.post(frag) {
                    let error = match reason {
                        HandOutError::NotOurs => ZcrxError::NotOurs { frag: at },
                        HandOutError::TooMany => ZcrxError::TooMany { frag: at },
                        HandOutError::QueueFull => CopyError::QueueFull.into(),
                    };
                    *slot = Some(SkbFrag::Pool(back.into()));
                    return Err(error);
                }
                self.at += 1;
                Ok(len)
            }
            Backing::Page(frag) => {
                let Some(bytes) = frag.bytes() else {
                    // Memory that was bound for transmit: no pool's, and nothing to copy.
                    *slot = Some(frag);
                    return Err(ZcrxError::NotOurs { frag: at });
                };
                let rest = bytes.get(self.copied..).unwrap_or_default();
                let copied = zcrx.copy_frag(rest);
                let whole = copied.as_ref().is_ok_and(|copied| *copied == rest.len());
                if whole {
                    self.at += 1;
                    self.copied = 0;
                } else {
                    self.copied += copied.as_ref().copied().unwrap_or(0);
                    *slot = Some(frag);
                }
                Ok(copied?)
            }
        }
    }
}

/// What is to be copied, and a pool's memory that cannot be.
fn split(frag: SkbFrag) -> Backing<SkbFrag, Frag<NetIov>> {
    match frag {
        SkbFrag::Pool(frag) => match frag.backing() {
            Backing::Page(frag) => Backing::Page(SkbFrag::Pool(frag.into())),
            Backing::NetIov(frag) => Backing::NetIov(frag),
        },
        other => Backing::Page(other),
    }
}

impl fmt::Debug for ZcrxReceive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ZcrxReceive").field("left", &self.left()).field("next_frag", &self.at).finish()
    }
}
