//! "Never cast the other way around", over all signatures at once: what takes memory that may be a net_iov gives no page.
//!
//! compile-fail/ proves single lines; this finds the function that somebody adds next year.

use crate::json::{apis, made_up};
use crate::kinds::{Memory, Signature, World, signatures};
use rustdoc_types::Id;
use std::collections::{BTreeMap, BTreeSet};

/// The functions that may, by their line in docs/api.txt, and why.
const EXCEPTIONS: [(&str, &str); 18] = [
    (
        "pub fn netmem::NetmemRef<'a, K>::backing(self) -> netmem::Backing<&'a netmem::Page, &'a netmem::NetIov>",
        "the check itself: each arm has what went in, by the tag",
    ),
    (
        "pub fn netmem::Netmem::backing(self) -> netmem::Backing<netmem::Netmem<netmem::Page>, netmem::Netmem<netmem::NetIov>>",
        "the check of an owned handle",
    ),
    (
        "pub fn netmem::Frag::backing(self) -> netmem::Backing<netmem::Frag<netmem::Page>, netmem::Frag<netmem::NetIov>>",
        "the check of a frag",
    ),
    (
        "pub fn netmem::NetmemRef<'a, netmem::Page>::try_from(netmem::NetmemRef<'a>) -> core::result::Result<Self, Self::Error>",
        "the check: `Err` is the net_iov that it is",
    ),
    (
        "pub fn netmem::NetmemRef<'a, netmem::NetIov>::try_from(netmem::NetmemRef<'a>) -> core::result::Result<Self, Self::Error>",
        "the check the other way: `Err` is the page that it was all along",
    ),
    (
        "pub fn netmem::Netmem<netmem::Page>::try_from(netmem::Netmem) -> core::result::Result<Self, Self::Error>",
        "the check: `Err` is the net_iov that it is",
    ),
    (
        "pub fn netmem::Netmem<netmem::NetIov>::try_from(netmem::Netmem) -> core::result::Result<Self, Self::Error>",
        "the check the other way: `Err` is the page that it was all along",
    ),
    (
        "pub fn netmem::Frag<netmem::Page>::try_from(netmem::Frag) -> core::result::Result<Self, Self::Error>",
        "the check: `Err` is the net_iov that it is",
    ),
    (
        "pub fn netmem::Frag<netmem::NetIov>::try_from(netmem::Frag) -> core::result::Result<Self, Self::Error>",
        "the check the other way: `Err` is the page that it was all along",
    ),
    (
        "pub fn netmem::skb::SkbFrag::page(&self) -> core::option::Option<&netmem::Page>",
        "the check of a packet's frag: `None` for a net_iov",
    ),
    (
        "pub fn netmem::skb::FragRef<'a>::page(self) -> core::option::Option<&'a netmem::Page>",
        "the check of a packet's frag that is looked at: `None` for a net_iov",
    ),
    (
        "pub fn netmem::shim::skb_frag_page(netmem::skb::FragRef<'_>) -> core::option::Option<&netmem::Page>",
        "`FragRef::page` under C's name",
    ),
    (
        "pub fn netmem::shim::netmem_to_page<K: netmem::Kind>(netmem::NetmemRef<'_, K>) -> core::option::Option<&netmem::Page>",
        "`NetmemRef::backing` under C's name: `None` for a net_iov",
    ),
    (
        "pub fn netmem::PagePool<K>::sync_for_cpu<H: netmem::Kind>(&self, netmem::page_pool::Received<H>) \
         -> core::result::Result<netmem::Frag<H>, netmem::Refused<netmem::page_pool::SyncError, netmem::page_pool::Received<H>>>",
        "memory keeps its own kind, H; K is the pool's, and another pool's memory comes back as an error",
    ),
    (
        "pub fn netmem::shim::page_pool_dma_sync_netmem_for_cpu<K: netmem::page_pool::PoolKind, H: netmem::Kind>\
         (&netmem::PagePool<K>, netmem::page_pool::Received<H>) \
         -> core::result::Result<netmem::Frag<H>, netmem::Refused<netmem::page_pool::SyncError, netmem::page_pool::Received<H>>>",
        "`PagePool::sync_for_cpu` under C's name",
    ),
    (
        "pub fn netmem::PagePool<K>::read_and_reuse<H: netmem::page_pool::Readable, R>\
         (&self, netmem::page_pool::Received<H>, \
         impl core::ops::function::FnOnce(<H as netmem::page_pool::Readable>::Bytes) -> R) \
         -> core::result::Result<(netmem::Frag<H>, R), netmem::Refused<netmem::page_pool::SyncError, netmem::page_pool::Received<H>>>",
        "as `PagePool::sync_for_cpu`",
    ),
    (
        "pub fn netmem::netdev::XdpBuff::receive<P: netmem::page_pool::PoolKind, K: netmem::Kind>\
         (&netmem::PagePool<P>, netmem::page_pool::Received<K>) \
         -> core::result::Result<Self, netmem::Refused<netmem::netdev::XdpReceiveError, netmem::page_pool::Received<K>>> \
         where netmem::Frag: core::convert::From<netmem::Frag<K>>",
        "memory keeps its own kind, K: only a page is given as a packet, and what is none comes back; P is the pool's",
    ),
    (
        "pub fn netmem::netdev::RxRing<Q, K>::stop(self) -> impl core::iter::traits::iterator::Iterator<\
         Item = (netmem::page_pool::Received<K>, core::option::Option<netmem::page_pool::Received<netmem::Page>>)>",
        "the page beside a buffer is the header's, which went in as a page from a pool of pages (P2)",
    ),
];

/// Takes memory that may be a net_iov, and gives a page.
fn casts_back(signature: &Signature) -> bool {
    signature.takes_net_iov() && signature.outputs.contains(&Memory::Page)
}

/// The functions that do it for some choice of kinds, with the choices.
fn found(signatures: &[Signature]) -> BTreeMap<Id, Vec<&str>> {
    let mut found = BTreeMap::<_, Vec<_>>::new();
    for signature in signatures.iter().filter(|signature| casts_back(signature)) {
        found.entry(signature.id).or_default().push(signature.choice.as_str());
    }
    found
}

#[test]
fn no_signature_takes_a_net_iov_and_gives_a_page() {
    let Some(apis) = apis() else { return };
    let world = World::new(apis.iter().map(|api| &api.krate));
    let (mut functions, mut taking, mut lines) = (0, 0, BTreeMap::new());
    for api in apis {
        let signatures = signatures(&world, &api.krate);
        let own: BTreeSet<_> = signatures.iter().map(|signature| signature.id).collect();
        let own_taking: BTreeSet<_> = signatures.iter().filter(|it| it.takes_net_iov()).map(|it| it.id).collect();
        println!("{}: {} functions, {} take memory that may be a net_iov", api.golden, own.len(), own_taking.len());
        let is_seen = signatures.iter().any(|signature| !signature.inputs.is_empty());
        assert!(is_seen, "{}: the memory that it names of other crates is not seen", api.golden);
        (functions, taking) = (functions + own.len(), taking + own_taking.len());
        for (id, choices) in found(&signatures) {
            let choices = choices.into_iter().map(str::to_owned).collect::<Vec<_>>();
            lines.insert(api.line(id), choices);
        }
    }
    assert!(functions > 1000 && taking > 200, "too few are seen");
    let new: Vec<_> = lines.iter().filter(|(line, _)| !EXCEPTIONS.iter().any(|(known, _)| known == *line)).collect();
    let stale: Vec<_> = EXCEPTIONS.iter().filter(|(line, _)| !lines.contains_key(*line)).collect();
    let new: String = new.iter().map(|(line, choices)| format!("{line}    [{}]\n", choices.join(" | "))).collect();
    assert!(new.is_empty(), "these take memory that may be a net_iov and give a page (C1, C2, C3):\n{new}");
    assert!(stale.is_empty(), "these exceptions are of no function that does: {stale:#?}");
}

/// The same walk over tests/api/made_up.rs, which has every way that one could think of: `bad_` must be found, `good_` not.
#[test]
fn a_signature_that_casts_back_is_found() {
    let Some(krate) = made_up() else { return };
    let signatures = signatures(&World::new([krate]), krate);
    let found = found(&signatures);
    let mut seen = 0;
    for signature in &signatures {
        let name = krate.index[&signature.id].name.as_deref().unwrap_or_default();
        let parent = krate.index.values().find(|item| match &item.inner {
            rustdoc_types::ItemEnum::Impl(block) => block.items.contains(&signature.id),
            _ => false,
        });
        // Methods whose name is the trait's are marked by the documentation of their impl.
        let marks = format!("{name} {}", parent.and_then(|item| item.docs.as_deref()).unwrap_or_default());
        let is_found = found.contains_key(&signature.id);
        if marks.contains("bad_") || marks.contains("good_") {
            seen += 1;
            assert_eq!(is_found, marks.contains("bad_"), "{marks}: {signature:?}");
        }
    }
    println!("{seen} signatures");
    assert!(seen > 20, "tests/api/made_up.rs is not seen");
}
