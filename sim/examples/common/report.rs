//! What is told at the end.

use super::args::Dma;
use super::check::Findings;
use super::feed::Told;
use netmem::page_pool::Stats;
use netmem_drivers::RxStats;
use netmem_sim::dma::DmaStats;
use netmem_sim::nic::{NicQueueStats, NicStats};
use serde_json::{Value, json};
use std::fmt::Write;
use std::time::Duration;

/// What happened on one queue.
pub(crate) struct QueueReport {
    pub(crate) memory: &'static str,
    pub(crate) findings: Findings,
    pub(crate) driver: RxStats,
    pub(crate) drops: Drops,
    /// What only this driver counts, and what is no drop.
    pub(crate) own: Vec<(&'static str, u64)>,
    pub(crate) payload: Stats,
    pub(crate) headers: Option<Stats>,
    pub(crate) outstanding: usize,
    /// Frames that were sent to this queue, and that a driver drops by its rules.
    pub(crate) sent_to_be_dropped: u64,
}

/// Frames that were sent to a queue and not delivered, by cause. Each is counted once.
#[derive(Clone, Debug)]
pub(crate) struct Drops(Vec<Drop>);

#[derive(Clone, Copy, Debug)]
struct Drop {
    name: &'static str,
    count: u64,
    /// A driver must drop such a frame.
    by_rule: bool,
}

impl Drops {
    /// What every driver and the device drop.
    pub(crate) fn new(driver: &RxStats, nic: &NicQueueStats, hostile: bool) -> Self {
        let fault = |name, count| Drop { name, count, by_rule: false };
        Drops(vec![
            Drop { name: "too short", count: driver.too_short, by_rule: true },
            // A hostile device reports wrong checksums for right ones.
            Drop { name: "checksum not verified", count: driver.unsummed, by_rule: !hostile },
            fault("bad length", driver.bad_length),
            fault("failed", driver.failed),
            fault("too many frags", driver.too_many_frags),
            fault("no buffer", nic.no_buffer),
        ])
    }

    /// What one driver drops besides.
    pub(crate) fn and(mut self, name: &'static str, count: u64, by_rule: bool) -> Self {
        self.0.push(Drop { name, count, by_rule });
        self
    }

    fn named(&self) -> Vec<(&'static str, u64)> {
        self.0.iter().map(|drop| (drop.name, drop.count)).collect()
    }

    pub(crate) fn total(&self) -> u64 {
        self.0.iter().map(|drop| drop.count).sum()
    }

    fn by_rule(&self) -> u64 {
        self.0.iter().filter(|drop| drop.by_rule).map(|drop| drop.count).sum()
    }

    /// Those that no rule explains.
    fn faults(&self) -> u64 {
        self.total() - self.by_rule()
    }
}

/// So many things were.
fn were(count: u64, thing: &str) -> String {
    if count == 1 { format!("1 {thing} was") } else { format!("{count} {thing}s were") }
}

/// Counts in words, without those that are 0.
fn in_words(counts: &[(&'static str, u64)]) -> String {
    let words = counts.iter().filter(|(_, count)| *count != 0).map(|(name, count)| format!("{count} {name}"));
    words.collect::<Vec<_>>().join(", ")
}

/// Completions that were refused: no frame was lost with them.
fn refused(driver: &RxStats) -> [(&'static str, u64); 2] {
    [("bad index", driver.bad_index), ("not posted", driver.not_posted)]
}

/// What happened.
pub(crate) struct Report {
    /// What the source told when it ended.
    pub(crate) told: Told,
    /// Frames that it gave to the device.
    pub(crate) sent: u64,
    pub(crate) dma: Dma,
    pub(crate) elapsed: Duration,
    pub(crate) queues: Vec<QueueReport>,
    pub(crate) device: NicStats,
    pub(crate) dma_stats: DmaStats,
    pub(crate) leaks: Vec<String>,
    /// How often memory was bound to queue 1 and met a packet, of how often it was to be.
    pub(crate) rebinds: (u64, u64),
    pub(crate) hostile: bool,
    /// SIGINT or SIGTERM ended it.
    pub(crate) interrupted: bool,
    /// Why the source failed.
    pub(crate) failed: Option<String>,
}

/// How it went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// What was sent arrived, but for what a driver drops by its rules.
    Right,
    /// So far; then a signal came.
    Interrupted,
    /// Something is wrong with what arrived, or is left over.
    Wrong(String),
    /// The source failed; what had arrived is right.
    Failed(String),
}

impl Verdict {
    pub(crate) fn status(&self) -> u8 {
        match self {
            Verdict::Right => 0,
            Verdict::Wrong(_) => 1,
            Verdict::Failed(_) => super::output::BAD_INPUT,
            Verdict::Interrupted => 3,
        }
    }
}

impl QueueReport {
    fn gbits(&self, elapsed: Duration) -> f64 {
        self.driver.bytes as f64 * 8.0 / elapsed.as_secs_f64().max(1e-9) / 1e9
    }

    /// What is wrong with this queue, which has a number.
    fn check(&self, queue: usize, hostile: bool) -> Result<(), String> {
        let found = &self.findings;
        if let Some(first) = &found.first_wrong {
            let (wrong, packets) = (found.wrong, found.packets);
            return Err(format!("{wrong} of {packets} packets on queue {queue} are wrong; {first}"));
        }
        if found.packets != self.driver.packets {
            let (got, given) = (found.packets, self.driver.packets);
            return Err(format!("queue {queue}: the driver delivered {given} packets, and {got} were checked"));
        }
        if self.drops.by_rule() != self.sent_to_be_dropped {
            let (dropped, sent) = (self.drops.by_rule(), self.sent_to_be_dropped);
            return Err(format!(
                "queue {queue}: the driver dropped {dropped} frames by its rules, and {sent} such frames were sent"
            ));
        }
        // Of generated packets, those behind the last one that arrived are not known to be missing.
        if found.missing > self.drops.faults() {
            let (missing, dropped) = (found.missing, self.drops.faults());
            return Err(format!("queue {queue}: {missing} packets are missing, and {dropped} were dropped"));
        }
        if self.drops.faults() != 0 && !hostile {
            let frames = were(self.drops.total(), "frame");
            return Err(format!("queue {queue}: {frames} dropped: {}", in_words(&self.drops.named())));
        }
        if self.outstanding != 0 {
            return Err(format!("queue {queue}: {} handles are outstanding after the end", self.outstanding));
        }
        Ok(())
    }
}

impl Report {
    /// Checks that everything arrived, whole, and that nothing is left over; else says what and where.
    pub(crate) fn verdict(&self) -> Verdict {
        match self.check() {
            Err(wrong) => Verdict::Wrong(wrong),
            Ok(()) => match &self.failed {
                Some(failed) => Verdict::Failed(failed.clone()),
                None if self.interrupted => Verdict::Interrupted,
                None => Verdict::Right,
            },
        }
    }

    fn check(&self) -> Result<(), String> {
        for (queue, report) in self.queues.iter().enumerate() {
            report.check(queue, self.hostile)?;
        }
        let delivered: u64 = self.queues.iter().map(|queue| queue.driver.packets).sum();
        let dropped = self.dropped().iter().map(|(_, count)| count).sum::<u64>();
        let NicStats { unsteered, too_long, .. } = self.device;
        if self.sent != delivered + dropped + unsteered + too_long {
            return Err(format!(
                "{} frames were sent, and {delivered} delivered, {dropped} dropped, {unsteered} for no queue, {too_long} \
                 too long for the device: that is not the sum",
                self.sent
            ));
        }
        if self.dma_stats.faults != 0 {
            return Err(format!("{} DMA faults: the device used addresses that reach nothing", self.dma_stats.faults));
        }
        match self.leaks.first() {
            Some(leak) => Err(format!("leaked: {leak}")),
            None => Ok(()),
        }
    }

    /// Drops of all queues, by cause.
    fn dropped(&self) -> Vec<(&'static str, u64)> {
        let Some(first) = self.queues.first() else { return Vec::new() };
        let sum = |i: usize| self.queues.iter().map(|queue| queue.drops.0[i].count).sum();
        first.drops.0.iter().enumerate().map(|(i, drop)| (drop.name, sum(i))).collect()
    }

    /// The verdict in one line, with all that did not arrive.
    fn summary(&self) -> String {
        let mut text = match self.verdict() {
            Verdict::Right => "every byte is right, nothing leaked".into(),
            Verdict::Interrupted => "interrupted; every byte up to then is right, nothing leaked".into(),
            Verdict::Wrong(wrong) => format!("WRONG: {wrong}"),
            Verdict::Failed(failed) => format!("every byte that arrived is right, but: {failed}"),
        };
        let dropped = self.dropped();
        let count: u64 = dropped.iter().map(|(_, count)| count).sum();
        if count != 0 {
            let _ = write!(text, "; {} dropped: {}", were(count, "frame"), in_words(&dropped));
        }
        let passed_over = self.told.passed_over;
        if passed_over.total() != 0 {
            let packets = were(passed_over.total(), "packet");
            let _ = write!(text, "; {packets} passed over in the capture: {passed_over}");
        }
        let (met, wanted) = self.rebinds;
        if met != wanted {
            let _ = write!(text, "; only {met} of {wanted} bindings met a packet, as too few came for queue 1");
        }
        text
    }

    /// What was asked for, as text.
    pub(crate) fn text(&self, json: bool) -> String {
        if json {
            return format!("{}\n", self.json());
        }
        let mut text = String::new();
        // A string takes everything.
        let _ = self.table(&mut text);
        text
    }

    fn table(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "traffic   {}", self.told.description)?;
        writeln!(out, "dma       {:?}, {:.2} s", self.dma, self.elapsed.as_secs_f64())?;
        if let (met, wanted @ 1..) = self.rebinds {
            writeln!(out, "rebinds   {met} of {wanted} of queue 1; pools are shown as they were at the end")?;
        }
        writeln!(out)?;
        let mut row = |name: &str, cell: &dyn Fn(&QueueReport) -> String| {
            let cells: Vec<_> = self.queues.iter().map(|queue| format!("{:>20}", cell(queue))).collect();
            writeln!(out, "{name:<28}{}", cells.join(""))
        };
        row("", &|queue| queue.memory.into())?;
        row("packets", &|queue| queue.driver.packets.to_string())?;
        row("bytes", &|queue| queue.driver.bytes.to_string())?;
        row("  read by the GPU only", &|queue| queue.findings.device_bytes.to_string())?;
        row("Gbit/s", &|queue| format!("{:.2}", queue.gbits(self.elapsed)))?;
        row("wrong", &|queue| queue.findings.wrong.to_string())?;
        row("payload digest", &|queue| format!("{:016x}", queue.findings.digest))?;
        row("frames dropped", &|queue| queue.drops.total().to_string())?;
        for (i, (name, _)) in self.dropped().into_iter().enumerate() {
            row(&format!("  {name}"), &|queue| queue.drops.0[i].count.to_string())?;
        }
        row("completions refused", &|queue| refused(&queue.driver).iter().map(|(_, n)| n).sum::<u64>().to_string())?;
        for i in 0..2 {
            row(&format!("  {}", refused(&RxStats::default())[i].0), &|queue| refused(&queue.driver)[i].1.to_string())?;
        }
        row("allocation failed", &|queue| queue.driver.alloc_failed.to_string())?;
        for i in 0..self.queues.first().map_or(0, |queue| queue.own.len()) {
            row(self.queues[0].own[i].0, &|queue| queue.own[i].1.to_string())?;
        }
        for (pool, of) in [("payload", 0), ("headers", 1)] {
            row(&format!("pool of the {pool}"), &|_| String::new())?;
            for i in 0..11 {
                let name = Stats::default().named()[i].0;
                row(&format!("  {name}"), &|queue| {
                    let stats = if of == 0 { Some(queue.payload) } else { queue.headers };
                    stats.map_or("-".into(), |stats| stats.named()[i].1.to_string())
                })?;
            }
        }
        row("handles outstanding", &|queue| queue.outstanding.to_string())?;
        writeln!(out)?;
        if self.told.passed_over.total() != 0 {
            writeln!(out, "packets of the capture that were passed over")?;
            for (name, count) in self.told.passed_over.named() {
                writeln!(out, "  {name:<38}{count:>8}")?;
            }
        }
        if let Some(why) = &self.told.ended_early {
            writeln!(out, "the capture ends early: {why}")?;
        }
        writeln!(
            out,
            "device    {} frames sent, {} for no queue, {} too long; DMA: {} mapped, {} unmapped, {} faults, {} and {} \
             syncs for CPU and device",
            self.sent,
            self.device.unsteered,
            self.device.too_long,
            self.dma_stats.maps,
            self.dma_stats.unmaps,
            self.dma_stats.faults,
            self.dma_stats.syncs_for_cpu,
            self.dma_stats.syncs_for_device,
        )?;
        writeln!(out, "verdict   {}", self.summary())
    }

    fn json(&self) -> Value {
        let named = |pairs: &[(&'static str, u64)]| -> Value {
            pairs
                .iter()
                .map(|(name, value)| ((*name).to_string(), Value::from(*value)))
                .collect::<serde_json::Map<_, _>>()
                .into()
        };
        let queues: Vec<_> = self
            .queues
            .iter()
            .map(|queue| {
                json!({
                    "memory": queue.memory,
                    "packets": queue.driver.packets,
                    "bytes": queue.driver.bytes,
                    "device_bytes": queue.findings.device_bytes,
                    "gbit_per_s": queue.gbits(self.elapsed),
                    "wrong": queue.findings.wrong,
                    "missing": queue.findings.missing,
                    "digest": format!("{:016x}", queue.findings.digest),
                    "dropped": queue.drops.total(),
                    "drops": named(&queue.drops.named()),
                    "refused": named(&refused(&queue.driver)),
                    "alloc_failed": queue.driver.alloc_failed,
                    "own": named(&queue.own),
                    "payload_pool": named(&queue.payload.named()),
                    "header_pool": queue.headers.map(|stats| named(&stats.named())),
                    "outstanding": queue.outstanding,
                })
            })
            .collect();
        let verdict = match self.verdict() {
            Verdict::Right => "ok".into(),
            Verdict::Interrupted => "interrupted".into(),
            Verdict::Wrong(why) | Verdict::Failed(why) => why,
        };
        let (rebinds, rebinds_wanted) = self.rebinds;
        json!({
            "traffic": self.told.description,
            "sent": self.sent,
            "dma": format!("{:?}", self.dma),
            "seconds": self.elapsed.as_secs_f64(),
            "queues": queues,
            "unsteered": self.device.unsteered,
            "too_long": self.device.too_long,
            "dma_maps": self.dma_stats.maps,
            "dma_unmaps": self.dma_stats.unmaps,
            "dma_faults": self.dma_stats.faults,
            "rebinds": rebinds,
            "rebinds_wanted": rebinds_wanted,
            "passed_over": named(&self.told.passed_over.named()),
            "ended_early": self.told.ended_early,
            "interrupted": self.interrupted,
            "leaks": self.leaks,
            "verdict": verdict,
            "summary": self.summary(),
        })
    }
}
