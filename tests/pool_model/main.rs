//! Random programs of allocations, puts, failures and shutdowns: the crate's pool beside a plain model of Linux's rules.
//!
//! After each step everything that can be seen is compared: the eleven counters, cache and ring, what is in flight, both
//! counts of each piece of memory that is held, which piece it is, mappings, syncs, free frames, and what hooks were told.
//! Puts from a real second thread are waited for, so that the order of things is known.
//!
//! `NETMEM_MODEL_STEPS` says how many steps to make (100000 unless set), `NETMEM_MODEL_SEED` begins elsewhere.

mod model;
mod sut;

use model::{Config, Model, PoolConfig, Step};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use sut::Sut;

/// Steps of one program.
const LENGTH: usize = 400;

/// A step as it is drawn. What the numbers mean depends on the state: every one means something in every state, or does
/// nothing, so that any part of a program is a program.
#[derive(Clone, Debug)]
enum Draw {
    Alloc(usize),
    AllocFrag(usize, u32),
    AllocAtLeast(usize, u32),
    AllocBulk(usize, usize),
    Get(usize),
    GetPage(usize),
    Share(usize, isize),
    Take(usize),
    IntoFrag(usize),
    Split(usize, u32),
    Merge(usize, usize),
    Put(usize, bool),
    Recycle(usize, usize, Option<u32>),
    PutBulk(usize, usize, bool),
    RecycleBulk(usize, usize, usize),
    NidChanged(usize, i32),
    Serve(usize),
    Allow(usize),
    Reserve(usize, usize),
    Refuse(u64, u64),
    Shutdown(usize, bool),
    Unobserve(usize),
    Create(usize, PoolConfig),
}

fn pool_config() -> impl Strategy<Value = PoolConfig> {
    let dma = select(vec![(false, false), (true, false), (true, true), (true, true)]);
    let range = select(vec![(0, 4096), (256, 1500), (64, 64)]);
    let nid = select(vec![None, Some(0), Some(1)]);
    (select(vec![1, 2, 5, 8, 31, 32, 64, 150, 0]), dma, range, nid, 0..4).prop_map(
        |(pool_size, dma, (offset, max_len), nid, iov)| PoolConfig {
            pool_size,
            dma,
            offset,
            max_len,
            nid,
            iov: iov == 0,
            order: 0,
        },
    )
}

fn draw() -> impl Strategy<Value = Draw> {
    // Any slot, and either pool.
    let slot = || 0..model::SLOTS;
    let pool = || 0..2_usize;
    let size = || prop_oneof![0..=4100_u32, select(vec![64, 65, 1000, 1024, 1500, 2048, 2049, 4096, 8192, 8193])];
    let len = || prop_oneof![Just(None), (0..5000_u32).prop_map(Some)];
    prop_oneof![
        12 => pool().prop_map(Draw::Alloc),
        10 => (pool(), size()).prop_map(|(pool, size)| Draw::AllocFrag(pool, size)),
        8 => (pool(), size()).prop_map(|(pool, size)| Draw::AllocAtLeast(pool, size)),
        6 => (pool(), 0..=64_usize).prop_map(|(pool, room)| Draw::AllocBulk(pool, room)),
        6 => slot().prop_map(Draw::Get),
        3 => slot().prop_map(Draw::GetPage),
        4 => (slot(), -1..6_isize).prop_map(|(slot, n)| Draw::Share(slot, n)),
        5 => slot().prop_map(Draw::Take),
        4 => slot().prop_map(Draw::IntoFrag),
        3 => (slot(), 0..5000_u32).prop_map(|(slot, at)| Draw::Split(slot, at)),
        3 => (slot(), slot()).prop_map(|(slot, next)| Draw::Merge(slot, next)),
        24 => (slot(), any::<bool>()).prop_map(|(slot, thread)| Draw::Put(slot, thread)),
        20 => (slot(), pool(), len()).prop_map(|(slot, pool, len)| Draw::Recycle(slot, pool, len)),
        4 => (slot(), 0..=64_usize, any::<bool>()).prop_map(|(slot, n, thread)| Draw::PutBulk(slot, n, thread)),
        5 => (slot(), 0..=64_usize, pool()).prop_map(|(slot, n, pool)| Draw::RecycleBulk(slot, n, pool)),
        2 => (pool(), 0..2).prop_map(|(pool, nid)| Draw::NidChanged(pool, nid)),
        2 => pool().prop_map(Draw::Serve),
        2 => prop_oneof![Just(usize::MAX), 0..100_usize].prop_map(Draw::Allow),
        2 => (pool(), prop_oneof![Just(0), 0..900_usize]).prop_map(|(node, frames)| Draw::Reserve(node, frames)),
        2 => (1..4_u64, 0..200_u64).prop_map(|(every, until)| Draw::Refuse(every, until)),
        1 => (pool(), any::<bool>()).prop_map(|(pool, observe)| Draw::Shutdown(pool, observe)),
        1 => pool().prop_map(Draw::Unobserve),
        3 => (pool(), pool_config()).prop_map(|(pool, config)| Draw::Create(pool, config)),
    ]
}

/// Takes more than it gives.
fn hoard() -> impl Strategy<Value = Draw> {
    prop_oneof![
        1 => (0..2_usize, 32..=64_usize).prop_map(|(pool, room)| Draw::AllocBulk(pool, room)),
        3 => draw(),
    ]
}

/// Gives back, to the cache as far as it has room.
fn give_back() -> impl Strategy<Value = Draw> {
    let slot = || 0..model::SLOTS;
    prop_oneof![
        1 => (slot(), 0..=64_usize, 0..2_usize).prop_map(|(slot, n, pool)| Draw::RecycleBulk(slot, n, pool)),
        6 => (slot(), 0..2_usize).prop_map(|(slot, pool)| Draw::Recycle(slot, pool, None)),
        2 => draw(),
    ]
}

thread_local! {
    static DRAWS: [BoxedStrategy<Draw>; 3] = [draw().boxed(), hoard().boxed(), give_back().boxed()];
}

struct Reference;

impl ReferenceStateMachine for Reference {
    type State = Model;
    type Transition = Draw;

    fn init_state() -> BoxedStrategy<Model> {
        let order = select(vec![0, 0, 0, 1]);
        ((pool_config(), pool_config()), order, any::<bool>(), any::<bool>())
            .prop_map(|((one, two), order, device_syncs, hoards)| {
                Model::new(Config { pools: [one, two], order, device_syncs, hoards })
            })
            .boxed()
    }

    fn transitions(model: &Model) -> BoxedStrategy<Draw> {
        let which = if model.config.hoards { 1 + usize::from(model.giving_back) } else { 0 };
        DRAWS.with(|draws| draws[which].clone())
    }

    fn apply(mut model: Model, draw: &Draw) -> Model {
        model.begin();
        // What means nothing in this state does nothing.
        let _ = match *draw {
            Draw::Alloc(pool) => model.step_alloc(pool),
            Draw::AllocFrag(pool, size) => model.step_alloc_frag(pool, size),
            Draw::AllocAtLeast(pool, size) => model.step_alloc_at_least(pool, size),
            Draw::AllocBulk(pool, room) => model.step_alloc_bulk(pool, room),
            Draw::Get(slot) => model.step_get(slot),
            Draw::GetPage(slot) => model.step_get_page(slot),
            Draw::Share(slot, n) => model.step_share(slot, n),
            Draw::Take(slot) => model.step_take(slot),
            Draw::IntoFrag(slot) => model.step_into_frag(slot),
            Draw::Split(slot, at) => model.step_split(slot, at),
            Draw::Merge(slot, next) => model.step_merge(slot, next),
            Draw::Put(slot, thread) => model.step_put(slot, thread),
            Draw::Recycle(slot, pool, len) => model.step_recycle(slot, pool, len),
            Draw::PutBulk(slot, n, thread) => model.step_put_bulk(slot, n, thread),
            Draw::RecycleBulk(slot, n, pool) => model.step_recycle_bulk(slot, n, pool),
            Draw::NidChanged(pool, nid) => model.step_nid_changed(pool, nid),
            Draw::Serve(node) => model.step_serve(node),
            Draw::Allow(pages) => model.step_allow(pages),
            Draw::Reserve(node, frames) => model.step_reserve(node, frames),
            Draw::Refuse(every, until) => model.step_refuse(every, until),
            Draw::Shutdown(pool, observe) => model.step_shutdown(pool, observe),
            Draw::Unobserve(pool) => model.step_unobserve(pool),
            Draw::Create(pool, config) => model.step_create(pool, config),
        };
        model
    }
}

static STEPS: AtomicU64 = AtomicU64::new(0);
/// How often each thing happened that the test would be worth little without.
static SEEN: Mutex<BTreeMap<&str, u64>> = Mutex::new(BTreeMap::new());

struct Test;

impl StateMachineTest for Test {
    type SystemUnderTest = Sut;
    type Reference = Reference;

    fn init_test(model: &Model) -> Sut {
        Sut::new(model)
    }

    fn apply(mut sut: Sut, model: &Model, _draw: Draw) -> Sut {
        if model.step != Step::Nothing {
            STEPS.fetch_add(1, Relaxed);
        }
        sut.apply(model);
        sut.check(model);
        sut
    }

    fn teardown(sut: Sut, model: Model) {
        let mut seen = SEEN.lock().unwrap();
        let mut sum = |name, count: u64| *seen.entry(name).or_default() += count;
        for pool in &model.pools {
            pool.stats.named().into_iter().for_each(|(name, count)| sum(name, count));
            sum("pools shut down", u64::from(!pool.alive));
        }
        sum("pieces of memory", model.memory.len() as u64);
        sum("unmaps", model.unmaps);
        drop(seen);
        sut.finish(&model);
    }
}

#[test]
fn the_pool_does_what_linux_does() {
    let number = |name| std::env::var(name).ok().map(|value| value.parse::<u64>().expect("a number"));
    let steps = number("NETMEM_MODEL_STEPS").unwrap_or(100_000);
    let seed = number("NETMEM_MODEL_SEED").unwrap_or(0);
    let config =
        ProptestConfig { cases: 1, failure_persistence: None, max_shrink_iters: 5_000, ..ProptestConfig::default() };
    let programs = Reference::sequential_strategy(LENGTH);
    let (count, failed) = (AtomicU64::new(0), Mutex::new(None));
    // Makes the next program and runs it. Each has a seed of its own, so that one can be made again alone.
    let run = || {
        let number = count.fetch_add(1, Relaxed) + 1;
        let mut bytes = [0x5a; 16];
        bytes[..8].copy_from_slice(&(seed + number).to_le_bytes());
        let mut runner = TestRunner::new_with_rng(config.clone(), TestRng::from_seed(RngAlgorithm::XorShift, &bytes));
        let outcome = runner.run(&programs, |(model, draws, seen)| {
            Test::test_sequential(config.clone(), model, draws, seen);
            Ok(())
        });
        if let Err(error) = outcome {
            failed.lock().unwrap().get_or_insert((number, error.to_string()));
        }
    };
    // Making a program that fails shorter means making it fail a thousand times: one message will do, the last.
    std::panic::set_hook(Box::new(|_| {}));
    // Programs know nothing of each other, so as many run at once as there are processors for.
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while STEPS.load(Relaxed) < steps && failed.lock().unwrap().is_none() {
                    run();
                }
            });
        }
    });
    drop(std::panic::take_hook());
    if let Some((number, error)) = failed.into_inner().unwrap() {
        let again = seed + number - 1;
        panic!("program {number} of seed {seed} (make it again with NETMEM_MODEL_SEED={again}): {error}");
    }
    let count = count.into_inner();
    let seen = SEEN.lock().unwrap();
    println!("{} steps in {count} programs (seed {seed}):", STEPS.load(Relaxed));
    for (name, count) in &*seen {
        println!("{count:>12} {name}");
        assert_ne!(*count, 0, "{name}: never happened, so it was not tested");
    }
}
