//! [`Refused`]: an error that gives back what was not taken. And the numbers of Linux's errors.
//!
//! Every reason is a type named `...Error`, with a method `errno` that returns what Linux 7.3 returns for the same refusal, as a
//! positive number. Where Linux has no such refusal, `errno` returns the number that is nearest, and its documentation says
//! so. Where there is only one reason the value alone is the error, as it is for `Arc::try_unwrap`.

use core::error::Error;
use core::fmt;

/// The error of a call that took a value and refuses it: why, and the value.
///
/// The value comes back as it was, so nothing is lost or leaked when a call refuses. Rust drops it with the error if the caller
/// does not take it out of [`back`](Self::back); for a handle that is the put.
///
/// ```
/// use netmem::page_pool::{PagePool, PagePoolParams, ShareError};
/// use netmem::{Netmem, Page, Refused, mm::Zone, provider::PageProvider};
///
/// let mut pool = PagePool::<Page>::new(PagePoolParams::default(), PageProvider::new(Zone::new(64)?))?;
/// let memory = pool.alloc().expect("64 pages are free");
/// let Refused { reason, back } = memory.share(0).expect_err("0 references are none");
/// assert_eq!((reason, reason.errno()), (ShareError::Count { n: 0 }, 22));
/// let memory: Netmem<Page> = back;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused<Reason, Back> {
    /// Why the call refused. It tells the caller what to do instead.
    pub reason: Reason,
    /// The value that was not taken.
    pub back: Back,
}

impl<Reason, Back> Refused<Reason, Back> {
    /// Refuses `back`.
    #[inline]
    pub fn new(reason: impl Into<Reason>, back: Back) -> Self {
        Refused { reason: reason.into(), back }
    }
}

impl<Reason: fmt::Display, Back> fmt::Display for Refused<Reason, Back> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(f)
    }
}

impl<Reason: Error, Back: fmt::Debug> Error for Refused<Reason, Back> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.reason.source()
    }
}

/// The numbers of include/uapi/asm-generic/errno-base.h and errno.h.
pub(crate) mod errno {
    pub(crate) const EIO: i32 = 5;
    pub(crate) const E2BIG: i32 = 7;
    pub(crate) const ENOMEM: i32 = 12;
    pub(crate) const EFAULT: i32 = 14;
    pub(crate) const EBUSY: i32 = 16;
    pub(crate) const EEXIST: i32 = 17;
    pub(crate) const ENODEV: i32 = 19;
    pub(crate) const EINVAL: i32 = 22;
    pub(crate) const ENOSPC: i32 = 28;
    pub(crate) const ERANGE: i32 = 34;
    pub(crate) const ENODATA: i32 = 61;
    pub(crate) const EMSGSIZE: i32 = 90;
    pub(crate) const EOPNOTSUPP: i32 = 95;
    pub(crate) const ENETDOWN: i32 = 100;
}
