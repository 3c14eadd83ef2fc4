//! What is proved of `sim/examples/plain.rs`, the first driver that a newcomer reads.

#[allow(dead_code, reason = "the program around the driver")]
#[path = "../sim/examples/plain.rs"]
mod plain;

use netmem::netdev::Hardware;
use netmem_sim::dma::{Bounce, DmaBus, Iommu};
use netmem_sim::kit::{Polling, Rig, frames_of, generated};
use netmem_sim::nic::traffic::{Generator, PayloadSize};
use netmem_sim::nic::{Hostile, NicParams, Trick};
use plain::{close, open, poll};

const FRAMES: u64 = 2000;

fn generator() -> Box<Generator> {
    generated(5, FRAMES, PayloadSize::Range { min: 64, max: 1900 })
}

fn receive(bus: impl DmaBus + 'static, hostile: Option<Hostile>) -> Vec<Vec<u8>> {
    let rig = Rig::new(bus, 1024);
    let mut nic = rig.nic(NicParams { hostile, ..NicParams::default() }, generator());
    let queue = nic.rx_queue(0).unwrap();
    let mut r = open(rig.device(), &rig.zone, queue).unwrap();
    let (mut got, mut held, mut polling) = (Vec::new(), Vec::new(), Polling::new());
    loop {
        let work = poll(&mut r, 64, &mut |skb| {
            got.push(skb.frags().flat_map(|frag| frag.bytes().expect("host memory").to_vec()).collect());
            held.push(skb);
            if held.len() > 100 {
                held.clear();
            }
        });
        if polling.is_over(&nic, work != 0) {
            break;
        }
    }
    // Packets are out.
    assert!(!held.is_empty());
    close(r);
    assert_ne!(rig.account().frames, 0);
    drop(held);
    rig.assert_clean();
    got
}

fn sent() -> Vec<Vec<u8>> {
    frames_of(&mut *generator())
}

#[test]
fn a_plain_ring_receives_every_byte_and_leaks_nothing() {
    assert!(receive(Bounce::new(), None) == sent());
    assert!(receive(Iommu::new(), None) == sent());
}

#[test]
fn completions_that_lie_cost_what_they_broke() {
    let got = receive(Bounce::new(), Some(Hostile::every(10)));
    // Of 200 tricks half break a frame.
    assert_eq!(got.len() as u64, FRAMES - 100);
    let sent = sent();
    let mut sent = sent.iter();
    assert!(got.iter().all(|got| sent.any(|sent| sent == got)), "what arrives is whole, and in order");
}

#[test]
fn a_frame_that_ends_within_its_ethernet_header_is_dropped() {
    let runts = Hostile { every: 10, seed: 3, tricks: vec![Trick::Runt] };
    let got = receive(Bounce::new(), Some(runts));
    assert_eq!(got.len() as u64, FRAMES - 200);
    assert!(got.iter().all(|frame| frame.len() >= 14));
}

#[test]
fn what_it_needs_of_the_shim_is_what_the_c_driver_calls() {
    let c = include_str!("../docs/porting/plain-ring.c.txt");
    let port = include_str!("../sim/examples/plain.rs").split("// A program that uses it.").next().unwrap();
    for helper in ["page_pool_create", "page_pool_dma_sync_for_cpu", "skb_add_rx_frag", "page_pool_destroy"] {
        assert!(c.contains(&format!("{helper}(")) && port.contains(helper), "{helper}");
    }
    // A put says by the borrow whether it may recycle directly, or it is a drop.
    for (c_call, rust) in [("page, true)", ".pool.recycle_received("), ("page, false)", "drop(buffer)")] {
        assert!(c.contains("page_pool_put_full_page(") && c.contains(c_call) && port.contains(rust), "{rust}");
    }
    // One name for what differs by how it waits.
    assert!(c.contains("page_pool_dev_alloc_frag(") && port.contains("page_pool_alloc_frag("));
    // Each frag knows where it goes back to.
    assert!(c.contains("skb_mark_for_recycle(") && !port.contains("skb_mark_for_recycle"));
    // C's address of a buffer is the ring's business here.
    assert!(c.contains("page_pool_get_dma_addr(") && !port.contains("page_pool_get_dma_addr("));
}

#[test]
fn the_poll_in_porting_md_is_this_one() {
    let port = include_str!("../sim/examples/plain.rs");
    let start = port.find("fn poll(").unwrap();
    let end = start + port[start..].find("\n}\n").unwrap();
    assert!(include_str!("../docs/porting.md").contains(&port[start..end]), "copy `poll` to docs/porting.md");
}
