//! A device that completes what it likes.

use crate::input::Input;
use netmem::Page;
use netmem::dma::{DmaDevice, DmaQueue, RxCompletion, RxDescriptor};
use netmem::mm::Zone;
use netmem::netdev::RxRing;
use netmem::page_pool::{PagePool, PagePoolParams};
use netmem::provider::PageProvider;
use netmem_sim::dma::{Coherent, DmaBus};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;

/// What the device was given, and what it will say.
#[derive(Default)]
struct Wires {
    posted: Vec<u32>,
    said: VecDeque<RxCompletion>,
}

struct Liar(Arc<dyn DmaDevice>, Arc<Mutex<Wires>>);

// SAFETY: this device never touches a buffer.
unsafe impl DmaQueue for Liar {
    fn device(&self) -> &Arc<dyn DmaDevice> {
        &self.0
    }
    fn depth(&self) -> usize {
        16
    }
    fn post(&mut self, descriptor: RxDescriptor) {
        self.1.lock().unwrap().posted.push(descriptor.id());
    }
    fn kick(&mut self) {}
    fn complete(&mut self) -> Option<RxCompletion> {
        self.1.lock().unwrap().said.pop_front()
    }
    fn stop(&mut self) {}
}

/// Does what `input` says until it ends, and checks that nothing is lost. Gives how many completions were taken, and how
/// many were refused.
pub(crate) fn drive(input: &mut impl Input) -> (usize, usize) {
    let device = Arc::new(Coherent::new()).driver_side();
    let zone = Zone::new(256).unwrap();
    let params = PagePoolParams::for_device(device.clone(), 4096);
    let mut pool = PagePool::<Page>::new(params, PageProvider::new(zone.clone())).unwrap();
    let wires = Arc::new(Mutex::new(Wires::default()));
    let mut ring: RxRing<_, Page> = RxRing::new(Liar(device, wires.clone())).unwrap();
    let (mut good, mut bad) = (0, 0);
    while let Some(word) = input.word() {
        while ring.room() != 0 {
            let payload = pool.alloc_frag(2048).unwrap();
            let header = (word & 1 != 0).then(|| pool.alloc_frag(256).unwrap());
            ring.post(payload, header).unwrap();
        }
        let mut wires_now = wires.lock().unwrap();
        let newest = wires_now.posted.len();
        let id = match word >> 1 & 3 {
            0 => (word >> 32) as u32,
            1 => wires_now.posted[newest - 1 - (word >> 32) as usize % newest.min(40)] ^ (word >> 20 & 1) as u32,
            _ => wires_now.posted[newest - 1 - (word >> 32) as usize % newest.min(16)],
        };
        let payload_len = if word >> 3 & 7 == 0 { (word >> 8) as u32 } else { (word >> 8) as u32 % 2049 };
        let header_len = if word >> 6 & 3 == 0 { (word >> 16) as u32 % 300 } else { 0 };
        let (end_of_frame, failed) = (word >> 60 & 1 != 0, word >> 61 == 0);
        wires_now.said.push_back(RxCompletion {
            id,
            payload_len,
            header_len,
            end_of_frame,
            failed,
            ..Default::default()
        });
        drop(wires_now);
        match ring.complete() {
            Some(Ok(completed)) => {
                let frag = pool.sync_for_cpu(completed.payload).unwrap();
                assert!(frag.bytes().len() <= 2048);
                if let Some(header) = completed.header {
                    assert!(pool.sync_for_cpu(header).unwrap().bytes().len() <= 256);
                }
                good += 1;
            }
            Some(Err(_)) => bad += 1,
            None => panic!("it said something"),
        }
        assert!(ring.posted() <= 16 && pool.in_use() <= 256);
    }
    drop(ring.stop());
    drop(pool);
    assert_eq!(zone.free_frames(), 256);
    (good, bad)
}

#[test]
fn five_million_completions() {
    let (mut good, mut bad) = (0, 0);
    for seed in 1..=100 {
        let seen = drive(&mut crate::input::Noise::new(seed, 50_000));
        good += seen.0;
        bad += seen.1;
    }
    assert!(good + bad == 5_000_000 && good > 10_000 && bad > 10_000, "{good} good and {bad} bad");
}
