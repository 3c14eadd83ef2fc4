//! The job: polls a driver while the source feeds the NIC and consumers check what arrives, and ends all of them in order.

use super::check::{Consumer, Findings};
use super::feed::Line;
use super::signals::Interrupt;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use netmem::skb::Skb;
use netmem_sim::dma::{Bounce, Coherent, DmaBus, Iommu};
use netmem_sim::nic::Nic;
use std::error::Error;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use super::args::{Args, Dma};

pub(crate) type AnyError = Box<dyn Error>;

/// Descriptors in each ring.
pub(crate) const DEPTH: u32 = 512;
/// Packets a poll may receive.
pub(crate) const BUDGET: u32 = 64;
/// Packets between the driver and a consumer.
const BACKLOG: usize = 1024;
/// How long the job waits for an interrupt of the device, and how often in a row before that is taken for a stall.
const WAIT: Duration = Duration::from_millis(1);
const STALL: u32 = 10_000;

/// A driver with its device, as the job sees it.
pub(crate) trait Receiver {
    /// Receives up to [`BUDGET`] packets. What `deliver` gives back is dropped. Says how much of the budget was used.
    fn poll(&mut self, deliver: impl FnMut(usize, Skb) -> Option<Skb>) -> u32;

    fn nic(&mut self) -> &mut Nic;

    /// Returns how many descriptors of a queue the device has, of how many.
    fn posted(&self, queue: usize) -> (usize, usize);

    /// Returns how many frames were delivered or dropped, by driver and device.
    fn accounted(&mut self) -> u64;

    /// Binds memory to queue 1, or unbinds it.
    fn change(&mut self) -> Result<(), AnyError>;

    fn is_bound(&self) -> bool;
}

/// How the job went.
pub(crate) struct Outcome {
    pub(crate) findings: Vec<Findings>,
    pub(crate) elapsed: Duration,
    pub(crate) interrupted: bool,
    /// Why the source failed.
    pub(crate) failed: Option<String>,
}

pub(crate) fn bus(dma: Dma) -> Arc<dyn DmaBus> {
    match dma {
        Dma::Coherent => Arc::new(Coherent::new()),
        Dma::Bounce => Arc::new(Bounce::new()),
        Dma::BounceWithoutSync => Arc::new(Bounce::without_sync()),
        Dma::Iommu => Arc::new(Iommu::new()),
    }
}

/// Runs until the source has ended and everything was received, or a signal comes.
pub(crate) fn run(
    args: &Args,
    receiver: &mut impl Receiver,
    line: &Line,
    consumers: [Consumer; 2],
    interrupt: &Interrupt,
) -> Result<Outcome, AnyError> {
    let (start, bar) = (Instant::now(), progress(args));
    let (received, ended, findings) = thread::scope(|scope| {
        let (mut senders, mut threads) = (Vec::new(), Vec::new());
        let started = consumers.into_iter().enumerate().try_for_each(|(queue, consumer)| {
            let (sender, packets) = sync_channel(BACKLOG);
            let thread = thread::Builder::new().name(format!("queue {queue}"));
            let thread = thread.spawn_scoped(scope, move || consumer.run(packets));
            threads
                .push(thread.map_err(|error| format!("cannot start the thread that checks queue {queue}: {error}"))?);
            senders.push(sender);
            Ok(())
        });
        let received = started.and_then(|()| receive(receiver, line, &senders, interrupt, &bar));
        // In this order: a consumer without packets takes all that the source tells, so the source never waits for it; then
        // the NIC's thread ends, and the source with it; then the consumers do.
        drop(senders);
        line.stop();
        let ended = receiver.nic().finish();
        let findings: Result<Vec<Findings>, _> = threads.into_iter().map(|thread| thread.join()).collect();
        (received, ended, findings)
    });
    bar.finish_and_clear();
    let interrupted = received?;
    let findings = findings.map_err(|_| "a thread that checks a queue panicked")?;
    let failed = match ended {
        // What had arrived is told with it.
        Err(error) if findings.iter().any(|found| found.packets != 0) => Some(error.to_string()),
        Err(error) => return Err(error.into()),
        Ok(()) => None,
    };
    Ok(Outcome { findings, elapsed: start.elapsed(), interrupted, failed })
}

/// Polls until the source is over. True if a signal ended it.
fn receive(
    receiver: &mut impl Receiver,
    line: &Line,
    consumers: &[SyncSender<Skb>],
    interrupt: &Interrupt,
    bar: &ProgressBar,
) -> Result<bool, AnyError> {
    let (mut packets, mut idle, mut interrupted) = (0, 0, false);
    loop {
        if interrupt.came() && !interrupted {
            interrupted = true;
            line.stop();
        }
        // Asked first: what is complete by now is received below.
        let over = receiver.nic().has_ended();
        let mut received = 0;
        let work = receiver.poll(|queue, skb| {
            received += 1;
            match consumers.get(queue) {
                // A consumer that is gone has panicked, which its join will tell.
                Some(consumer) => consumer.send(skb).err().map(|unsent| unsent.0),
                None => Some(skb),
            }
        });
        packets += received;
        bar.inc(received);
        if line.is_change_asked() {
            receiver.change()?;
            line.change_made();
        }
        if work != 0 || receiver.nic().has_completions() {
            idle = 0;
            continue;
        }
        if over {
            if !receiver.is_bound() {
                return Ok(interrupted);
            }
            // What had arrived for it is received by the next poll.
            receiver.change()?;
            continue;
        }
        for queue in 0..consumers.len() {
            if receiver.nic().queue_stats(queue).is_some_and(|stats| stats.no_buffer != 0) {
                let (posted, depth) = receiver.posted(queue);
                return Err(format!(
                    "queue {queue} had too few buffers for a frame, {posted} of {depth} descriptors, after {packets} \
                     packets: all of its memory is posted or held, so use more, smaller net_iovs or smaller frames \
                     (--device-memory, --niov-size, --size)"
                )
                .into());
            }
        }
        // A source that has nothing is no stall: only frames that it gave and that do not arrive are one.
        let given = line.given();
        idle = if given > receiver.accounted() { idle + 1 } else { 0 };
        if idle > STALL {
            return Err(format!(
                "{given} frames were sent, and {} have been delivered or dropped: the rest does not arrive",
                receiver.accounted()
            )
            .into());
        }
        receiver.nic().wait(WAIT);
    }
}

fn progress(args: &Args) -> ProgressBar {
    // Draws on a terminal only.
    let bar = ProgressBar::with_draw_target(args.packets, ProgressDrawTarget::stderr_with_hz(5));
    let style = "{elapsed_precise} {wide_bar} {pos}/{len} packets, {per_sec}";
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style);
    }
    bar
}
