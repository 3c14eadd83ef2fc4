//! D1 over all signatures: a handle of a net_iov gives no bytes, and one that may be of a net_iov gives them as an
//! `Option` or a `Result`.

use crate::json::{apis, made_up};
use crate::kinds::{Memory, Signature, World, signatures};
use std::collections::BTreeSet;

/// The functions that may, by their line in docs/api.txt, and why.
const EXCEPTIONS: [(&str, &str); 3] = [
    (
        "pub fn netmem::PagePool<K>::read_and_reuse<H: netmem::page_pool::Readable, R>\
         (&self, netmem::page_pool::Received<H>, \
         impl core::ops::function::FnOnce(<H as netmem::page_pool::Readable>::Bytes) -> R) \
         -> core::result::Result<(netmem::Frag<H>, R), netmem::Refused<netmem::page_pool::SyncError, netmem::page_pool::Received<H>>>",
        "the bytes are those of the memory, whose kind is H; K is the pool's",
    ),
    (
        "pub fn netmem_drivers::gve::netmem::Ring<H>::new(&mut H, usize, netmem::page_pool::pool::PagePool, \
         core::option::Option<netmem::page_pool::pool::PagePool<netmem::memory::page::Page>>, core::option::Option<netmem_drivers::gve::Filter>) \
         -> core::result::Result<Self, netmem_drivers::port::PortError>",
        "a filter is given headers from the pool of pages, or bytes that were checked",
    ),
    (
        "pub fn netmem_drivers::gve::devmem::Ring<H>::new(&mut H, usize, netmem::page_pool::pool::PagePool, netmem::page_pool::pool::PagePool<netmem::memory::page::Page>, \
         core::option::Option<netmem_drivers::gve::Filter>) \
         -> core::result::Result<Self, netmem_drivers::port::PortError> \
         where <H as netmem::netdev::hardware::Hardware>::Rx: netmem::netdev::device::UnreadableRx",
        "a filter is given headers from the pool of pages",
    ),
];

/// Takes memory that is or may be a net_iov, and gives bytes as if it were a page.
fn reads(signature: &Signature) -> bool {
    let known = signature.inputs.contains(&Memory::NetIov) && (signature.bytes || signature.checked_bytes);
    let unknown = signature.inputs.contains(&Memory::PageOrIov) && signature.bytes;
    known || unknown
}

#[test]
fn no_signature_takes_a_net_iov_and_gives_bytes() {
    let Some(apis) = apis() else { return };
    let world = World::new(apis.iter().map(|api| &api.krate));
    let (mut with_bytes, mut lines) = (0, BTreeSet::new());
    for api in apis {
        let signatures = signatures(&world, &api.krate);
        with_bytes += signatures.iter().filter(|it| (it.bytes || it.checked_bytes) && !it.inputs.is_empty()).count();
        lines.extend(signatures.iter().filter(|it| reads(it)).map(|it| api.line(it.id)));
    }
    assert!(with_bytes > 10, "too few are seen: {with_bytes}");
    let new: Vec<_> = lines.iter().filter(|line| !EXCEPTIONS.iter().any(|(known, _)| known == *line)).collect();
    let stale: Vec<_> = EXCEPTIONS.iter().filter(|(line, _)| !lines.contains(line)).collect();
    assert!(new.is_empty(), "these read memory that may be a net_iov (D1): {new:#?}");
    assert!(stale.is_empty(), "these exceptions are of no function that does: {stale:#?}");
}

#[test]
fn a_signature_that_reads_a_net_iov_is_found() {
    let Some(krate) = made_up() else { return };
    let all = signatures(&World::new([krate]), krate);
    let names = [
        "bytes_bare",
        "bytes_checked",
        "bytes_of_all",
        "bytes_to_closure",
        "bytes_without_check",
        "none_of_all",
        "none_readable",
        "none_to_closure",
        "none_with_check",
    ];
    for name in names {
        let mut of_name = all.iter().filter(|it| krate.index[&it.id].name.as_deref() == Some(name)).peekable();
        assert!(of_name.peek().is_some(), "{name} is not there");
        assert_eq!(of_name.any(reads), name.starts_with("bytes_"), "{name}");
    }
}
