//! Who types a name of C's into the search of the documentation lands on the item that replaces it.
//!
//! rustdoc's search finds an item by its name, whatever the case and without underscores, and by its aliases. It loses
//! the aliases of an item that a `pub use` inlines from a private module: there they stand on the `pub use`.

use crate::json::{api, apis, root};
use rustdoc_types::{Attribute, Crate, Id, Item, ItemEnum, StructKind, Type, VariantKind};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// Names of C that drivers do not call, or of types and fields: where each leads.
const TABLE: [(&str, &str); 70] = [
    // Memory.
    ("page", "memory::Page"),
    ("net_iov", "memory::NetIov"),
    ("net_iov_area", "memory::NetIovArea"),
    ("net_iov_type", "memory::NetIovType"),
    ("NET_IOV_DMABUF", "NetIovType::DmaBuf"),
    ("NET_IOV_IOURING", "NetIovType::IoUring"),
    ("netmem_desc", "memory::NetmemDesc"),
    ("netmem_ref", "memory::NetmemRef"),
    ("netmem_ref", "page_pool::Netmem"),
    ("page_pool_iov", "memory::NetmemRef"),
    ("page_pool_iov", "memory::NetmemDesc"),
    ("dma_addr_t", "memory::DmaAddr"),
    ("page_to_netmem", "NetmemRef::from"),
    ("net_iov_to_netmem", "NetmemRef::from"),
    ("netmem_to_page", "NetmemRef::backing"),
    ("netmem_to_net_iov", "NetmemRef::backing"),
    ("net_iov_owner", "NetIov::area"),
    ("net_iov_idx", "NetIov::index"),
    ("netmem_get_pp_magic", "NetmemDesc::pp_magic"),
    // mm.
    ("get_page", "mm::get_page"),
    ("put_page", "mm::put_page"),
    ("page_ref_count", "mm::page_ref_count"),
    ("page_address", "mm::page_address"),
    ("page_to_pfn", "mm::page_to_pfn"),
    ("page_to_nid", "mm::page_to_nid"),
    ("compound_head", "mm::compound_head"),
    ("page_is_pfmemalloc", "mm::page_is_pfmemalloc"),
    ("__netmem_address", "mm::netmem_address"),
    // The pool.
    ("page_pool", "page_pool::PagePool"),
    ("page_pool_params", "page_pool::PagePoolParams"),
    ("page_pool_stats", "page_pool::Stats"),
    ("memory_provider_ops", "page_pool::MemoryProvider"),
    ("pp_memory_provider_params", "page_pool::AnyProvider"),
    ("PP_FLAG_DMA_MAP", "PoolFlags::DMA_MAP"),
    ("PP_FLAG_DMA_SYNC_DEV", "PoolFlags::DMA_SYNC_DEV"),
    ("PP_ALLOC_CACHE_SIZE", "PagePoolParams::CACHE"),
    ("PP_ALLOC_CACHE_REFILL", "PagePoolParams::REFILL"),
    ("page_pool_put_netmem_bulk", "Batch::flush"),
    ("page_pool_inflight", "PagePool::inflight"),
    ("page_pool_release_retry", "page_pool::Stalled"),
    ("page_pool_state_hold", "PoolHooks::state_hold"),
    ("page_pool_state_release", "PoolHooks::state_release"),
    ("page_pool_release", "PoolHooks::release"),
    ("page_pool_update_nid", "PoolHooks::update_nid"),
    ("trace_page_pool_state_hold", "PoolHooks::state_hold"),
    // Providers.
    ("net_devmem_dmabuf_binding", "provider::DmabufProvider"),
    ("get_netmem", "page_pool::BoundFrag"),
    ("put_netmem", "page_pool::BoundFrag"),
    ("io_zcrx_ifq", "zcrx::Zcrx"),
    ("io_uring_zcrx_area_reg", "zcrx::UserArea"),
    ("io_uring_zcrx_rqe", "zcrx::ZcrxRqe"),
    ("io_uring_zcrx_cqe", "zcrx::ZcrxCqe"),
    // Packets and user space.
    ("sk_buff", "skb::Skb"),
    ("skb_frag_t", "skb::SkbFrag"),
    ("skb_add_rx_frag_netmem", "Skb::add_rx_frag"),
    ("skb_frag_ref", "page_pool::BoundFrag"),
    ("MAX_SKB_FRAGS", "skb::MAX_SKB_FRAGS"),
    ("dmabuf_cmsg", "devmem::DmabufCmsg"),
    ("dmabuf_token", "devmem::DmabufToken"),
    ("SO_DEVMEM_DONTNEED", "devmem::SO_DEVMEM_DONTNEED"),
    ("tcp_recvmsg_dmabuf", "Sock::recv_devmem"),
    ("msghdr", "devmem::Control"),
    // Devices and queues.
    ("napi_struct", "netdev::Napi"),
    ("net_device", "netdev::NetDevice"),
    ("netdev_queue_mgmt_ops", "netdev::QueueMgmt"),
    ("netif_mp_open_rxq", "netdev::bind"),
    ("xdp_buff", "netdev::XdpBuff"),
    ("netmem_tx", "netdev::NetmemTx"),
    ("validate_xmit_unreadable_skb", "netdev::validate_xmit"),
    ("dma_data_direction", "dma::DmaDirection"),
];

/// An item as the search knows it.
struct Entry {
    /// `module::name` for what stands in a module, `Type::name` for what belongs to a type.
    path: String,
    aliases: Vec<String>,
}

impl Entry {
    fn is_found_by(&self, query: &str) -> bool {
        let plain = |name: &str| name.to_lowercase().replace('_', "");
        let name = self.path.rsplit("::").next().unwrap_or_default();
        plain(name) == plain(query) || self.aliases.iter().any(|alias| alias == query)
    }
}

fn aliases(item: &Item) -> Vec<String> {
    let attrs = item.attrs.iter().filter_map(|attr| match attr {
        Attribute::Other(text) if text.starts_with("#[doc(alias") => Some(text),
        _ => None,
    });
    attrs.flat_map(|text| text.split('"').skip(1).step_by(2).map(str::to_owned)).collect()
}

/// All items that the search finds, and the aliases that it loses.
fn entries(krate: &Crate) -> (Vec<Entry>, Vec<String>) {
    let (mut entries, mut standing) = (Vec::new(), BTreeSet::new());
    module(krate, krate.root, "netmem", &mut entries, &mut standing);
    for item in krate.index.values().filter(|item| item.crate_id == 0) {
        let mut member = |owner: &str, id: &Id| {
            if let Some(item) = krate.index.get(id) {
                standing.insert(*id);
                let name = item.name.as_deref().unwrap_or_default();
                entries.push(Entry { path: format!("{owner}::{name}"), aliases: aliases(item) });
            }
        };
        let name = item.name.as_deref().unwrap_or_default();
        match &item.inner {
            ItemEnum::Impl(block) if !block.is_synthetic && block.blanket_impl.is_none() => {
                if let Type::ResolvedPath(path) = &block.for_ {
                    let owner = path.path.rsplit("::").next().unwrap_or_default();
                    block.items.iter().for_each(|id| member(owner, id));
                }
            }
            ItemEnum::Trait(definition) => definition.items.iter().for_each(|id| member(name, id)),
            ItemEnum::Enum(definition) => definition.variants.iter().for_each(|id| member(name, id)),
            ItemEnum::Struct(definition) => match &definition.kind {
                StructKind::Plain { fields, .. } => fields.iter().for_each(|id| member(name, id)),
                StructKind::Tuple(fields) => fields.iter().flatten().for_each(|id| member(name, id)),
                StructKind::Unit => {}
            },
            ItemEnum::Variant(variant) => match &variant.kind {
                VariantKind::Struct { fields, .. } => fields.iter().for_each(|id| member(name, id)),
                VariantKind::Tuple(fields) => fields.iter().flatten().for_each(|id| member(name, id)),
                VariantKind::Plain => {}
            },
            _ => {}
        }
    }
    let lost = krate.index.iter().filter(|(id, item)| item.crate_id == 0 && !standing.contains(*id));
    let lost = lost.flat_map(|(_, item)| {
        let name = item.name.clone().unwrap_or_default();
        aliases(item).into_iter().map(move |alias| format!("{alias} on {name}"))
    });
    let lost = lost.collect();
    (entries, lost)
}

/// What stands in a public module, under the name that it has there.
fn module(krate: &Crate, id: Id, name: &str, entries: &mut Vec<Entry>, standing: &mut BTreeSet<Id>) {
    let Some(ItemEnum::Module(definition)) = krate.index.get(&id).map(|item| &item.inner) else { return };
    standing.insert(id);
    for id in &definition.items {
        let Some(item) = krate.index.get(id) else { continue };
        standing.insert(*id);
        let own = match &item.inner {
            ItemEnum::Use(reexport) if reexport.is_glob => {
                if let Some(id) = reexport.id {
                    module(krate, id, name, entries, standing);
                }
                continue;
            }
            ItemEnum::Use(reexport) => &reexport.name,
            ItemEnum::Impl(_) => continue,
            _ => item.name.as_ref().expect("what stands in a module has a name"),
        };
        if matches!(item.inner, ItemEnum::Module(_)) {
            module(krate, *id, own, entries, standing);
        }
        entries.push(Entry { path: format!("{name}::{own}"), aliases: aliases(item) });
    }
}

fn leads(entries: &[Entry], query: &str) -> Vec<String> {
    entries.iter().filter(|entry| entry.is_found_by(query)).map(|entry| entry.path.clone()).collect()
}

#[test]
fn no_alias_is_lost_on_an_inlined_item() {
    let Some(apis) = apis() else { return };
    let lost: Vec<_> = apis.iter().flat_map(|api| entries(&api.krate).1).collect();
    assert!(lost.is_empty(), "rustdoc loses these aliases; put them on the `pub use` line: {lost:#?}");
}

#[test]
fn names_of_c_lead_to_what_replaces_them() {
    let Some(apis) = apis() else { return };
    // Those of the proposal, and of user space's end, which stands beside it.
    let entries: Vec<_> = apis[..2].iter().flat_map(|api| entries(&api.krate).0).collect();
    let wrong = TABLE.iter().filter(|(query, path)| !leads(&entries, query).iter().any(|it| it == path));
    let wrong: Vec<_> =
        wrong.map(|(query, path)| format!("{query}: {path}, not {:?}", leads(&entries, query))).collect();
    assert!(wrong.is_empty(), "the search does not lead there: {wrong:#?}");
}

/// docs/helpers.tsv: each helper is found as a function of the shim, and as the item that its row names. One that is not needed is found
/// as that item alone.
#[test]
fn helpers_lead_to_the_shim_and_to_the_items_of_their_rows() {
    let Some(api) = api() else { return };
    let (entries, _) = entries(&api.krate);
    let (mut rows, mut wrong) = (0, Vec::new());
    let text = fs::read_to_string(root().join("docs/helpers.tsv")).expect("docs/helpers.tsv is there");
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let mut fields = line.split('\t');
        let (Some(helper), Some(idiom)) = (fields.next(), fields.nth(2)) else {
            panic!("five columns are wanted: {line}")
        };
        rows += 1;
        let found = leads(&entries, helper);
        let shim = found.iter().any(|path| path.starts_with("shim::"));
        let others: Vec<_> = found.iter().filter(|path| !path.starts_with("shim::")).collect();
        // A row names items as `Type::name`, a type, or the drop of one; in some there is nothing to call.
        let named: Vec<_> = idiom.split([' ', ',']).map(|name| name.replace("::<Page>", "")).collect();
        let is_named = |path: &str| {
            named.iter().any(|name| {
                name == path || name == "drop" && path.ends_with("::drop") || path.rsplit("::").next() == Some(name)
            })
        };
        let right = others.iter().any(|path| is_named(path));
        let wants_function = idiom != "-" && !idiom.starts_with("not needed: ");
        if shim != wants_function || !(right || idiom == "-" && !others.is_empty()) {
            wrong.push(format!("{helper}: {idiom}, found {found:?}"));
        }
    }
    assert_eq!(rows, 80, "docs/helpers.tsv lacks helpers");
    assert!(wrong.is_empty(), "not found, or not where docs/helpers.tsv says: {wrong:#?}");
}

/// A method of the same name in two types is no answer: the aliases of one name lead to few items.
#[test]
fn an_alias_leads_to_few_items() {
    let Some(apis) = apis() else { return };
    let entries: Vec<_> = apis[..2].iter().flat_map(|api| entries(&api.krate).0).collect();
    let mut all = BTreeMap::<_, BTreeSet<_>>::new();
    for entry in &entries {
        entry.aliases.iter().for_each(|alias| {
            all.entry(alias).or_default().insert(&entry.path);
        });
    }
    println!("{} aliases", all.len());
    assert!(all.len() > 300, "few aliases: {}", all.len());
    let many: Vec<_> = all.iter().filter(|(_, paths)| paths.len() > 3).collect();
    assert!(many.is_empty(), "these lead nowhere in particular: {many:#?}");
}
