//! What is measured, and what is compared with what.

use super::dpdk::Dpdk;
use super::{peers, threads};
use crate::paths::{self, Case};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;

/// One row of the table.
pub(crate) struct Row {
    pub(crate) group: &'static str,
    pub(crate) name: String,
    /// Not of this crate.
    pub(crate) peer: bool,
    /// Does so many operations. Nanoseconds.
    pub(crate) run: Box<dyn FnMut(u64) -> u64>,
}

impl Row {
    fn timed(group: &'static str, name: &str, peer: bool, mut path: Box<dyn FnMut(u64)>) -> Self {
        let run = move |n| {
            let start = Instant::now();
            path(n);
            start.elapsed().as_nanos() as u64
        };
        Row { group, name: name.into(), peer, run: Box::new(run) }
    }

    fn dpdk(group: &'static str, name: &str, dpdk: &Rc<RefCell<Dpdk>>, case: &'static str) -> Self {
        let dpdk = dpdk.clone();
        let run = move |n| dpdk.borrow_mut().round(case, n).unwrap_or_else(|error| panic!("DPDK: {error}"));
        Row { group, name: name.into(), peer: true, run: Box::new(run) }
    }
}

const ONE: &str = "one thread";
const TWO: &str = "two threads: one takes out, the other returns";

/// A ratio that is told: this over that, and at most what it should be, if anything was asked for.
pub(crate) struct Ratio {
    pub(crate) this: &'static str,
    pub(crate) that: &'static str,
    pub(crate) aim: Option<f64>,
}

const fn ratio(this: &'static str, that: &'static str) -> Ratio {
    Ratio { this, that, aim: None }
}

/// The ratios, in the order of the plot.
pub(crate) const RATIOS: &[Ratio] = &[
    ratio("direct 1/1 Page", "bare array 1/1"),
    ratio("direct 64/64 Page", "bare array 64/64"),
    ratio("direct 1/1 Page", "DPDK mempool 1/1"),
    Ratio { this: "direct 1/1 PageOrIov, a page, called", that: "DPDK mempool 1/1", aim: Some(0.95) },
    ratio("direct 64/64 PageOrIov, a page, called", "DPDK mempool 64/64"),
    ratio("direct 1/1 PageOrIov, a page, called", "DPDK pktmbuf 1/1"),
    ratio("direct 64/64 PageOrIov, a page, called", "DPDK pktmbuf 64/64"),
    ratio("direct 1/1 Page", "malloc 4 KiB 1/1"),
    ratio("bulk of 64 Page, direct", "DPDK mempool bulk of 64"),
    ratio("ring 1/1 Page", "ArrayQueue 1/1"),
    ratio("ring 64/64 Page", "ArrayQueue 64/64"),
    ratio("bulk of 64 Page, ring", "DPDK ring burst of 64"),
    ratio("fragment 2048 Page, direct", "DPDK pktmbuf 1/1"),
    ratio("fragment 512 Page, direct", "DPDK pktmbuf 1/1"),
    ratio("get and put Page", "Arc clone and drop"),
    ratio("two threads, singles, Page", "two threads, DPDK mempool singles"),
    ratio("two threads, singles, Page", "two threads, ArrayQueue singles"),
    ratio("two threads, bulk of 64, Page", "two threads, DPDK mempool bulk of 64"),
];

/// All rows, and DPDK's version or why it does not run here.
pub(crate) fn rows() -> (Vec<Row>, Result<String, String>) {
    let peer = |name, path| Row::timed(ONE, name, true, path);
    let mut rows = vec![
        peer("bare array 1/1", peers::array_1()),
        peer("bare array 64/64", peers::array_64()),
        peer("ArrayQueue 1/1", peers::array_queue_1()),
        peer("ArrayQueue 64/64", peers::array_queue_64()),
        peer("Arc clone and drop", peers::arc()),
        peer("malloc 4 KiB 1/1", peers::malloc_1()),
        peer("malloc 4 KiB 64/64", peers::malloc_64()),
        peer("one locked read-modify-write", peers::locked()),
    ];
    let dpdk = Dpdk::start();
    if let Ok(dpdk) = &dpdk {
        let row = |name, case| Row::dpdk(ONE, name, dpdk, case);
        rows.extend([
            row("DPDK mempool 1/1", "mempool-1"),
            row("DPDK mempool 64/64", "mempool-64"),
            row("DPDK mempool bulk of 64", "mempool-bulk"),
            row("DPDK pktmbuf 1/1", "mbuf-1"),
            row("DPDK pktmbuf 64/64", "mbuf-64"),
            row("DPDK ring burst of 64", "ring-bulk"),
        ]);
    }
    // So are the paths of a packet, because nothing here competes with them.
    let counted = |case: &Case| ["helper", "packet"].iter().any(|part| case.name.starts_with(part));
    let timed = paths::cases().into_iter().filter(|case| !case.is_overhead() && !counted(case));
    rows.extend(timed.map(|case| Row::timed(ONE, case.name, false, (case.make)())));

    let row = |name: &str, peer, run| Row { group: TWO, name: name.into(), peer, run };
    rows.extend([
        row("two threads, the channel alone", true, threads::channel_alone()),
        row("two threads, ArrayQueue singles", true, threads::array_queue()),
        row("two threads, malloc 4 KiB", true, threads::malloc()),
    ]);
    if let Ok(dpdk) = &dpdk {
        rows.extend([
            Row::dpdk(TWO, "two threads, DPDK mempool singles", dpdk, "threads-1"),
            Row::dpdk(TWO, "two threads, DPDK mempool bulk of 64", dpdk, "threads-bulk"),
        ]);
    }
    rows.extend([
        row("two threads, singles, Page", false, threads::netmem_singles_page()),
        row("two threads, singles, PageOrIov", false, threads::netmem_singles_any()),
        row("two threads, bulk of 64, Page", false, threads::netmem_bulk_page()),
        row("two threads, bulk of 64, PageOrIov", false, threads::netmem_bulk_any()),
    ]);
    (rows, dpdk.map(|dpdk| dpdk.borrow().version.clone()))
}
