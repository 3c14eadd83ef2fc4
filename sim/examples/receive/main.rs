//! A driver receives on two queues: one into host memory, one, with header split, into device memory that the CPU
//! cannot read. Every byte is checked by who may read it: the host, and the "GPU" that owns the device memory.
#![forbid(unsafe_code)]

#[path = "../common/mod.rs"]
#[allow(dead_code, reason = "each example uses its part of it")]
mod common;
mod rig;

use common::args::Program;
use std::process::ExitCode;

const HELP: &str = "\
Receive packets on two queues: queue 0 into host memory, queue 1 into memory of
a provider, device memory that the CPU cannot read unless told otherwise, with
headers split off to host memory.

usage: receive [OPTIONS]

traffic: the generator, or one of --pcap and --tap
  --packets N        how many packets to receive, of the generator or the TAP
                     [1000000; with --tap 100]
  --seed N           what the generator makes [1]
  --size N|MIN..MAX  bytes of UDP payload that it makes: at least 16, at most 42
                     fewer than the longest frame has [64..1472]
  --hostile N        every N frames of the generator, the device reports a
                     completion that does not fit what was posted
  --pcap FILE        receive the frames of a capture, pcap or pcapng; a pipe is
                     read as it comes, and - is standard input. Packets of raw
                     IP, loopback and tcpdump -i any get an Ethernet header in
                     front, with addresses of zeros. Packets that were cut by a
                     snap length, of other links, too long, empty or damaged are
                     passed over and counted, and so is all behind a place where
                     the file is damaged or cut off
  --strict           refuse a capture for what would be passed over or changed
  --max-frame N      the longest frame in bytes, 60 to 65536 [9216]
  --tap [NAME]       receive what this machine sends to a TAP device
  --ports P0,P1      UDP or TCP destination ports of the queues [5001,5002];
                     frames of a capture for neither go to queue 0

memory
  --dma KIND         coherent, bounce or iommu [coherent];
                     bounce-without-sync must report wrong bytes
  --provider KIND    page, huge, dmabuf or zcrx: what queue 1 has [dmabuf]
  --rebind N         N times, bind it to queue 1 and unbind it, spread over the
                     packets; queue 1 has pages before, in between and after.
                     What is bound stays until it has met a packet
  --device-memory K  KiB of device memory, or of the program's, up to 4194304:
                     of dmabuf and zcrx [65536]
  --niov-size N      bytes of a net_iov of them, a power of two from 4096 to
                     2097152 [4096]

output
  --json             one JSON object instead of tables
  -h, --help         this text

status: 0 all that was sent arrived, each byte of it right, but for frames that
          every driver drops (shorter than an Ethernet header; in device memory
          and without a right checksum), and nothing leaked
        1 not so
        2 bad input: an option, a file that is no capture, one of which no packet
          is received, or a source that fails (what had arrived is told)
        3 SIGINT or SIGTERM came, and what had arrived by then is right
";

fn main() -> ExitCode {
    common::main("receive", Program::Receive, HELP, rig::run)
}
