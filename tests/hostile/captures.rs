//! Captures of garbage: with the start of a real one, so that it gets beyond the first check.

use crate::input::Input;
use netmem_sim::nic::traffic::{Capture, Next, Traffic};
use std::io::Cursor;

/// Reads what `input` makes as a capture, to its end or to the error.
pub(crate) fn drive(input: &mut impl Input) {
    let Some(first) = input.word() else { return };
    let mut bytes = match first % 4 {
        0 => include_bytes!("../data/udp.pcap")[..(first >> 8) as usize % 200].to_vec(),
        1 => include_bytes!("../data/udp.pcapng")[..(first >> 8) as usize % 400].to_vec(),
        2 => include_bytes!("../data/udp.pcapng").to_vec(),
        _ => Vec::new(),
    };
    if first % 4 == 2 {
        // A real one, with some words changed.
        for _ in 0..1 + (first >> 40) % 8 {
            let Some(word) = input.word() else { break };
            let at = (word >> 32) as usize % (bytes.len() - 4);
            bytes[at..at + 4].copy_from_slice(&(word as u32).to_le_bytes());
        }
    } else {
        while let Some(word) = input.word() {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
    }
    let len = bytes.len();
    let Ok(mut capture) = Capture::new(Cursor::new(bytes), "noise", 1514) else { return };
    let (mut frame, mut frames) = (Vec::new(), 0);
    while let Ok(Next::Frame) = capture.next_frame(&mut frame) {
        assert!(!frame.is_empty() && frame.len() <= 1514);
        frames += 1;
        assert!(frames <= len, "there are no more frames than bytes");
    }
}

#[test]
fn captures_of_garbage() {
    for seed in 1..=20_000 {
        drive(&mut crate::input::Noise::new(seed, 200));
    }
}
