//! A program that writes anything into both its rings, while its pool allocates, posts and copies.

use crate::input::Input;
use netmem::Refused;
use netmem::page_pool::PagePoolParams;
use netmem::{NetIov, PagePool};
use netmem_consumers::zcrx::{HandOutError, UserArea, Zcrx, ZcrxCqe, ZcrxParams, ZcrxRqe, ZcrxStats};
use netmem_sim::dma::{Coherent, DmaBus};
use netmem_sim::kit::Vram;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Net_iovs of the two areas.
const NIOVS: [usize; 2] = [90, 7];
const ENTRIES: u32 = 256;

/// Does what `input` says until it ends, and checks that nothing is lost. Gives what the provider counted.
pub(crate) fn drive(input: &mut impl Input) -> ZcrxStats {
    let bus = Arc::new(Coherent::new());
    let device = bus.clone().driver_side();
    let area = |niovs: usize| UserArea::whole(Arc::new(Vram(niovs << 12)));
    let (zcrx, mut user) = Zcrx::register(ZcrxParams::new(device.clone(), ENTRIES), area(NIOVS[0])).unwrap();
    zcrx.add_area(area(NIOVS[1])).unwrap();
    let (ring, completions) = (user.ring().clone(), user.completions().clone());
    let provider = zcrx.provider().clone();
    let params = PagePoolParams { pool_size: 16, ..PagePoolParams::for_device(device, 4096) };
    let mut pool = PagePool::<NetIov>::new(params, provider.clone()).unwrap();
    let total = NIOVS[0] + NIOVS[1];

    let mut held = Vec::new();
    let (mut queue, mut pieces) = (Vec::<ZcrxCqe>::with_capacity(64), Vec::new());
    let mut tail = 0_u32;
    while let Some(word) = input.word() {
        let (op, rest) = (word & 15, word >> 4);
        match op {
            // Entries: anything, or nearly right, or one that was told.
            0..=2 => {
                let second = input.word().unwrap_or(0);
                ring.store(rest as u32, ZcrxRqe { off: second, len: rest as u32, pad: (rest >> 32) as u32 & 1 });
            }
            3..=5 => {
                let off = (rest & 1) << 48 | ((rest >> 8) & 127) << 12 | (rest >> 20) & 4095;
                ring.store(tail, ZcrxRqe { off, len: 0, pad: u32::from(rest & 0xf0 == 0) });
                tail = tail.wrapping_add(1);
            }
            6 if !queue.is_empty() => {
                let piece = queue.swap_remove(rest as usize % queue.len());
                ring.store(tail, piece.rqe());
                tail = tail.wrapping_add(1);
                ring.store_tail(tail);
            }
            // Head and tail.
            7 => ring.store_tail(rest as u32),
            8 => ring.store_tail(tail),
            9 => ring.store_head(rest as u32),
            10 => {
                tail = ring.head();
                ring.store_tail(tail.wrapping_add(rest as u32 % (2 * ENTRIES)));
            }
            // The other side.
            11 | 12 => {
                if held.len() < 40 {
                    held.extend(pool.alloc_frag(1 + rest as u32 % 4096));
                }
            }
            13 => {
                if let Some(frag) = held.pop() {
                    match zcrx.post(frag) {
                        Ok(piece) if queue.len() < queue.capacity() => queue.push(piece),
                        Ok(_) => {}
                        Err(Refused { reason: HandOutError::QueueFull, back }) => held.push(back),
                        Err(error) => panic!("it is ours: {error}"),
                    }
                }
            }
            14 => {
                let before = completions.tail();
                let _ = zcrx.copy_frag(&[0; 9000][..rest as usize % 9000]);
                if queue.len() + 3 > queue.capacity() {
                    queue.clear();
                }
                let told = completions.tail().wrapping_sub(before);
                queue.extend((0..told).map(|i| completions.load(before.wrapping_add(i))));
            }
            _ => match rest % 8 {
                0 => zcrx.flush(),
                1 => held.clear(),
                2 => {
                    let whole: Vec<_> = std::iter::from_fn(|| pool.alloc()).collect();
                    let different: BTreeSet<_> = whole.iter().map(|memory| memory.dma_addr()).collect();
                    assert_eq!(different.len(), whole.len(), "nothing is handed out twice");
                    assert!(whole.iter().all(|memory| memory.pp_ref_count() == 1));
                }
                // Head of the completion ring: anything, or all that is there, or as a program that behaves.
                3 => completions.store_head(input.word().unwrap_or(0) as u32),
                4 => completions.store_head(completions.tail()),
                5 => {
                    while let Some(piece) = user.receive().unwrap() {
                        pieces.push(piece);
                    }
                    pieces.truncate(8);
                }
                _ => {
                    if let Some(event) = zcrx.take_event() {
                        zcrx.arm(event).expect("it was fired");
                    }
                }
            },
        }
        let known = provider.available() + pool.inflight();
        assert!(known <= total && known + provider.with_user() >= total, "{provider:?}, {pool:?}");
    }
    let stats = zcrx.stats();
    assert!(stats.entries >= stats.skipped() + stats.returned);
    assert_eq!(user.pieces(), pieces.len());
    // Whoever leaves first, all of it is back.
    drop((zcrx, pool, held));
    assert_eq!((provider.available(), provider.with_user()), (total, 0));
    drop(provider);
    assert_eq!((bus.stats().mapped(), bus.stats().faults), (0, 0));
    stats
}

#[test]
fn three_million_entries_of_a_refill_ring() {
    let (mut entries, mut returned, mut skipped) = (0, 0, 0);
    for seed in 1..=1000 {
        let stats = drive(&mut crate::input::Noise::new(seed, 40_000));
        entries += stats.entries;
        returned += stats.returned;
        skipped += stats.skipped();
        if entries >= 3_000_000 {
            break;
        }
    }
    assert!(entries >= 3_000_000 && returned > 10_000 && skipped > 1_000_000, "{entries} {returned} {skipped}");
}
