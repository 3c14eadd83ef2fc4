//! [`Kind`]: what is known of a handle's tag.

use super::{NetIov, Page};
use crate::assert::assert_not_impl_any;

mod sealed {
    /// Keeps the set of kinds at three.
    pub trait Sealed {}
}
pub(crate) use sealed::Sealed;

/// What a handle's word is known to point at. Sealed: [`Page`], [`NetIov`], [`PageOrIov`].
///
/// The struct that names the memory is the word that names the type: `Netmem<Page>` is a handle known to point at a
/// page. A known kind costs no tag test, and no conversion turns one known kind into the other (rule C2).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a kind of network memory",
    label = "expected `Page`, `NetIov` or `PageOrIov`",
    note = "the kinds are sealed: memory of a new sort is a `NetIov` with a provider of its own",
    note = "see docs/rules.md#c4"
)]
pub trait Kind: Sealed + core::fmt::Debug + Send + Sync + 'static {
    /// `Some` when the kind decides whether the word is tagged; `None` when only the tag knows.
    #[doc(hidden)]
    const IOV: Option<bool>;
    /// The kind as a reader would write it, for reports.
    #[doc(hidden)]
    const NAME: &'static str;
}

/// The kind of a handle whose memory is known at run time only, by its tag. The default kind of every handle.
#[derive(Debug)]
pub enum PageOrIov {}

assert_not_impl_any!(PageOrIov: Clone, Copy, Default);

impl Sealed for Page {}
impl Sealed for NetIov {}
impl Sealed for PageOrIov {}

#[diagnostic::do_not_recommend]
impl Kind for Page {
    const IOV: Option<bool> = Some(false);
    const NAME: &'static str = "Page";
}
#[diagnostic::do_not_recommend]
impl Kind for NetIov {
    const IOV: Option<bool> = Some(true);
    const NAME: &'static str = "NetIov";
}
#[diagnostic::do_not_recommend]
impl Kind for PageOrIov {
    const IOV: Option<bool> = None;
    const NAME: &'static str = "PageOrIov";
}

/// What the tag said: the checked way from [`PageOrIov`] to a known kind.
///
/// It recovers what went in. There is no arm in which an iov comes out as a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backing<P, I> {
    /// Host memory.
    Page(P),
    /// Memory without a page.
    NetIov(I),
}

impl<P, I> Backing<P, I> {
    /// The page, if it is one.
    pub fn page(self) -> Option<P> {
        match self {
            Backing::Page(page) => Some(page),
            Backing::NetIov(_) => None,
        }
    }

    /// The net_iov, if it is one.
    pub fn net_iov(self) -> Option<I> {
        match self {
            Backing::Page(_) => None,
            Backing::NetIov(iov) => Some(iov),
        }
    }
}
