//! What is told about a capture: what was sent, delivered, dropped and passed over, by name, and sums that agree.

use crate::made::{Packet, Pcap, block, data, enhanced, frame, frames, ip, section, set_checksum, write};
use crate::{GVE, HNS3, RECEIVE, fails, json, run, run_input};
use serde_json::Value;
use std::process::Output;

/// Its numbers agree with each other, in the table, in JSON and in the verdict, for the same arguments.
pub(crate) fn sums_agree(json_output: &Output, table: &Output) -> Value {
    let report = json(json_output);
    let of = |value: &Value, key: &str| value[key].as_u64().unwrap();
    let queues = report["queues"].as_array().unwrap();
    let mut dropped = 0;
    for queue in queues {
        let named: u64 = queue["drops"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
        assert_eq!(of(queue, "dropped"), named, "{report}");
        dropped += named;
    }
    let delivered: u64 = queues.iter().map(|queue| of(queue, "packets")).sum();
    let elsewhere = of(&report, "unsteered") + of(&report, "too_long");
    assert_eq!(of(&report, "sent"), delivered + dropped + elsewhere, "{report}");

    // The same in the table.
    let text = String::from_utf8_lossy(&table.stdout).into_owned();
    let row = |name: &str| -> Vec<u64> {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name} in {text}"));
        line[name.len()..].split_whitespace().map(|cell| cell.parse().unwrap()).collect()
    };
    assert_eq!(row("frames dropped").iter().sum::<u64>(), dropped, "{text}");
    for (i, queue) in queues.iter().enumerate() {
        for (name, count) in queue["drops"].as_object().unwrap() {
            assert_eq!(row(&format!("  {name}"))[i], count.as_u64().unwrap(), "{name} in {text}");
        }
    }
    let verdict = text.lines().last().unwrap();
    assert_eq!(verdict, format!("verdict   {}", report["summary"].as_str().unwrap()));
    let said = match dropped {
        0 => None,
        1 => Some("1 frame was dropped: ".into()),
        _ => Some(format!("{dropped} frames were dropped: ")),
    };
    assert!(said.is_none_or(|said: String| verdict.contains(&said)), "{verdict}");
    report
}

/// Receives a capture with `args`, and gives the report, whose numbers agree.
fn received(args: &[&str], file: &str) -> Value {
    let args = [args, &["--pcap", file]].concat();
    let (report, table) = (run(&[&args[..], &["--json"]].concat()), run(&args));
    assert!(report.status.success() && table.status.success(), "{args:?}: {report:?}");
    sums_agree(&report, &table)
}

fn packets(report: &Value) -> [u64; 2] {
    [0, 1].map(|queue| report["queues"][queue]["packets"].as_u64().unwrap())
}

/// What was passed over, without what was not.
fn passed_over(report: &Value) -> Vec<(String, u64)> {
    let counts = report["passed_over"].as_object().unwrap().iter();
    counts.map(|(name, count)| (name.clone(), count.as_u64().unwrap())).filter(|(_, count)| *count != 0).collect()
}

#[test]
fn a_frame_that_every_driver_drops_is_no_wrong_byte() {
    for len in [1, 10, 13] {
        let packets = [frame(5001, 50).into(), vec![3; len].into(), frame(5002, 50).into(), frame(5001, 51).into()];
        let file = write(&format!("short-{len}.pcap"), &Pcap::default().file(&packets));
        for (example, stage) in [
            (&RECEIVE, &[][..]),
            (&HNS3, &["--stage", "page"]),
            (&HNS3, &["--stage", "devmem"]),
            (&GVE, &["--stage", "page"]),
            (&GVE, &["--stage", "netmem"]),
        ] {
            let args = [&["--pcap", &file], stage].concat();
            let output = example.run(&[&args[..], &["--json"]].concat());
            assert!(output.status.success(), "{output:?}");
            let report = sums_agree(&output, &example.run(&args));
            assert_eq!((self::packets(&report), &report["verdict"]), ([2, 1], &"ok".into()));
            assert_eq!(report["queues"][0]["drops"]["too short"], 1);
            assert!(report["summary"].as_str().unwrap().ends_with("; 1 frame was dropped: 1 too short"), "{report}");
        }
    }
    let file = write("only-short.pcap", &Pcap::default().file(&[vec![1; 5].into(), vec![2; 13].into()]));
    let report = received(&[], &file);
    assert!(report["summary"].as_str().unwrap().ends_with("; 2 frames were dropped: 2 too short"), "{report}");
}

/// What a ring of device memory cannot read is dropped by the port's rules, and known to be.
#[test]
fn headers_that_no_header_buffer_holds() {
    // IPv4 and TCP with all the options there are: 14 + 60 + 60 bytes of headers.
    let mut long = frame(5002, 0)[..14].to_vec();
    long.extend([0x4f, 0, 0, 140, 0, 0, 0x40, 0, 64, 6, 0, 0, 198, 18, 0, 1, 198, 18, 0, 2]);
    long.extend([1; 40]);
    long.extend([[0xc0, 0], 5002_u16.to_be_bytes(), [0; 2], [1; 2], [0; 2], [1; 2]].concat());
    long.extend([0xf0, 0x10, 1, 1, 0, 0, 0, 0]);
    long.extend([1; 40]);
    long.extend([7; 20]);
    let packets = [frame(5002, 60).into(), long.into(), frame(5002, 61).into()];
    let file = write("long-headers.pcap", &Pcap::default().file(&packets));
    for (port, dropped) in [(&HNS3, 1), (&GVE, 1)] {
        let args = ["--stage", "devmem", "--pcap", &file];
        let output = port.run(&[&args[..], &["--json"]].concat());
        assert!(output.status.success(), "{output:?}");
        let report = sums_agree(&output, &port.run(&args));
        assert_eq!(report["queues"][1]["drops"]["unreadable headers"], dropped, "{report}");
        assert_eq!(self::packets(&report), [0, 2]);
        let output = port.run(&["--pcap", &file, "--json"]);
        assert_eq!(self::packets(&json(&output)), [0, 3], "pages can be read");
    }
    // The driver that reads no headers drops it for its checksum, which nobody else can verify (rule S3).
    let report = received(&[], &file);
    assert_eq!(self::packets(&report), [0, 2]);
    assert_eq!(report["queues"][1]["drops"]["checksum not verified"], 1, "{report}");
    assert_eq!(self::packets(&received(&["--provider", "page"], &file)), [0, 3]);
}

#[test]
fn each_packet_that_is_passed_over_is_counted_by_its_reason() {
    let good = frame(5002, 70);
    let cut = Packet { data: good[..60].to_vec(), original: 112 };
    let all = [good.clone().into(), cut, vec![].into(), vec![9; 9217].into(), good.clone().into()];
    let file = write("reasons.pcap", &[Pcap::default().file(&all), b"\n".to_vec()].concat());
    let report = received(&[], &file);
    assert_eq!(packets(&report), [0, 2]);
    let want = [
        ("cut by snap length", 1),
        ("cut off by the end of the file", 1),
        ("longer than the longest frame", 1),
        ("of no bytes", 1),
    ];
    assert_eq!(passed_over(&report), want.map(|(name, count)| (name.to_owned(), count)));
    assert!(report["ended_early"].as_str().unwrap().contains("is cut off"), "{report}");
    let summary = report["summary"].as_str().unwrap();
    assert!(
        summary.contains("; 4 packets were passed over in the capture: 1 cut by snap length, 1 longer"),
        "{summary}"
    );
    let table = run(&["--pcap", &file]);
    let table = String::from_utf8_lossy(&table.stdout);
    assert!(table.contains("  cut by snap length                           1\n"), "{table}");
    // What is longer arrives where longer frames do.
    assert_eq!(packets(&received(&["--max-frame", "9217"], &file)), [1, 2]);

    // Strict, the first of them refuses the file. What had arrived by then is told.
    let output = fails(&["--pcap", &file, "--strict"], 2, "packet 2 (at byte 152): only 60 of 112 bytes were captured");
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(table.contains("verdict   every byte that arrived is right, but: "), "{table}");
}

#[test]
fn a_capture_of_which_nothing_is_received_says_why() {
    let cut = Packet { data: vec![1; 60], original: 90 };
    let pcap = |linktype, packets: &[Packet]| Pcap { linktype, ..Pcap::default() }.file(packets);
    for (name, file, text) in [
        ("cut", pcap(1, &[cut.clone(), cut]), "2 cut by snap length; capture whole packets with tcpdump -s 0"),
        ("empty", pcap(1, &[vec![].into()]), "1 of no bytes; capture while there is traffic"),
        (
            "radiotap",
            pcap(127, &frames(3)),
            "3 of another link type; link type 127 (IEEE 802.11 with radiotap): capture on",
        ),
        ("wifi", pcap(105, &frames(1)), "link type 105 (IEEE 802.11): capture on an interface of Ethernet"),
        ("raw", pcap(101, &[vec![0; 40].into()]), "link type 101 (raw IP): these packets are neither IPv4 nor IPv6"),
        (
            "long",
            pcap(1, &[vec![1; 20_000].into()]),
            "frames of up to 20000 bytes are there, and 9216 are taken: allow",
        ),
        ("started", Pcap::default().file(&frames(1))[..50].to_vec(), "1 cut off by the end of the file; "),
        ("nothing", pcap(1, &[]), "a capture without packets"),
    ] {
        let file = write(&format!("nothing-{name}.pcap"), &file);
        let output = fails(&["--pcap", &file], 2, text);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.stdout.is_empty() && !said.contains("-i any") && !said.contains("remove what"), "{said}");
    }
}

#[test]
fn packets_of_other_links_get_an_ethernet_header() {
    let v4 = ip(5002, 300);
    let v6 = {
        let mut packet = vec![0x60, 0, 0, 0];
        packet.extend([(8 + 300_u16).to_be_bytes(), [17, 64]].concat());
        packet.extend([[0xfd; 16], [0xfe; 16]].concat());
        packet.extend(&v4[20..]);
        set_checksum(&mut packet, 8, 40);
        packet
    };
    let cooked = |protocol: [u8; 2], packet: &[u8]| {
        [&[0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0][..], &protocol, packet].concat()
    };
    let cooked2 = |protocol: [u8; 2], packet: &[u8]| [&protocol[..], &[0; 18], packet].concat();
    let (t4, t6) = ([0x08, 0x00], [0x86, 0xdd]);
    for (linktype, packet, ethertype) in [
        (101, v4.clone(), t4),
        (101, v6.clone(), t6),
        (12, v4.clone(), t4),
        (14, v6.clone(), t6),
        (228, v4.clone(), t4),
        (229, v6.clone(), t6),
        (113, cooked(t4, &v4), t4),
        (113, cooked(t6, &v6), t6),
        (276, cooked2(t4, &v4), t4),
        (0, [&2_u32.to_le_bytes()[..], &v4].concat(), t4),
        (0, [&2_u32.to_be_bytes()[..], &v4].concat(), t4),
        (0, [&30_u32.to_le_bytes()[..], &v6].concat(), t6),
        (0, [&28_u32.to_be_bytes()[..], &v6].concat(), t6),
        (108, [&2_u32.to_be_bytes()[..], &v4].concat(), t4),
    ] {
        let file = Pcap { linktype, ..Pcap::default() }.file(&[packet.into()]);
        let file = write(&format!("link-{linktype}.pcap"), &file);
        let report = received(&[], &file);
        assert_eq!(packets(&report), [0, 1], "link type {linktype}");
        let headers = if ethertype == t4 { 42 } else { 62 };
        assert_eq!(report["queues"][1]["bytes"], headers + 300, "{linktype}");
        assert_eq!(report["queues"][1]["device_bytes"], 300);
        fails(&["--pcap", &file, "--strict"], 2, &format!("link type {linktype} ("));
    }
    // An interface of another link does not cost the others.
    let blocks = [(0, frame(5002, 40)), (1, vec![0; 99]), (2, v4), (0, frame(5001, 41))];
    let blocks = blocks.map(|(interface, packet)| enhanced(interface, &packet.into())).concat();
    let file = write("links.pcapng", &[section(&[1, 127, 101]), blocks].concat());
    let report = received(&[], &file);
    assert_eq!((packets(&report), passed_over(&report)), ([1, 2], vec![("of another link type".into(), 1)]));
}

#[test]
fn old_and_foreign_formats_are_read() {
    let pcap = Pcap::default();
    for (name, format) in [
        ("big", Pcap { big_endian: true, ..pcap }),
        ("modified", Pcap { magic: 0xa1b2_cd34, ..pcap }),
        ("modified-big", Pcap { magic: 0xa1b2_cd34, big_endian: true, ..pcap }),
        ("2.2", Pcap { minor: 2, ..pcap }),
        ("2.2-big", Pcap { minor: 2, big_endian: true, ..pcap }),
        ("reserved", Pcap { linktype: 0x0030_0001, ..pcap }),
        ("checksums", Pcap { linktype: 0x2400_0001, ..pcap }),
    ] {
        let mut all = frames(6);
        all[2].original += 7;
        let report = received(&[], &write(&format!("format-{name}.pcap"), &format.file(&all)));
        assert_eq!(
            (packets(&report), passed_over(&report)),
            ([2, 3], vec![("cut by snap length".into(), 1)]),
            "{name}"
        );
    }
    let old = |packet: &Packet| {
        let words = [0, 0, 0, packet.data.len() as u32, packet.original];
        block(2, &[&words.map(u32::to_le_bytes).concat()[..], &packet.data].concat())
    };
    let blocks: Vec<u8> = frames(4).iter().flat_map(old).collect();
    assert_eq!(packets(&received(&[], &write("old.pcapng", &[section(&[1]), blocks].concat()))), [2, 2]);
}

#[test]
fn a_file_is_received_as_far_as_it_goes() {
    let all = frames(8);
    let pcap = Pcap::default().file(&all);
    let pcapng = [section(&[1]), all.iter().flat_map(|packet| enhanced(0, packet)).collect()].concat();
    for (name, bytes, want, reason) in [
        ("cut.pcap", pcap[..pcap.len() - 5].to_vec(), [4, 3], "cut off by the end of the file"),
        ("cut.pcapng", pcapng[..pcapng.len() - 5].to_vec(), [4, 3], "cut off by the end of the file"),
        ("newline.pcap", [&pcap[..], b"\n"].concat(), [4, 4], "cut off by the end of the file"),
        ("zeros.pcapng", [&pcapng[..], &[0; 64]].concat(), [4, 4], "damaged"),
        ("junk.pcap", [&pcap[..], &[0xee; 64]].concat(), [4, 4], "damaged"),
        ("junk.pcapng", [&pcapng[..], &[0xee; 63]].concat(), [4, 4], "damaged"),
    ] {
        let file = write(&format!("as-far-as-{name}"), &bytes);
        let report = received(&[], &file);
        assert_eq!((packets(&report), passed_over(&report)), (want, vec![(reason.into(), 1)]), "{name}");
        assert!(report["ended_early"].as_str().unwrap().starts_with(&file), "{report}");
        fails(&["--pcap", &file, "--strict"], 2, "at byte ");
        // Through a pipe it is the same.
        let piped = json(&run_input(&["--pcap", "-", "--json"], &bytes));
        assert_eq!((packets(&piped), passed_over(&piped)), (want, vec![(reason.into(), 1)]), "{name}");
    }
    // Damaged in the middle: what is behind is not found.
    let mut middle = pcap.clone();
    let third = 24 + all[..3].iter().map(|packet| 16 + packet.data.len()).sum::<usize>();
    middle[third + 8..third + 12].copy_from_slice(&[0xff; 4]);
    assert_eq!(packets(&received(&[], &write("middle.pcap", &middle))), [2, 1]);
}

#[test]
fn frames_as_long_as_is_said() {
    // A frame for queue 1 as long as a buffer or a packet with all its frags, and one byte longer.
    let lens = [2048, 2049, 34_816, 34_817, 65_536 - 42];
    let packets: Vec<Packet> = lens.iter().map(|&len| frame(5002, len).into()).collect();
    let long = write("long.pcap", &Pcap::default().file(&packets));
    for args in [&["--max-frame", "65536"][..], &["--max-frame", "65536", "--dma", "bounce", "--rebind", "1"]] {
        assert_eq!(self::packets(&received(args, &long)), [0, 5]);
    }
    let report = received(&["--max-frame", "34816"], &long);
    assert_eq!(passed_over(&report), [("longer than the longest frame".into(), 3)]);
    for port in [&HNS3, &GVE] {
        for stage in ["page", "netmem", "devmem"] {
            let output = port.run(&["--stage", stage, "--max-frame", "34816", "--pcap", &long, "--json"]);
            assert!(output.status.success(), "{output:?}");
            assert_eq!(self::packets(&json(&output)), [0, 2]);
        }
        port.fails(&["--max-frame", "34817"], 2, "--max-frame 34817 is too much: use at most 34816");
    }
    let args = ["--max-frame", "65536", "--size", "16..65494", "--packets", "300", "--dma", "iommu"];
    assert!(run(&args).status.success());
    fails(&["--max-frame", "34816", "--size", "34775"], 2, "the NIC takes 34816: generate at most 34774");
}

#[test]
fn drops_of_a_hostile_device_add_up() {
    for args in [&["--hostile", "3"][..], &["--hostile", "1", "--dma", "bounce"], &["--hostile", "5", "--rebind", "4"]]
    {
        let args = [&["--packets", "700"], args].concat();
        let (report, table) = (run(&[&args[..], &["--json"]].concat()), run(&args));
        assert!(report.status.success(), "{report:?}");
        let report = sums_agree(&report, &table);
        assert!(report["queues"][0]["dropped"].as_u64().unwrap() > 10, "{report}");
        assert_eq!(report["sent"], 700);
    }
}

#[test]
fn captures_of_the_repository_are_whole() {
    for name in ["udp.pcap", "udp.pcapng"] {
        let report = received(&["--strict"], &data(name));
        assert_eq!((packets(&report), passed_over(&report)), ([28, 28], Vec::new()));
    }
}
