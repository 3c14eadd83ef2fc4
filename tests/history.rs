//! Bugs of Linux that compile here too, written again as they were: each test is the wrong program, and shows that it is
//! harmless, or that the mistake is told. `compile-fail/history/rows.tsv` says which fix each is about, or that Linux has
//! none, and `docs/bugs.md` shows them all. Those that do not compile are in `compile-fail/history`.

use netmem::dma::{DmaDevice, DmaMapping, DmaQueue, RxCompletion, RxDescriptor, TxMap};
use netmem::mm::{self, FreePage, PAGE_SIZE, PageRef, Zone, get_page};
use netmem::netdev::{Completed, Napi, RxMemory, RxRing, Verdict, Xdp, XdpBuff, XdpOutcome};
use netmem::page_pool::{
    AnyProvider, AreaError, Batch, Chunk, DmabufTxBinding, PagePoolParams, PoolError, PoolFlags, ProviderError,
};
use netmem::provider::PageProvider;
use netmem::skb::{IpSummed, MmFrag, ReadError, Skb, SkbFrag};
use netmem::{Frag, FreeIov, MemoryProvider, NetIovArea, NetIovType, Netmem, Page, PageOrIov, PagePool};
use netmem_consumers::zcrx::{RegisterError, UserArea, Zcrx, ZcrxParams};
use netmem_drivers::{Driver, QueueConfig};
use netmem_sim::dma::{Bounce, DmaBus, Iommu};
use netmem_sim::kit::{Altered, Frames, Iovs, Polling, Rig, Vram, udp};
use netmem_sim::nic::NicParams;
use std::collections::{HashSet, VecDeque};
use std::sync::mpsc::TrySendError;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const FRAMES: usize = 64;

/// A zone and a pool over it, without a device.
fn world() -> (Zone, PagePool<Page>) {
    let zone = Zone::new(FRAMES).unwrap();
    let pool = PagePool::<Page>::new(PagePoolParams::default(), PageProvider::new(zone.clone())).unwrap();
    (zone, pool)
}

/// Nothing was put twice and nothing is lost: all frames can be had, no two are the same, and all go back.
fn assert_whole(zone: &Zone, mut pool: PagePool<Page>) {
    assert_eq!(pool.in_use(), 0, "pieces that nobody gave back");
    let all: Vec<_> = std::iter::from_fn(|| pool.alloc()).collect();
    assert!(all.len() + 1 >= zone.frames(), "it can have every frame, but the one that it cuts fragments from");
    let words: HashSet<_> = all.iter().map(|memory| memory.borrow().as_raw()).collect();
    assert_eq!(words.len(), all.len(), "no piece was handed out twice");
    assert!(all.iter().all(|memory| memory.pp_ref_count() == 1));
    drop((all, pool));
    assert_eq!(zone.free_frames(), zone.frames());
}

/// A piece of memory of its own, as a buffer.
fn whole(pool: &mut PagePool<Page>) -> Frag<Page> {
    pool.alloc().unwrap().into_frag().unwrap()
}

/// A frag of device memory, which no CPU reads.
fn unreadable() -> Frag {
    let device = Arc::new(Iommu::new());
    let provider = AnyProvider::from(Iovs::unsynced(device.clone(), 4));
    let params = PagePoolParams::for_device(device, PAGE_SIZE as u32);
    PagePool::<PageOrIov>::new(params, provider).unwrap().alloc_frag(100).unwrap()
}

/// A receive queue whose device does what the test says.
struct Queue(Arc<dyn DmaDevice>, Arc<Mutex<Wire>>);

/// The device's end of a [`Queue`].
#[derive(Default)]
struct Wire {
    posted: Vec<RxDescriptor>,
    completed: VecDeque<RxCompletion>,
}

impl Wire {
    /// The device fills the `nth` buffer that it has, and completes it.
    fn receive(&mut self, bus: &impl DmaBus, nth: usize, header: &[u8], payload: &[u8]) {
        let descriptor = self.posted.remove(nth);
        // SAFETY: the buffer was posted, and is completed below, once.
        unsafe { bus.write(descriptor.payload().addr().as_raw(), payload) }.unwrap();
        if let (Some(slice), false) = (descriptor.header(), header.is_empty()) {
            // SAFETY: as above.
            unsafe { bus.write(slice.addr().as_raw(), header) }.unwrap();
        }
        self.completed.push_back(RxCompletion {
            id: descriptor.id(),
            payload_len: payload.len() as u32,
            header_len: header.len() as u32,
            end_of_frame: true,
            ..Default::default()
        });
    }
}

// SAFETY: only `Wire::receive` touches buffers: those that were posted, before it reports them as completed.
unsafe impl DmaQueue for Queue {
    fn device(&self) -> &Arc<dyn DmaDevice> {
        &self.0
    }
    fn depth(&self) -> usize {
        8
    }
    fn post(&mut self, descriptor: RxDescriptor) {
        self.1.lock().unwrap().posted.push(descriptor);
    }
    fn kick(&mut self) {}
    fn complete(&mut self) -> Option<RxCompletion> {
        self.1.lock().unwrap().completed.pop_front()
    }
    fn stop(&mut self) {
        self.1.lock().unwrap().posted.clear();
    }
}

/// The flush of a ring frees the pages of its entries, and the close frees those of all entries that look unfinished:
/// the same ones.
#[test]
fn row_01_flush_then_close() {
    fn free(entries: &mut [Option<Netmem<Page>>]) {
        entries.iter_mut().for_each(|page| drop(page.take()));
    }
    let (zone, mut pool) = world();
    let mut entries: Vec<_> = (0..8).map(|_| pool.alloc()).collect();
    free(&mut entries);
    free(&mut entries);
    assert_whole(&zone, pool);
}

/// A refill frees what the entries have and allocates anew. It fails half way, and the next one frees all of them again.
#[test]
fn row_02_a_refill_fails_half_way_and_is_repeated() {
    fn refill(entries: &mut [Option<Frag<Page>>], pool: &mut PagePool<Page>) -> Option<()> {
        entries.iter_mut().for_each(|fragment| drop(fragment.take()));
        entries.iter_mut().try_for_each(|fragment| {
            *fragment = Some(pool.alloc_frag(2048)?);
            Some(())
        })
    }
    let (zone, mut pool) = world();
    let mut entries: Vec<Option<Frag<Page>>> = (0..2 * FRAMES + 2).map(|_| None).collect();
    for _ in 0..3 {
        assert!(refill(&mut entries, &mut pool).is_none(), "there is memory for all but two of them");
        let ranges: HashSet<_> = entries.iter().flatten().map(|one| (one.borrow().as_raw(), one.offset())).collect();
        assert_eq!(ranges.len(), 2 * FRAMES, "no range is in two entries");
        assert!(entries.iter().flatten().all(|one| one.borrow().pp_ref_count() > 0));
    }
    drop(entries);
    assert_whole(&zone, pool);
}

/// A completion without a header names a header entry all the same, and the page of that entry is put.
#[test]
fn row_03_a_header_entry_is_put_that_was_not_used() {
    struct Completion {
        header_index: usize,
        head_size: usize,
    }
    let (zone, mut pool) = world();
    let mut headers: Vec<_> = (0..4).map(|_| pool.alloc_frag(256)).collect();
    let mut packets = Vec::new();
    for completion in [(1, 64), (1, 0), (2, 64), (1, 0)] {
        let completion = Completion { header_index: completion.0, head_size: completion.1 };
        let header = headers[completion.header_index].take();
        // The mistake is not to ask for `head_size` first. The entry says that there is nothing.
        assert_eq!(header.is_some(), completion.head_size != 0);
        packets.extend(header);
    }
    assert_eq!((packets.len(), headers.iter().flatten().count()), (2, 2), "each header is in one place");
    drop((packets, headers));
    assert_whole(&zone, pool);
}

/// The error path puts the page only if there was no skb yet, but the skb does not have it either.
#[test]
fn row_05_an_error_before_the_page_is_linked() {
    fn rx(q_skb: &mut Option<Skb>, page: Frag<Page>, descriptor_is_bad: bool) -> Result<(), ()> {
        if descriptor_is_bad {
            match q_skb.take() {
                Some(skb) => drop(skb),
                None => drop(page),
            }
            return Err(());
        }
        match q_skb {
            Some(skb) => skb.add_rx_frag(page, 2048).map_err(drop),
            None => {
                *q_skb = Some(Skb::build(page));
                Ok(())
            }
        }
    }
    let (zone, mut pool) = world();
    let mut q_skb = None;
    rx(&mut q_skb, pool.alloc_frag(2048).unwrap(), false).unwrap();
    rx(&mut q_skb, pool.alloc_frag(2048).unwrap(), true).unwrap_err();
    assert!(q_skb.is_none());
    assert_whole(&zone, pool);
}

/// The skb is built before the program runs, and forgotten unless the verdict is to pass.
#[test]
fn row_09_an_skb_is_built_before_the_verdict() {
    #[derive(PartialEq)]
    enum Verdict {
        Pass,
        Drop,
    }
    fn rx(page: Frag<Page>, verdict: Verdict) -> Option<Skb> {
        let skb = Skb::build(page);
        if verdict != Verdict::Pass {
            return None;
        }
        Some(skb)
    }
    let (zone, mut pool) = world();
    assert!(rx(pool.alloc_frag(2048).unwrap(), Verdict::Drop).is_none());
    assert!(rx(pool.alloc_frag(2048).unwrap(), Verdict::Pass).is_some());
    assert_whole(&zone, pool);
}

/// The interface goes down and up again, and the buffers are let go but not freed.
#[test]
fn row_10_down_and_up_some_hundred_times() {
    let zone = Zone::new(FRAMES).unwrap();
    for round in 0..300 {
        let mut pool = PagePool::<Page>::new(PagePoolParams::default(), PageProvider::new(zone.clone())).unwrap();
        let mut buffers: Vec<_> = (0..FRAMES).map(|_| pool.alloc()).collect();
        assert!(buffers.iter().all(Option::is_some), "round {round}: no memory is left");
        // There is no way to let go that does not put: overwriting the entry does.
        buffers.fill_with(|| None);
    }
    assert_eq!(zone.free_frames(), FRAMES);
}

/// The completion of a transmit takes the frame off the ring, counts it, and returns nothing to any pool.
#[test]
fn row_11_a_transmitted_frame_is_only_counted() {
    let (zone, mut pool) = world();
    let (ring, sent) = std::sync::mpsc::sync_channel::<XdpBuff>(8);
    let mut xdp = Xdp::new(Verdict::Tx).on_tx(move |frame| {
        ring.try_send(frame).map_err(|full| match full {
            TrySendError::Full(frame) | TrySendError::Disconnected(frame) => frame,
        })
    });
    let outcomes: Vec<_> = (0..10).map(|_| xdp.run(whole(&mut pool).try_into().unwrap())).collect();
    assert_eq!(outcomes.iter().filter(|outcome| matches!(outcome, XdpOutcome::Sent)).count(), 8);
    assert_eq!(sent.try_iter().count(), 8);
    drop(outcomes);
    assert_whole(&zone, pool);
}

/// A queue of redirected frames is torn down with frames in it.
#[test]
fn row_12_a_queue_is_torn_down_with_frames_in_it() {
    let (zone, mut pool) = world();
    let (queue, target) = std::sync::mpsc::sync_channel::<XdpBuff>(8);
    let mut xdp = Xdp::new(|frame| Verdict::Redirect(frame, 1))
        .on_redirect(move |frame, _| queue.send(frame).map_err(|closed| closed.0));
    for _ in 0..8 {
        assert!(matches!(xdp.run(whole(&mut pool).try_into().unwrap()), XdpOutcome::Redirected));
    }
    let mut bulk = Batch::new();
    pool.alloc_bulk(&mut bulk);
    assert_eq!(pool.in_use(), FRAMES);
    drop((target, bulk));
    assert_whole(&zone, pool);
}

/// One fragment of a page goes the way of a redirect. The driver marks the page as somebody else's, and drops the rest of
/// its references without a look.
#[test]
fn row_13_the_rest_of_the_bias_is_forgotten() {
    let (zone, mut pool) = world();
    let mut bias = pool.alloc().unwrap().share(64).unwrap();
    let redirected = bias.take().unwrap();
    let page = Some(bias);
    assert!(page.is_some_and(|bias| bias.left() == 63));
    assert_eq!(redirected.pp_ref_count(), 1);
    std::thread::spawn(move || drop(redirected)).join().unwrap();
    assert_whole(&zone, pool);
}

/// A program shrinks a frame of several buffers, which frees fragments, and the driver releases as many as it had given.
#[test]
fn row_14_a_program_frees_fragments_that_the_driver_counts_on() {
    fn release(pool: &mut PagePool<Page>, mut frame: Vec<Frag<Page>>, count: usize) {
        for _ in 0..count {
            if let Some(fragment) = frame.pop() {
                pool.recycle_frag(fragment);
            }
        }
    }
    let (zone, mut pool) = world();
    let mut rest = whole(&mut pool);
    let mut frame: Vec<_> = (1..4).rev().filter_map(|nth| rest.split_off(nth * 1024)).collect();
    frame.push(rest);
    let count = frame.len();
    let program = |frame: &mut Vec<Frag<Page>>| frame.truncate(2);
    program(&mut frame);
    assert_eq!(frame[0].borrow().pp_ref_count(), 2);
    release(&mut pool, frame, count);
    assert_whole(&zone, pool);
}

/// A page of the pool is attached to an skb, and nobody sets the mark without which it leaves the pool.
#[test]
fn row_15_no_mark_for_recycling_is_set() {
    let (zone, mut pool) = world();
    let mut skb = Skb::new();
    skb.add_rx_frag(whole(&mut pool), 2048).unwrap();
    std::thread::spawn(move || drop(skb)).join().unwrap();
    assert_eq!(pool.stats().recycle_ring, 1, "it came back to the pool, not to mm");
    assert_whole(&zone, pool);
}

/// An error path frees the skb before the line that would have set the mark: the pool then never ends.
#[test]
fn row_16_the_skb_is_freed_before_the_mark() {
    fn rx_vlan(page: Frag<Page>, tag: Option<u16>) -> Option<Skb> {
        let mut skb = Skb::build(page);
        let vlan = tag?;
        skb.set_queue(vlan);
        Some(skb)
    }
    let (zone, mut pool) = world();
    assert!(rx_vlan(whole(&mut pool), None).is_none());
    let shutdown = pool.shutdown(Duration::ZERO);
    assert_eq!(shutdown.check(Duration::from_secs(60)), Ok(()), "not stalled");
    drop(shutdown);
    assert_eq!(zone.free_frames(), FRAMES);
}

/// GRO puts frags of a pool and frags of mm's into one skb, of which one flag says how all are freed.
#[test]
fn row_20_frags_of_a_pool_and_of_mm_in_one_skb() {
    let (zone, mut pool) = world();
    let other = Zone::new(8).unwrap();
    let mm_frag = || SkbFrag::Mm(MmFrag::new(other.alloc(0).unwrap(), 0, 100).unwrap());
    let mut packets: Vec<_> = (0..2).map(|_| Skb::new()).collect();
    for (nth, skb) in packets.iter_mut().enumerate() {
        for frag in [mm_frag(), SkbFrag::Pool(whole(&mut pool).into())] {
            skb.push_frag(frag).unwrap();
        }
        assert_eq!(skb.nr_frags(), 2, "packet {nth}");
    }
    // One packet is made of both.
    let (mut one, mut other_packet) = (packets.remove(0), packets.remove(0));
    for frag in other_packet.take_frags() {
        one.push_frag(frag).unwrap();
    }
    drop(one);
    assert_eq!(other.free_frames(), 8, "mm's went to mm");
    assert_eq!(pool.stats().recycle_ring, 2, "the pool's to the pool");
    assert_whole(&zone, pool);
}

/// netpoll calls with a budget of 0, perhaps in an interrupt, and the cleanup of the transmit side recycles as always.
#[test]
fn row_25_a_poll_with_budget_0_recycles() {
    let (_, pool) = world();
    let provider = AnyProvider::from(PageProvider::new(Zone::new(FRAMES).unwrap()));
    let payload = PagePool::<PageOrIov>::new(PagePoolParams::default(), provider).unwrap();
    let mut napi = Napi::new(vec![RxMemory::new(payload, Some(pool))]);
    let transmitted = napi.poll(64, |poll| {
        let headers = poll.memory(0)?.headers_mut()?;
        Some(Skb::build(whole(headers)))
    });
    napi.poll(0, |poll| {
        assert!(poll.memory(0).is_none(), "who asks for the consumer side is told");
        poll.recycle(transmitted.unwrap());
    });
    let stats = napi.memory(0).unwrap().headers().unwrap().stats();
    assert_eq!((stats.recycle_cached, stats.recycle_ring), (0, 1), "the cache was not touched");
}

/// A queue's pool is destroyed while the NAPI that polls it goes on.
#[test]
fn row_26_a_pool_is_destroyed_under_a_live_napi() {
    let zone = Zone::new(FRAMES).unwrap();
    let provider = AnyProvider::from(PageProvider::new(zone.clone()));
    let payload = PagePool::<PageOrIov>::new(PagePoolParams::default(), provider).unwrap();
    let mut napi = Napi::new(vec![RxMemory::new(payload, None)]);
    let skb = napi.poll(64, |poll| {
        let mut skb = Skb::new();
        skb.add_rx_frag(poll.memory(0)?.payload_mut().alloc_frag(1500)?, 1500).ok()?;
        Some(skb)
    });
    // There is no pool to destroy but the one that is taken out, and no poll reaches that.
    drop(napi.detach(0));
    napi.poll(64, |poll| {
        assert!(poll.memory(0).is_none());
        poll.recycle(skb.unwrap());
    });
    assert_eq!(zone.free_frames(), FRAMES);
}

/// A pool is being destroyed, and an skb with its memory is freed in the poll that would recycle it directly.
#[test]
fn row_27_a_packet_is_recycled_directly_after_its_pool() {
    let (zone, mut pool) = world();
    let skb = Skb::build(pool.alloc_frag(1500).unwrap());
    let provider = AnyProvider::from(PageProvider::new(Zone::new(FRAMES).unwrap()));
    let payload = PagePool::<PageOrIov>::new(PagePoolParams::default(), provider).unwrap();
    let mut napi = Napi::new(vec![RxMemory::new(payload, Some(pool))]);
    // A poll lends the pool and does not give it: it can only be exchanged.
    let other =
        PagePool::<Page>::new(PagePoolParams::default(), PageProvider::new(Zone::new(FRAMES).unwrap())).unwrap();
    let pool = napi.poll(64, |poll| Some(std::mem::replace(poll.memory(0)?.headers_mut()?, other)));
    drop(pool);
    assert_eq!(zone.free_frames(), FRAMES - 1);
    napi.poll(64, |poll| poll.recycle(skb));
    assert_eq!(zone.free_frames(), FRAMES, "it went to the pool that was its own, which ended with it");
}

/// Whether the ring must be locked against softirqs is asked once to lock and once to unlock. Here who puts need not know
/// where it runs, as there is no lock: handles are put in a poll and from threads, at the same time.
#[test]
fn row_28_puts_from_a_poll_and_from_elsewhere() {
    let (zone, mut pool) = world();
    let mut elsewhere: Vec<_> = (0..FRAMES / 2).filter_map(|_| pool.alloc()).collect();
    let here: Vec<_> = (0..FRAMES / 2).filter_map(|_| pool.alloc()).collect();
    let other = elsewhere.split_off(FRAMES / 4);
    std::thread::scope(|scope| {
        scope.spawn(|| drop(elsewhere));
        scope.spawn(|| drop(other));
        here.into_iter().for_each(drop);
    });
    let stats = pool.stats();
    assert_eq!((stats.recycle_ring, stats.recycle_ring_full), (FRAMES as u64, 0));
    assert_whole(&zone, pool);
}

/// A pool is freed with memory out, and the memory is used and put.
#[test]
fn row_29_a_pool_goes_before_its_memory() {
    let (zone, mut pool) = world();
    let mut frag = pool.alloc_frag(100).unwrap();
    let whole = pool.alloc().unwrap();
    drop(pool);
    frag.bytes_mut().fill(7);
    assert_eq!((frag.bytes()[99], whole.pp_ref_count()), (7, 1));
    std::thread::spawn(move || drop(frag)).join().unwrap();
    drop(whole);
    assert_eq!(zone.free_frames(), FRAMES);
}

/// Memory is still in the stack when its device goes: nobody unmaps it, or somebody does when there is no device.
#[test]
fn row_33_memory_outlives_its_device() {
    let zone = Zone::new(FRAMES).unwrap();
    let device = Arc::new(Iommu::new());
    let params = PagePoolParams::for_device(device.clone(), PAGE_SIZE as u32);
    let mut pool = PagePool::<Page>::new(params, PageProvider::new(zone.clone())).unwrap();
    let in_the_stack = pool.alloc_frag(2048).unwrap();
    assert!(device.stats().mapped() > 0);
    drop(pool);
    assert_eq!(device.stats().mapped(), 0, "unmapped with the pool, by index: no handle was needed");
    let before = device.stats();
    drop(in_the_stack);
    assert_eq!(device.stats(), before, "and not once more");
    assert_eq!(zone.free_frames(), FRAMES);
}

/// Bytes are copied out of a packet, and the error is ignored. And the frags of an unreadable packet are given to another
/// one, to which nobody copies the flag.
#[test]
fn row_39_an_error_is_ignored_and_a_flag_is_not_copied() {
    let mut skb = Skb::copy_from(&[0xaa; 16]).unwrap();
    skb.add_rx_frag(unreadable(), 2048).unwrap();
    let mut word = [0; 4];
    let copied = skb.copy_bits(20, &mut word);
    // `let _ =` there, and a match on the word: wrong, and of bytes that are the caller's own.
    assert_eq!((word, copied), ([0; 4], Err(ReadError::Unreadable { frag: 0, start: 16, end: 116 })));

    let mut segment = Skb::new();
    for frag in skb.take_frags() {
        if let SkbFrag::Pool(frag) = frag {
            segment.add_rx_frag(frag, 2048).unwrap();
        }
    }
    assert!(!segment.frags_readable(), "it is asked of the frags");
    assert!(skb.frags_readable());
}

/// The driver syncs whatever it receives, memory of a dma-buf included.
#[test]
fn row_43_a_driver_syncs_a_dma_buf() {
    fn receive_one(device: &Arc<Bounce>, provider: AnyProvider) -> (u64, u64) {
        let before = device.stats();
        let params = PagePoolParams::for_device(device.clone(), PAGE_SIZE as u32);
        let mut pool = PagePool::<PageOrIov>::new(params, provider).unwrap();
        let wire = Arc::new(Mutex::new(Wire::default()));
        let mut ring = RxRing::<_, PageOrIov>::new(Queue(device.clone(), wire.clone())).unwrap();
        ring.post(pool.alloc_frag(2048).unwrap(), None).unwrap();
        wire.lock().unwrap().receive(&**device, 0, b"", b"payload");
        let completed = ring.complete().unwrap().unwrap();
        let frag = pool.sync_for_cpu(completed.payload).unwrap();
        pool.recycle_frag(frag);
        let after = device.stats();
        (after.syncs_for_cpu - before.syncs_for_cpu, after.syncs_for_device - before.syncs_for_device)
    }
    let device = Arc::new(Bounce::new());
    let pages = receive_one(&device, PageProvider::new(Zone::new(FRAMES).unwrap()).into());
    assert!(pages.0 == 1 && pages.1 > 0, "pages are synced: {pages:?}");
    assert_eq!(receive_one(&device, Iovs::unsynced(device.clone(), 8).into()), (0, 0));
}

/// To save time the pool is told to sync for the device only where it seems to be needed.
#[test]
fn row_45_the_sync_for_the_device_is_left_out() {
    let zone = Zone::new(FRAMES).unwrap();
    let device = Arc::new(Bounce::new());
    let right = PagePoolParams::for_device(device.clone(), PAGE_SIZE as u32);
    let wrong = PagePoolParams { flags: PoolFlags::DMA_MAP, ..right.clone() };
    let refused = PagePool::<Page>::new(wrong.clone(), PageProvider::new(zone.clone())).unwrap_err();
    assert_eq!(refused, PoolError::NeverSynced);
    assert!(refused.to_string().contains("set DMA_SYNC_DEV"), "{refused}");
    let mut pool = PagePool::<Page>::new(right, PageProvider::new(zone.clone())).unwrap();
    let memory = pool.alloc().unwrap();
    assert!(device.stats().syncs_for_device >= 1, "synced before anybody can post it");
    drop((memory, pool));
    // A device that needs none does not mind.
    let coherent = PagePoolParams { device: Some(Arc::new(Iommu::new())), ..wrong };
    assert!(PagePool::<Page>::new(coherent, PageProvider::new(zone)).is_ok());
}

/// The pool is not made after the provider was, and the provider is not told.
#[test]
fn row_49_the_provider_is_not_told_that_there_is_no_pool() {
    let calls = Arc::new(Mutex::new((0, 0)));
    let (inits, destroys) = (calls.clone(), calls.clone());
    let counting = Altered::of(PageProvider::new(Zone::new(FRAMES).unwrap())).init(move |pages, params| {
        inits.lock().unwrap().0 += 1;
        pages.init(params)
    });
    let provider = counting.destroy(move |_| destroys.lock().unwrap().1 += 1).into_arc();
    let params = PagePoolParams::for_device(Arc::new(Iommu::new()), PAGE_SIZE as u32);
    let too_much = PagePoolParams { offset: 1, ..params };
    let refused = PagePool::<Page>::new(too_much, provider.clone()).unwrap_err();
    assert!(matches!(refused, PoolError::SyncRange { .. }), "{refused}");
    assert_eq!(*calls.lock().unwrap(), (1, 1), "init and destroy");
    assert_eq!(Arc::strong_count(&provider), 1);
}

/// The provider refuses, and what the pool had by then is left behind.
#[test]
fn row_50_the_provider_refuses_and_the_pool_is_left_behind() {
    let refusing = Altered::of(PageProvider::new(Zone::new(FRAMES).unwrap())).init(|_, _| Err(ProviderError::Closed));
    let provider = refusing.destroy(|_| panic!("there was no init")).into_arc();
    let device = Arc::new(Iommu::new());
    let params = PagePoolParams::for_device(device.clone(), PAGE_SIZE as u32);
    let refused = PagePool::<Page>::new(params, provider.clone()).unwrap_err();
    assert_eq!(refused, PoolError::Provider(ProviderError::Closed));
    assert_eq!((Arc::strong_count(&provider), Arc::strong_count(&device)), (1, 1), "nobody kept them");
}

/// A table is mapped, the next step fails, and what was mapped is not undone since the flag that says so is not set yet.
#[test]
fn row_51_a_mapping_is_not_undone() {
    fn import(device: &Arc<dyn DmaDevice>, memory: &Arc<Vram>, size: usize) -> Result<Vec<FreeIov>, AreaError> {
        let mapping = DmaMapping::new(device.clone(), memory.clone(), 0, memory.0).unwrap();
        let second = DmaMapping::new(device.clone(), memory.clone(), 0, memory.0).unwrap();
        let mut iovs = NetIovArea::carve(second, PAGE_SIZE, NetIovType::IoUring, 0)?;
        iovs.extend(NetIovArea::carve(mapping, size, NetIovType::IoUring, 0)?);
        Ok(iovs)
    }
    let (bus, memory) = (Arc::new(Iommu::new()), Arc::new(Vram(4 * PAGE_SIZE)));
    let device = bus.clone().driver_side();
    assert!(matches!(import(&device, &memory, 100), Err(AreaError::Size { size: 100 })));
    assert_eq!((bus.stats().maps, bus.stats().mapped()), (2, 0));
    let iovs = import(&device, &memory, PAGE_SIZE).unwrap();
    assert_eq!((iovs.len(), bus.stats().mapped()), (8, 2));
    drop(iovs);
    let area = UserArea { len: 3 * PAGE_SIZE, ..UserArea::whole(memory.clone()) };
    let ragged = ZcrxParams { rx_buf_len: 2 * PAGE_SIZE as u32, ..ZcrxParams::new(device, 8) };
    assert!(matches!(Zcrx::register(ragged, area), Err(RegisterError::Area(AreaError::Misaligned { .. }))));
    assert_eq!((bus.stats().mapped(), bus.stats().faults, Arc::strong_count(&memory)), (0, 0, 1));
}

/// User pages are pinned, accounting them fails, and they stay pinned.
#[test]
fn row_52_pages_stay_pinned() {
    fn pin(pages: &[FreePage], limit: usize) -> Result<Vec<PageRef>, usize> {
        let pinned: Vec<_> = pages.iter().map(|page| get_page(page.page())).collect();
        if pinned.len() > limit {
            return Err(pinned.len());
        }
        Ok(pinned)
    }
    let zone = Zone::new(8).unwrap();
    let user: Vec<_> = std::iter::from_fn(|| zone.alloc(0)).collect();
    assert_eq!(pin(&user, 4).unwrap_err(), 8);
    assert!(user.iter().all(|page| mm::page_ref_count(page.page()) == 1));
    let pinned = pin(&user, 8).unwrap();
    drop(user);
    assert_eq!(zone.free_frames(), 0, "those that are pinned stay");
    drop(pinned);
    assert_eq!(zone.free_frames(), 8);
}

/// Header buffers are looked for by the position in the queue, while completions come in another order: packets get the
/// headers of others, and a header buffer is posted again that the device still has.
#[test]
fn row_55_headers_by_position_in_the_queue() {
    let bus = Arc::new(Iommu::new());
    let device = bus.clone().driver_side();
    let zone = Zone::new(FRAMES).unwrap();
    let params = PagePoolParams::for_device(device.clone(), PAGE_SIZE as u32);
    let mut pool = PagePool::<Page>::new(params, PageProvider::new(zone.clone())).unwrap();
    let wire = Arc::new(Mutex::new(Wire::default()));
    let mut ring = RxRing::<_, Page>::new(Queue(device, wire.clone())).unwrap();
    for _ in 0..4 {
        ring.post(pool.alloc_frag(2048).unwrap(), pool.alloc_frag(128)).unwrap();
    }
    // The device finishes the third, then the first: the ring has the header where the payload is.
    wire.lock().unwrap().receive(&*bus, 2, b"head 3", b"data 3");
    wire.lock().unwrap().receive(&*bus, 0, b"head 1", b"data 1");
    for expected in [(b"head 3", b"data 3"), (b"head 1", b"data 1")] {
        let Completed { payload, header, .. } = ring.complete().unwrap().unwrap();
        let (header, payload) = (pool.sync_for_cpu(header.unwrap()).unwrap(), pool.sync_for_cpu(payload).unwrap());
        assert_eq!((header.bytes(), payload.bytes()), (&expected.0[..], &expected.1[..]));
        pool.recycle_frag(header);
        pool.recycle_frag(payload);
    }

    // A driver that keeps headers in a table of its own can still take the wrong one: of a packet that has not been seen
    // yet, or none. It cannot post one that the device has, as that one is not in any table.
    let mut table: Vec<Option<Frag<Page>>> = (0..2).map(|_| pool.alloc_frag(128)).collect();
    for (slot, text) in table.iter_mut().zip([b"head A", b"head B"]) {
        slot.as_mut().unwrap().bytes_mut()[..6].copy_from_slice(text);
    }
    let (position, id) = (0, 1);
    let wrong = table[position].take().unwrap();
    assert_eq!(&wrong.bytes()[..6], b"head A", "the packet's own is B: this is not found");
    assert!(table[position].take().is_none() && table[id].is_some(), "but nobody has it twice");

    drop((wrong, table));
    ring.stop().for_each(drop);
    assert_eq!(bus.stats().faults, 0);
    assert_whole(&zone, pool);
}

/// A binding for transmit was mapped for the device to read, and is unmapped as one that it writes.
#[test]
fn row_44_a_mapping_is_ended_the_other_way() {
    let (device, memory) = (Arc::new(Iommu::new()), Arc::new(Vram(PAGE_SIZE)));
    let chunks = [Chunk { offset: 0, len: PAGE_SIZE }];
    let binding = DmabufTxBinding::bind(device.clone(), memory.clone(), &chunks, PAGE_SIZE).unwrap();
    let frag = binding.frags(0, 100).unwrap().next().unwrap();
    let addr = frag.dma_addr().as_raw();
    // SAFETY: no byte of the CPU's is reached: what is mapped there is the peer's.
    let read = unsafe { device.read(addr, &mut [0; 100]) };
    // SAFETY: as above.
    let write = unsafe { device.write(addr, &[0; 100]) };
    assert!(read.is_ok() && write.is_err(), "which way it is mapped is said by the type, once");
    drop(frag);
    // There is nothing to say when it ends.
    drop(binding);
    assert_eq!((device.stats().mapped(), device.stats().faults, Arc::strong_count(&memory)), (0, 1, 1));
}

/// A program moves the head of a frame, and the frame is synced for transmit as if it began where it was received.
#[test]
fn row_46_the_head_is_moved_and_the_sync_is_not() {
    let (zone, mut pool) = world();
    let mut frame = whole(&mut pool);
    frame.truncate(100);
    frame.bytes_mut()[90..].fill(0xaa);
    let mut xdp = Xdp::new(|mut frame| match frame.adjust_head(82) {
        Ok(()) => Verdict::Pass(frame),
        Err(_) => Verdict::Drop(frame),
    });
    let XdpOutcome::Passed(frame) = xdp.run(frame.try_into().unwrap()) else { panic!("there is room to move") };
    let device = Arc::new(Bounce::new());
    let mut map = TxMap::new(device.clone());
    // There is no offset to get wrong: what is synced are the bytes that are sent.
    let slice = map.map(frame.borrow().page(), frame.bytes()).unwrap();
    let mut sent = vec![0xff; slice.len() as usize];
    // SAFETY: the range was just mapped for the device to read, and nobody writes it.
    unsafe { device.read(slice.addr().as_raw(), &mut sent) }.unwrap();
    assert_eq!(sent, [&[0; 8][..], &[0xaa; 10]].concat());
    drop((map, frame));
    assert_whole(&zone, pool);
}

/// A packet lands in memory that the CPU cannot read, the device has not verified its checksum, and the driver delivers it
/// like any other.
#[test]
fn row_56_an_unreadable_packet_that_nobody_has_summed() {
    // The driver asks: of two frames that differ in their last byte, one is delivered.
    let rig = Rig::new(Bounce::new(), 512).with_gpu(64);
    let right = udp(&[5; 500]);
    let mut wrong = right.clone();
    *wrong.last_mut().unwrap() ^= 1;
    let nic = rig.nic(NicParams::default(), Frames::new(vec![wrong, right]));
    let mut driver = Driver::new(nic, vec![QueueConfig::new(rig.split_off(rig.gpu_pool()))]).unwrap();
    let mut polling = Polling::new();
    let mut delivered = 0;
    loop {
        let polled = driver.poll(64, |skb| {
            assert_eq!((skb.frags_readable(), skb.ip_summed()), (false, IpSummed::Unnecessary));
            delivered += 1;
            None
        });
        if polling.is_over(driver.hardware(), polled.work != 0) {
            break;
        }
    }
    let stats = driver.stats(0).unwrap();
    assert_eq!((delivered, stats.packets, stats.unsummed), (1, 1, 1));
    drop(driver);
    rig.assert_clean();

    // A driver that does not ask: nobody takes a number for the sum of bytes that were not read.
    let mut skb = Skb::copy_from(b"headers").unwrap();
    skb.add_rx_frag(unreadable(), 2048).unwrap();
    assert_eq!((skb.ip_summed(), skb.is_deliverable()), (IpSummed::None, false));
    assert_eq!(skb.checksum(0, skb.len()), Err(ReadError::Unreadable { frag: 0, start: 7, end: 107 }));
    assert!(skb.checksum(0, 7).is_ok(), "the headers can be summed (rule D4)");
}
