//! What the standard library lets anybody do with a value: take, replace, swap, forget, and count beyond reason. Rules O1, O2, O6.

use super::rig::{FRAMES, Host};
use netmem::mm::{PAGE_SIZE, get_page};
use netmem::netdev::{Napi, RxMemory};
use netmem::page_pool::{AnyProvider, Batch, PagePoolParams, ShareError};
use netmem::skb::Skb;
use netmem::{Frag, Netmem, Page, PagePool};
use std::mem::{ManuallyDrop, forget, replace, swap, take};
use std::time::Duration;

/// Attempt: `take`, `replace` and `swap` of handles, batches and pools behind everybody's back. Holds: a handle returns to the pool
/// it is of, whoever is called that now.
#[test]
fn swapped_values_find_their_own_pool() {
    let host = Host::new();
    let (mut one, mut two) = (host.pool(), host.pool());
    let (mut first, mut second) = (one.alloc().unwrap(), two.alloc().unwrap());
    let ids = (one.id(), two.id());
    swap(&mut first, &mut second);
    swap(&mut one, &mut two);
    assert_eq!((first.borrow().pp(), one.id()), (Some(ids.1), ids.1));
    one.recycle_direct(first);
    two.recycle_direct(second);
    assert_eq!((one.stats().recycle_cached, two.stats().recycle_cached), (1, 1));

    let mut batch = Batch::new();
    assert_eq!(one.alloc_bulk(&mut batch), 64);
    let mut taken = take(&mut batch);
    assert!(batch.is_empty() && taken.len() == 64);
    two.recycle_bulk(&mut taken);
    assert_eq!(two.stats().recycle_cached, 1, "they are not of this one");

    let mut slot = Some(one.alloc().unwrap());
    let old = replace(&mut slot, one.alloc());
    assert!(take(&mut slot).is_some() && old.is_some());
    drop((replace(&mut one, host.pool()), old));
    drop((one, two));
    host.all_back();
}

/// Attempt: the pools of two NAPIs swapped in the middle of a poll, and one taken out to another thread. Holds: what is
/// recycled goes to its own pool, and to the cache only if that is lent.
#[test]
fn pools_that_are_swapped_in_the_middle_of_a_poll() {
    let host = Host::new();
    let napi = || {
        let payload = PagePool::new(host.params(), AnyProvider::from(host.pages())).unwrap();
        Napi::new(vec![RxMemory::new(payload, Some(host.pool()))])
    };
    let (mut one, mut two) = (napi(), napi());
    let frag = one.poll(64, |poll| {
        let frag = poll.memory(0).unwrap().payload_mut().alloc_frag(100).unwrap();
        two.poll(64, |other| swap(poll.memory(0).unwrap(), other.memory(0).unwrap()));
        let other = poll.memory(0).unwrap().payload_mut().alloc_frag(100).unwrap();
        poll.recycle_frag(other);
        frag
    });
    one.poll(64, |poll| poll.recycle_frag(frag));
    assert_eq!(two.memory(0).unwrap().payload().stats().recycle_cached, 0, "it is not lent: by the ring");
    let stolen = one.poll(64, |poll| {
        let other = PagePool::new(host.params(), AnyProvider::from(host.pages())).unwrap();
        replace(poll.memory(0).unwrap(), RxMemory::new(other, None))
    });
    std::thread::spawn(move || drop(stolen)).join().unwrap();
    drop((one, two));
    host.all_back();
}

/// Attempt: `forget` of everything that owns. Holds: what was forgotten leaks, counted, and nothing else.
#[test]
fn what_is_forgotten_leaks_and_nothing_else() {
    let host = Host::new();
    let mut pool = host.pool();
    forget(pool.alloc());
    forget(pool.alloc().unwrap().share(1000));
    forget(pool.alloc().unwrap().into_frag());
    let mut batch = Batch::new();
    assert!(batch.push(pool.alloc().unwrap()).is_ok());
    forget(batch);
    let mut skb = Skb::new();
    skb.add_rx_frag(pool.alloc().unwrap().into_frag().unwrap(), 4096).unwrap();
    forget(skb);
    let shutdown = pool.shutdown(Duration::ZERO);
    assert_eq!((shutdown.inflight(), host.zone.free_frames()), (5, FRAMES - 5));
    assert_eq!(shutdown.check(Duration::from_secs(61)).unwrap_err().inflight, 5);
    forget(shutdown);
    // Of mm's own: a block, half of one that was split, and a reference to a page that is given back.
    forget(host.zone.alloc(2));
    let mut split = host.zone.alloc(2).unwrap().split(0).unwrap();
    let (first, second) = (split.next().unwrap(), split.next().unwrap());
    forget(split);
    let kept = host.zone.alloc(0).unwrap();
    forget(get_page(kept.page()));
    drop((first, second, kept));
    host.back_but(5 + 4 + 2 + 1, 0);

    // A pool that is forgotten keeps what it has, mapped; its handles still return to it.
    let host = Host::new();
    let mut pool = host.pool();
    let (memory, stays) = (pool.alloc().unwrap(), pool.inflight());
    forget(pool);
    drop(memory);
    host.back_but(stays, stays as u64);
}

/// Attempt: `ManuallyDrop`, whose second drop is `unsafe`. Holds: without it there is one drop or a leak; what is swapped
/// into its place is what is leaked.
#[test]
fn manually_dropped_handles_are_dropped_once() {
    let host = Host::new();
    let mut pool = host.pool();
    let mut never = ManuallyDrop::new(pool.alloc().unwrap());
    let mut other = pool.alloc().unwrap();
    let words = (never.borrow().as_raw(), other.borrow().as_raw());
    swap(&mut *never, &mut other);
    assert_eq!((other.borrow().as_raw(), never.borrow().as_raw()), words);
    drop(other);
    assert_eq!(never.get().pp_ref_count(), 2, "it lives, and a second reference comes and goes");
    assert_eq!(pool.in_use(), 1);
    pool.recycle_direct(ManuallyDrop::into_inner(never));
    assert_eq!(pool.in_use(), 0);
    drop(pool);
    host.all_back();
}

/// Attempt: a count that overflows. Holds: the most that one call makes is 2^62 ([`Netmem::share`] refuses more, and hands
/// the memory back), every other reference takes a call that adds 1, and 2^62 of those take 146 years at one a nanosecond: Linux
/// relies on the same. What is forgotten on the way leaks the piece and nothing else.
#[test]
fn the_count_has_room() {
    let host = Host::new();
    let mut pool = host.pool();
    let mut memory = pool.alloc().unwrap();
    const MOST: usize = 1 << 62;
    for n in [0, MOST, isize::MAX as usize, usize::MAX] {
        let refused = memory.share(n).map(|shares| shares.left()).expect_err("1 to 2^62 - 1");
        assert_eq!(refused.reason, ShareError::Count { n });
        memory = refused.back;
    }
    let mut shares = memory.share(MOST - 1).unwrap();
    let one = shares.take().unwrap();
    // From the largest start: a million more, half of them forgotten.
    for round in 0..1_000_000 {
        match round % 2 {
            0 => forget(one.get()),
            _ => drop(one.get()),
        }
    }
    assert_eq!(one.pp_ref_count(), MOST - 1 + 500_000);
    assert_eq!(shares.left(), MOST - 2);
    drop((shares, one));
    assert_eq!((pool.in_use(), pool.inflight()), (1, 64), "the forgotten ones hold one piece");
    // A page that is cut starts as high, and has as much room.
    let frag = pool.alloc_frag(64).unwrap();
    assert_eq!(frag.borrow().pp_ref_count(), usize::MAX >> 2);
    drop((frag, pool));
    host.back_but(1, 0);
}

/// Attempt: shares of one piece split over threads that drop, recycle and take bytes as they like. Holds: exactly one of them is
/// the last, and nobody has bytes before.
#[test]
fn shares_over_threads_have_one_last() {
    let host = Host::new();
    let mut pool = host.pool();
    for _ in 0..50 {
        let mut shares = pool.alloc().unwrap().share(9).unwrap();
        let last: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    let mut own = [shares.take().unwrap(), shares.take().unwrap()];
                    scope.spawn(move || {
                        assert!(own[0].bytes_mut().is_none(), "one more is in this very thread");
                        let [one, two] = own;
                        drop(one);
                        usize::from(two.into_frag().is_ok())
                    })
                })
                .collect();
            let mine = usize::from(shares.unref().is_some());
            threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>() + mine
        });
        assert!(last <= 1);
        assert_eq!(pool.in_use(), 0);
    }
    drop(pool);
    host.all_back();
}

/// Attempt: frags of two pools cut, split, narrowed, merged, turned into handles and back, by a seed. Holds: no two of them share a
/// byte: each finds its own mark wherever it wrote it.
#[test]
fn no_two_frags_ever_share_a_byte() {
    let host = Host::new();
    let mut pools = [host.pool(), host.pool()];
    let mut held: Vec<(Frag<Page>, u8)> = Vec::new();
    let (mut seed, mut mark) = (7_u64, 0_u8);
    let mut random = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    let fill = |mut frag: Frag<Page>, mark: u8| {
        frag.bytes_mut().fill(mark);
        (frag, mark)
    };
    for _ in 0..5000 {
        mark = mark.wrapping_add(1);
        let pool = &mut pools[random(2)];
        if held.len() < 2 {
            held.push(fill(pool.alloc_frag(1 + random(4096) as u32).unwrap(), mark));
        }
        let (frag, was) = held.swap_remove(random(held.len()));
        assert!(frag.bytes().iter().all(|byte| *byte == was), "somebody else wrote here");
        let len = frag.len();
        match random(9) {
            0 => held.push(fill(pool.alloc_frag(1 + random(2000) as u32).unwrap(), mark)),
            1 => held.push(fill(pool.alloc_at_least(1 + random(2000) as u32).unwrap(), mark)),
            2 => {
                let (mut head, at) = (frag, random(len as usize + 1) as u32);
                let tail = head.split_off(at).unwrap();
                held.extend([(head, was), fill(tail, mark)]);
                continue;
            }
            3 => {
                // Any two that touch become one, whatever is in them; of two pools none do.
                let mut whole = frag;
                match held.iter().position(|(next, _)| whole.continues_in(next)) {
                    Some(at) => assert!(whole.try_merge(held.swap_remove(at).0).is_ok()),
                    None => {
                        let (other, mark) = held.pop().unwrap();
                        held.push((whole.try_merge(other).unwrap_err(), mark));
                    }
                }
                held.push(fill(whole, mark));
                continue;
            }
            4 => {
                let mut frag = frag;
                frag.narrow(len / 3, len / 2).unwrap();
                assert!(frag.narrow(1, frag.len()).is_err());
                held.push(fill(frag, mark));
                continue;
            }
            5 => {
                match frag.into_netmem().map(Netmem::into_frag) {
                    Ok(Ok(whole)) => held.push(fill(whole, mark)),
                    Ok(Err(not_alone)) => drop(not_alone),
                    Err(part) => held.push((part, was)),
                }
                continue;
            }
            6 => {
                pool.recycle_frag(frag);
                continue;
            }
            7 => {
                let mut batch = Batch::new();
                match frag.into_netmem() {
                    Ok(memory) => batch.put(memory),
                    Err(part) => held.push((part, was)),
                }
                continue;
            }
            _ => {}
        }
        if held.len() < 60 {
            held.push((frag, was));
        }
    }
    drop((held, pools));
    host.all_back();
}

/// Attempt: every way of recycling, into a pool that the memory is not of. Holds: it returns to its own, and the other counts
/// nothing.
#[test]
fn the_wrong_pool_takes_nothing() {
    let host = Host::new();
    let (mut own, mut wrong) = (host.pool(), host.pool());
    let mut batch = Batch::new();
    own.alloc_bulk(&mut batch);
    let memory: Netmem = batch.pop().unwrap().into();
    wrong.recycle_direct(memory);
    wrong.recycle_direct_synced(batch.pop().unwrap(), 7);
    wrong.recycle_frag(batch.pop().unwrap().into_frag().unwrap());
    wrong.recycle_bulk(&mut batch);
    assert_eq!((wrong.inflight(), wrong.stats()), (0, Default::default()));
    assert_eq!((own.stats().recycle_ring, own.in_use()), (16, 0), "as many as its ring holds");
    drop((own, wrong));
    host.all_back();
}

/// Attempt: to have bytes again that an owner has cut off, or that were never received, by turning the frag into a handle that is
/// alone. Holds: only a frag of all the memory becomes one.
#[test]
fn a_range_does_not_grow_by_giving_it_up() {
    let host = Host::new();
    let mut pool = PagePool::<Page>::new(PagePoolParams::default(), host.pages()).unwrap();
    let mut frag = pool.alloc().unwrap().into_frag().unwrap();
    let empty = frag.split_off(PAGE_SIZE as u32).unwrap();
    let memory = frag.into_netmem().expect("it is all of it");
    let memory = memory.into_frag().expect_err("an empty frag is one, too");
    drop(empty);
    let mut frag = memory.into_frag().expect("alone now");
    frag.truncate(PAGE_SIZE as u32 - 1);
    assert_eq!(frag.borrow().pp_ref_count(), 1);
    let mut frag = frag.into_netmem().expect_err("alone, and a part");
    frag.advance(1);
    let frag = frag.into_netmem().expect_err("a part");
    // The page that the pool is still cutting has references of the pool's.
    assert!(pool.alloc_frag(100).unwrap().into_netmem().is_err());
    let cut = pool.alloc_frag(PAGE_SIZE as u32).unwrap().into_netmem().expect("it is all of it");
    let cut = cut.into_frag().expect_err("the pool cuts from it");
    let cut = cut.share(2).expect_err("nor can it be shared out");
    drop((pool, cut, frag));
    host.all_back();
}
