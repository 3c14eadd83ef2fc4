//! Signatures that the walk over the API must find (`bad_`) or leave alone (`good_`). It is only documented, never run.
#![allow(unused, missing_docs)]

use std::ops::Deref;

pub trait Kind {}
pub trait Readable: Kind {
    type Bytes;
}
pub trait MemoryKind: Kind {}
pub trait Provider {
    type Kind: MemoryKind;
    fn good_alloc(&self) -> Netmem<Self::Kind>;
    fn bad_page(&self, memory: Netmem<Self::Kind>) -> Netmem<Page>;
}

pub struct Page(());
pub struct NetIov(());
pub struct PageOrIov(());
pub struct NetmemDesc(());
pub struct FreePage(());
pub struct FreeIov(());
impl Kind for Page {}
impl Kind for NetIov {}
impl Kind for PageOrIov {}
impl Readable for Page {
    type Bytes = &'static [u8];
}
impl Readable for PageOrIov {
    type Bytes = Option<&'static [u8]>;
}
impl MemoryKind for Page {}
impl MemoryKind for NetIov {}

pub struct Netmem<K: Kind = PageOrIov>(core::marker::PhantomData<K>);
pub type Any = Netmem;
pub type Hook = Box<dyn Fn(&Page)>;

pub fn bad_plain(iov: &NetIov) -> &Page {
    todo!()
}
pub fn bad_option(iov: &NetIov) -> Option<Result<&Page, ()>> {
    todo!()
}
pub fn bad_owned(iov: FreeIov) -> FreePage {
    todo!()
}
pub fn bad_handle(iov: Netmem<NetIov>) -> Netmem<Page> {
    todo!()
}
pub fn bad_default(any: Netmem) -> Netmem<Page> {
    todo!()
}
pub fn bad_alias(any: Any) -> Netmem<Page> {
    todo!()
}
pub fn bad_view(desc: &NetmemDesc) -> &Page {
    todo!()
}
pub fn bad_raw(iov: *const NetIov) -> *const Page {
    todo!()
}
pub fn bad_generic<K: Kind>(memory: Netmem<K>) -> Netmem<Page> {
    todo!()
}
pub fn bad_where<K>(memory: Netmem<K>) -> Netmem<Page>
where
    K: Kind,
{
    todo!()
}
pub fn bad_choice<A: Kind, B: Kind>(memory: Netmem<A>) -> Netmem<B> {
    todo!()
}
pub fn bad_callback(iov: &NetIov, give: impl FnOnce(&Page)) {}
pub fn bad_callback_where<F>(iov: &NetIov, give: F)
where
    F: FnOnce(Netmem<Page>) -> u32,
{
}
pub fn bad_hook(iov: &NetIov, give: Hook) {}
pub fn bad_pointer(iov: &NetIov, give: fn(&Page)) {}
pub fn bad_returned(page: u32) -> impl Fn(&NetIov) -> Netmem<Page> {
    |_| todo!()
}
pub fn bad_iterator(iovs: &[NetIov]) -> impl Iterator<Item = &Page> {
    [].into_iter()
}
pub fn bad_provider<P: Provider>(memory: Netmem<P::Kind>) -> Netmem<Page> {
    todo!()
}

pub fn good_up(page: &Page) -> &NetmemDesc {
    todo!()
}
pub fn good_forget(page: Netmem<Page>) -> Netmem {
    todo!()
}
pub fn good_same<K: Kind>(memory: &Netmem<K>) -> Netmem<K> {
    todo!()
}
pub fn good_iov(any: Netmem) -> Option<Netmem<NetIov>> {
    todo!()
}
pub fn good_readable<K: Readable>(memory: &Netmem<K>) -> K::Bytes {
    todo!()
}
pub fn good_page(page: Netmem<Page>) -> FreePage {
    todo!()
}
pub fn good_callback(page: &Page, give: impl FnOnce(&NetIov)) {}

pub struct Packet(());

impl NetIov {
    pub fn bad_method(&self) -> &Page {
        todo!()
    }
    pub fn good_method(&self) -> &NetmemDesc {
        todo!()
    }
}
impl<K: Kind> Netmem<K> {
    pub fn bad_method_of_all(&self) -> &Page {
        todo!()
    }
    pub fn good_method_of_all(&self) -> &NetmemDesc {
        todo!()
    }
}
impl Netmem<Page> {
    pub fn good_method_of_pages(&self) -> &Page {
        todo!()
    }
}
/// bad_from
impl From<Netmem<NetIov>> for Netmem<Page> {
    fn from(iov: Netmem<NetIov>) -> Self {
        todo!()
    }
}
/// good_from
impl From<Netmem<Page>> for Netmem {
    fn from(page: Netmem<Page>) -> Self {
        todo!()
    }
}
/// bad_try_from
impl TryFrom<Netmem> for Netmem<Page> {
    type Error = ();
    fn try_from(any: Netmem) -> Result<Self, ()> {
        todo!()
    }
}
/// bad_error
impl TryFrom<Netmem> for Netmem<NetIov> {
    type Error = Netmem<Page>;
    fn try_from(any: Netmem) -> Result<Self, Self::Error> {
        todo!()
    }
}
/// bad_deref
impl Deref for NetIov {
    type Target = Page;
    fn deref(&self) -> &Self::Target {
        todo!()
    }
}
/// bad_as_ref
impl AsRef<Page> for NetIov {
    fn as_ref(&self) -> &Page {
        todo!()
    }
}
/// bad_iterator_of_pages
impl Iterator for FreeIov {
    type Item = Netmem<Page>;
    fn next(&mut self) -> Option<Self::Item> {
        todo!()
    }
}
/// bad_into
impl Into<Netmem<Page>> for &NetIov {
    fn into(self) -> Netmem<Page> {
        todo!()
    }
}

impl Netmem<NetIov> {
    pub fn bytes_bare(&self) -> &[u8] {
        todo!()
    }
    pub fn bytes_to_closure<R>(&self, read: impl FnOnce(&[u8]) -> R) -> R {
        todo!()
    }
    pub fn bytes_checked(&self) -> Option<&[u8]> {
        todo!()
    }
}
impl<K: Kind> Netmem<K> {
    pub fn bytes_of_all(&self) -> Vec<u8> {
        todo!()
    }
    pub fn none_of_all(&self) -> u8 {
        todo!()
    }
}
impl Netmem {
    pub fn bytes_without_check(&self) -> &mut [u8] {
        todo!()
    }
    pub fn none_with_check(&self) -> Option<&[u8]> {
        todo!()
    }
}
impl<K: Readable> Netmem<K> {
    pub fn none_to_closure<R>(&self, read: impl FnOnce(K::Bytes) -> R) -> R {
        todo!()
    }
    pub fn none_readable(&self) -> K::Bytes {
        todo!()
    }
}
