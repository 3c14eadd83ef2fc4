//! Rings whose positions pass 2^32, and counts at their limits.

use super::consumer::{Consumer, Group};
use super::ring::{CompletionRing, Completions, NoRoom, RefillRing};
use super::{HandOutError, UserArea, Zcrx, ZcrxCqe, ZcrxParams, ZcrxRqe, ZcrxStats, ZcrxUser};
use crate::alloc::Arc;
use crate::alloc::Vec;
use netmem::Refused;
use netmem::dma::{PeerError, PeerMemory};
use netmem::memory::NetIov;
use netmem::page_pool::{PagePool, PagePoolParams};
use netmem_sim::dma::{Coherent, DmaBus};
use std::collections::VecDeque;

struct Ram(usize);

impl PeerMemory for Ram {
    fn len(&self) -> usize {
        self.0
    }
    fn write(&self, _offset: usize, _bytes: &[u8]) -> Result<(), PeerError> {
        Ok(())
    }
}

const REFILL: usize = PagePoolParams::REFILL;
const NIOVS: u32 = 200;

fn instance(rq_entries: u32, cq_entries: u32, start: u32) -> (Zcrx, ZcrxUser, PagePool<NetIov>) {
    let device = Arc::new(Coherent::new()).driver_side();
    let params = ZcrxParams { cq_entries, ..ZcrxParams::new(device.clone(), rq_entries) };
    let area = UserArea::whole(Arc::new(Ram((NIOVS as usize) << 12)));
    let (zcrx, user) = Zcrx::register_at(params, area, start).unwrap();
    let pool = PagePool::<NetIov>::new(PagePoolParams::for_device(device, 4096), zcrx.provider().clone()).unwrap();
    (zcrx, user, pool)
}

/// Every length, with positions that pass 2^32 in each state of the ring: what was told is received, in order, and what
/// was received comes back.
#[test]
fn both_rings_work_across_the_wrap() {
    for shift in 0..=7 {
        let len = 1_u32 << shift;
        for short in [0, 1, len / 2, len, len + 1] {
            let (zcrx, mut user, mut pool) = instance(len, len, 0_u32.wrapping_sub(short));
            let (mut told, mut posted, mut full) = (VecDeque::new(), 0, 0);
            for round in 0_u32.. {
                if full >= 2 && posted > u64::from(3 * len) {
                    break;
                }
                assert!(
                    round < 10_000,
                    "{len} entries, {short} short of the wrap: it stands still, {:?}",
                    zcrx.stats()
                );
                // Now fewer than there is room for, now more.
                for _ in 0..=round % (len + 2) {
                    let Some(frag) = pool.alloc_frag(4096) else { break };
                    match zcrx.post(frag) {
                        Ok(cqe) => {
                            told.push_back(cqe);
                            posted += 1;
                        }
                        Err(Refused { reason: HandOutError::QueueFull, .. }) => {
                            assert_eq!(told.len(), len as usize, "refused only when it is full");
                            full += 1;
                        }
                        Err(error) => panic!("{error}"),
                    }
                }
                let mut pieces = Vec::new();
                while let Some(piece) = user.receive().unwrap() {
                    assert_eq!(Some(piece.cqe()), told.pop_front());
                    pieces.push(piece);
                }
                assert!(told.is_empty());
                drop(pieces);
                // By a flush, or as the pool asks.
                if round % 2 == 0 {
                    zcrx.flush();
                }
            }
            // As often as it can take, and no more: each flush takes an entry at least.
            for _ in 0..posted {
                user.settle();
                zcrx.flush();
            }
            assert_eq!(user.settle(), 0);
            let stats = zcrx.stats();
            assert_eq!((stats.returned, stats.entries, stats.skipped(), stats.bad_cq_head), (posted, posted, 0, 0));
            assert_eq!(zcrx.provider().with_user(), 0, "{len} entries, {short} short of the wrap");
            assert!(user.ring().head() < 1 << 31 && user.completions().tail() < 1 << 31, "both have passed 2^32");
        }
    }
}

/// The entry behind that of position 2^32 - 1 is that of position 0, for every length: no two of `len` positions in a row
/// share an entry.
#[test]
fn positions_in_a_row_have_entries_of_their_own() {
    for shift in 0..=15 {
        let len = 1_u32 << shift;
        let ring = RefillRing::new(len, 0).unwrap();
        let first = 0_u32.wrapping_sub(len / 2 + 1);
        for at in 0..len {
            ring.store(first.wrapping_add(at), ZcrxRqe { off: u64::from(at), ..ZcrxRqe::default() });
        }
        assert!((0..len).all(|at| ring.load(first.wrapping_add(at)).off == u64::from(at)), "{len} entries");
    }
    let ring = CompletionRing::new(65536, u32::MAX).unwrap();
    let mut kernel = Completions::new(ring.clone());
    for at in 0..65536 {
        assert!(kernel.room().is_ok());
        kernel.push(ZcrxCqe { off: at, ..ZcrxCqe::default() });
    }
    assert!(matches!(kernel.room(), Err(NoRoom::Full)));
    assert!((0..65536).all(|at| ring.load(u32::MAX.wrapping_add(at)).off == u64::from(at)));
    // Heads on either side of what is there, across the wrap.
    for (head, bad) in [(u32::MAX - 1, true), (u32::MAX, false), (65535, false), (65536, true), (1 << 31, true)] {
        ring.store_head(head);
        assert_eq!(matches!(kernel.room(), Err(NoRoom::BadHead)), bad, "head {head}, tail {}", ring.tail());
    }
}

/// A refill reads one entry more than it has groups for, and steps back: from position 0 to 2^32 - 1, too.
#[test]
fn a_refill_steps_back_across_the_wrap() {
    for short in 0..=REFILL as u32 + 2 {
        let start = 0_u32.wrapping_sub(short);
        let ring = RefillRing::new(128, start).unwrap();
        let mut consumer = Consumer::new(ring.clone(), 12);
        consumer.areas.push(NIOVS);
        for at in 0..100 {
            ring.store(start.wrapping_add(at), ZcrxRqe { off: u64::from(at) << 12, ..ZcrxRqe::default() });
        }
        ring.store_tail(start.wrapping_add(100));
        let (mut stats, mut seen) = (ZcrxStats::default(), Vec::new());
        loop {
            let mut groups = [Group::default(); REFILL];
            let mut budget = consumer.budget();
            let count = consumer.collect(&mut budget, &mut groups, &mut stats);
            seen.extend(groups[..count].iter().map(|group| group.index));
            if count < REFILL {
                break;
            }
        }
        assert_eq!(seen, (0..100).collect::<Vec<_>>());
        assert_eq!((stats.entries, ring.head()), (100, start.wrapping_add(100)));
    }
}

/// A tail that is anything, beside the wrap: each look takes at most as many entries as the ring has.
#[test]
fn a_tail_that_lies_beside_the_wrap() {
    for start in [u32::MAX - 3, u32::MAX, 0, 1] {
        for tail in [start.wrapping_sub(1), start ^ 1 << 31, u32::MAX, 0, 5, start.wrapping_add(9)] {
            let (zcrx, user, mut pool) = instance(8, 8, start);
            zcrx.post(pool.alloc_frag(64).unwrap()).unwrap();
            user.ring().store_tail(tail);
            zcrx.flush();
            let known = tail.wrapping_sub(start).min(8);
            assert_eq!(zcrx.stats().entries, u64::from(known), "from {start} to {tail}");
            assert_eq!(user.ring().head(), start.wrapping_add(known));
        }
    }
}

/// The count of a net_iov's pieces ends at 2^32 - 1, and says so.
#[test]
fn pieces_of_a_net_iov_are_counted_up_to_a_limit() {
    let (zcrx, mut user, mut pool) = instance(8, 8, 0);
    let (first, second, third) =
        (pool.alloc_frag(64).unwrap(), pool.alloc_frag(64).unwrap(), pool.alloc_frag(64).unwrap());
    let told = zcrx.post(first).unwrap();
    zcrx.provider().set_user_refs(told, u32::MAX - 1);
    zcrx.post(second).unwrap();
    let refused = zcrx.post(third).unwrap_err();
    assert!(refused.reason == HandOutError::TooMany, "{refused}");
    // Whoever is told is counted: one comes back, and one more can be handed out.
    drop(user.receive().unwrap());
    zcrx.flush();
    zcrx.post(refused.back).unwrap();
    assert_eq!((zcrx.stats().returned, zcrx.stats().skipped(), zcrx.provider().with_user()), (1, 0, 1));
    zcrx.provider().set_user_refs(told, 2);
    while user.receive().unwrap().is_some() {}
    zcrx.flush();
    assert_eq!((zcrx.stats().returned, zcrx.provider().with_user()), (3, 0));
}
