//! D1 over all signatures: a handle of a net_iov gives no bytes, and one that may be of a net_iov gives them as an
//! `Option` or a `Result`.

use crate::json::{api, made_up};
use crate::kinds::{Memory, Signature, signatures};
use std::collections::BTreeSet;

/// The functions that may, by their line in docs/api.txt, and why.
const EXCEPTIONS: [(&str, &str); 0] = [];

/// Takes memory that is or may be a net_iov, and gives bytes as if it were a page.
fn reads(signature: &Signature) -> bool {
    let known = signature.inputs.contains(&Memory::NetIov) && (signature.bytes || signature.checked_bytes);
    let unknown = signature.inputs.contains(&Memory::PageOrIov) && signature.bytes;
    known || unknown
}

#[test]
fn no_signature_takes_a_net_iov_and_gives_bytes() {
    let Some(api) = api() else { return };
    let signatures = signatures(&api.krate);
    let with_bytes = signatures.iter().filter(|it| (it.bytes || it.checked_bytes) && !it.inputs.is_empty()).count();
    assert!(with_bytes > 10, "too few are seen: {with_bytes}");
    let lines: BTreeSet<_> = signatures.iter().filter(|it| reads(it)).map(|it| api.line(it.id)).collect();
    let new: Vec<_> = lines.iter().filter(|line| !EXCEPTIONS.iter().any(|(known, _)| known == *line)).collect();
    let stale: Vec<_> = EXCEPTIONS.iter().filter(|(line, _)| !lines.contains(line)).collect();
    assert!(new.is_empty(), "these read memory that may be a net_iov (D1): {new:#?}");
    assert!(stale.is_empty(), "these exceptions are of no function that does: {stale:#?}");
}

#[test]
fn a_signature_that_reads_a_net_iov_is_found() {
    let Some(krate) = made_up() else { return };
    let mut seen = 0;
    for name in [
        "bytes_bare",
        "bytes_checked",
        "bytes_of_all",
        "bytes_without_check",
        "none_of_all",
        "none_with_check",
        "none_readable",
    ] {
        let all = signatures(&krate);
        let mut of_name = all.iter().filter(|it| krate.index[&it.id].name.as_deref() == Some(name)).peekable();
        assert!(of_name.peek().is_some(), "{name} is not there");
        assert_eq!(of_name.any(reads), name.starts_with("bytes_"), "{name}");
        seen += 1;
    }
    assert_eq!(seen, 7);
}
