//! What is told at the end.

use crate::args::Dma;
use crate::check::Findings;
use netmem::dma::DmaStats;
use netmem::driver::netmem::RxStats;
use netmem::nic::{NicQueueStats, NicStats};
use netmem::page_pool::Stats;
use serde_json::{Value, json};
use std::time::Duration;

/// What happened on one queue.
pub(crate) struct QueueReport {
    pub(crate) memory: &'static str,
    pub(crate) findings: Findings,
    pub(crate) driver: RxStats,
    /// What only this driver counts.
    pub(crate) own: Vec<(&'static str, u64)>,
    pub(crate) nic: NicQueueStats,
    pub(crate) payload: Stats,
    pub(crate) headers: Option<Stats>,
    pub(crate) outstanding: usize,
}

/// What happened.
pub(crate) struct Report {
    pub(crate) description: String,
    pub(crate) dma: Dma,
    pub(crate) elapsed: Duration,
    pub(crate) queues: Vec<QueueReport>,
    pub(crate) device: NicStats,
    pub(crate) dma_stats: DmaStats,
    pub(crate) leaks: Vec<String>,
    /// How often memory was bound to queue 1, and unbound.
    pub(crate) rebinds: u64,
    pub(crate) hostile: bool,
}

impl QueueReport {
    fn gbits(&self, elapsed: Duration) -> f64 {
        self.driver.bytes as f64 * 8.0 / elapsed.as_secs_f64().max(1e-9) / 1e9
    }

    /// Frames that the driver dropped, and so did not deliver.
    fn dropped(&self) -> u64 {
        self.driver.bad_length + self.driver.failed + self.driver.too_many_frags + self.nic.no_buffer
    }

    /// Drops by cause, of driver and device.
    fn drops(&self) -> Vec<(&'static str, u64)> {
        let mut drops = self.driver.drops().to_vec();
        drops.push(("no buffer", self.nic.no_buffer));
        drops
    }
}

impl Report {
    /// Whether everything arrived, whole, and nothing is left over; else what and where.
    pub(crate) fn verdict(&self) -> Result<(), String> {
        for (queue, report) in self.queues.iter().enumerate() {
            let found = &report.findings;
            if let Some(first) = &found.first_wrong {
                return Err(format!(
                    "{} of {} packets on queue {queue} are wrong; {first}",
                    found.wrong, found.packets
                ));
            }
            if found.packets != report.driver.packets {
                let (got, given) = (found.packets, report.driver.packets);
                return Err(format!("queue {queue}: the driver delivered {given} packets, {got} were checked"));
            }
            // Behind the last packet that arrived nothing is known to be missing.
            if found.missing > report.dropped() {
                let (missing, dropped) = (found.missing, report.dropped());
                return Err(format!("queue {queue}: {missing} packets are missing, and only {dropped} were dropped"));
            }
            if report.dropped() != 0 && !self.hostile {
                return Err(format!("queue {queue}: {} frames were dropped: {:?}", report.dropped(), report.drops()));
            }
            if report.outstanding != 0 {
                return Err(format!("queue {queue}: {} handles are outstanding after the end", report.outstanding));
            }
        }
        if self.dma_stats.faults != 0 {
            return Err(format!("{} DMA faults: the device used addresses that reach nothing", self.dma_stats.faults));
        }
        match self.leaks.first() {
            Some(leak) => Err(format!("leaked: {leak}")),
            None => Ok(()),
        }
    }

    pub(crate) fn print(&self, json: bool) {
        if json { println!("{}", self.json()) } else { self.table() }
    }

    fn table(&self) {
        println!("traffic   {}", self.description);
        println!("dma       {:?}, {:.2} s", self.dma, self.elapsed.as_secs_f64());
        if self.rebinds != 0 {
            println!("rebinds   {} of queue 1; pools are shown as they were at the end", self.rebinds);
        }
        println!();
        let row = |name: &str, cell: &dyn Fn(&QueueReport) -> String| {
            let cells: Vec<_> = self.queues.iter().map(|queue| format!("{:>20}", cell(queue))).collect();
            println!("{name:<28}{}", cells.join(""));
        };
        row("", &|queue| queue.memory.into());
        row("packets", &|queue| queue.driver.packets.to_string());
        row("bytes", &|queue| queue.driver.bytes.to_string());
        row("  read by the GPU only", &|queue| queue.findings.device_bytes.to_string());
        row("Gbit/s", &|queue| format!("{:.2}", queue.gbits(self.elapsed)));
        row("wrong", &|queue| queue.findings.wrong.to_string());
        row("payload digest", &|queue| format!("{:016x}", queue.findings.digest));
        println!("drops");
        for i in 0..self.queues.first().map_or(0, |queue| queue.drops().len()) {
            let name = self.queues[0].drops()[i].0;
            row(&format!("  {name}"), &|queue| queue.drops()[i].1.to_string());
        }
        row("allocation failed", &|queue| queue.driver.alloc_failed.to_string());
        for i in 0..self.queues.first().map_or(0, |queue| queue.own.len()) {
            row(self.queues[0].own[i].0, &|queue| queue.own[i].1.to_string());
        }
        println!("pool of the payload");
        for i in 0..11 {
            let name = Stats::default().named()[i].0;
            row(&format!("  {name}"), &|queue| queue.payload.named()[i].1.to_string());
        }
        println!("pool of the headers");
        for i in 0..11 {
            let name = Stats::default().named()[i].0;
            row(&format!("  {name}"), &|queue| {
                queue.headers.map_or("-".into(), |stats| stats.named()[i].1.to_string())
            });
        }
        row("handles outstanding", &|queue| queue.outstanding.to_string());
        println!();
        println!(
            "device    {} frames for no queue, {} too long; DMA: {} mapped, {} unmapped, {} faults, {} and {} syncs \
             for CPU and device",
            self.device.unsteered,
            self.device.too_long,
            self.dma_stats.maps,
            self.dma_stats.unmaps,
            self.dma_stats.faults,
            self.dma_stats.syncs_for_cpu,
            self.dma_stats.syncs_for_device,
        );
        match self.verdict() {
            Ok(()) => println!("verdict   every byte is right, nothing leaked"),
            Err(_) => println!("verdict   WRONG"),
        }
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
                    "drops": named(&queue.drops()),
                    "alloc_failed": queue.driver.alloc_failed,
                    "own": named(&queue.own),
                    "payload_pool": named(&queue.payload.named()),
                    "header_pool": queue.headers.map(|stats| named(&stats.named())),
                    "outstanding": queue.outstanding,
                })
            })
            .collect();
        json!({
            "traffic": self.description,
            "dma": format!("{:?}", self.dma),
            "seconds": self.elapsed.as_secs_f64(),
            "queues": queues,
            "unsteered": self.device.unsteered,
            "too_long": self.device.too_long,
            "dma_maps": self.dma_stats.maps,
            "dma_unmaps": self.dma_stats.unmaps,
            "dma_faults": self.dma_stats.faults,
            "rebinds": self.rebinds,
            "leaks": self.leaks,
            "verdict": self.verdict().err().unwrap_or_else(|| "ok".into()),
        })
    }
}
