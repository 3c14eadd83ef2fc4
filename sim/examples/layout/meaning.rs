//! What the comparison means for who uses the crate on that kernel.

use super::bits::Bits;
use super::compare::{Comparison, Fact, Row, Verdict};
use netmem::memory::layout::{LINUX, Mirror};
use netmem::{NetIov, NetIovArea, NetIovType, NetmemDesc, Page};

/// A sentence, and whether what it says keeps a type of the crate from being used.
#[derive(Debug)]
pub(crate) struct Sentence {
    pub(crate) text: String,
    pub(crate) matters: bool,
}

/// Fields that nothing here reads in a kernel: what is not there does no harm.
const UNREAD: [(&str, &str, &str); 3] = [
    (NetmemDesc::C_NAME, "_pp_mapping_pad", "padding"),
    (Page::C_NAME, "_pp_mapping_pad", "padding"),
    (Page::C_NAME, "memcg_data", "there with CONFIG_MEMCG only"),
];

/// The tails of net_iov that the crate can be built with: `type` and `owner`, offset and size.
const TAILS: [(&str, [(u64, u64); 2]); 2] = [("7.3", [(48, 4), (56, 8)]), ("6.18", [(56, 8), (48, 8)])];

/// Says it.
pub(crate) fn of(comparison: &Comparison<'_>) -> Vec<Sentence> {
    let mut sentences = vec![desc(comparison), net_iov(comparison)];
    sentences.push(plain(comparison, NetIovArea::C_NAME, "NetIovArea"));
    sentences.push(plain(comparison, Page::C_NAME, "Page"));
    sentences.push(plain(comparison, NetIovType::C_NAME, "NetIovType"));
    let unread = comparison.rows.iter().filter(|row| row.verdict() == Verdict::NotThere);
    sentences.extend(unread.filter_map(|row| {
        let (_, _, why) = UNREAD.iter().find(|(of, field, _)| (*of, *field) == (row.of, row.field))?;
        comparison.facts.of(row.of)?;
        let text = format!("{}.{} is not there ({why}); nothing here reads it in a kernel.", row.of, row.field);
        Some(Sentence { text, matters: false })
    }));
    sentences
}

/// The rows that keep a type from being used.
fn wrong<'a>(comparison: &'a Comparison<'_>, name: &str) -> Vec<&'a Row> {
    comparison
        .of(name)
        .filter(|row| match row.verdict() {
            Verdict::Same => false,
            Verdict::Differs => true,
            Verdict::NotThere => !UNREAD.iter().any(|(of, field, _)| (*of, *field) == (row.of, row.field)),
        })
        .collect()
}

/// Whether the kernel has the struct or enum at all.
fn has(comparison: &Comparison<'_>, name: &str) -> bool {
    comparison.of(name).any(|row| row.theirs.is_some())
}

/// A type of which there is nothing more to say than what differs.
fn plain(comparison: &Comparison<'_>, name: &str, ours: &str) -> Sentence {
    let wrong = wrong(comparison, name);
    let matters = !wrong.is_empty();
    let text = if !has(comparison, name) {
        format!("This kernel has no {name}: {ours} of this crate must not be used there.")
    } else if matters {
        format!("{name} differs: {ours} of this crate must not be used there. In this kernel: {}.", differences(&wrong))
    } else {
        format!("{name} agrees: {ours} may be used there.")
    };
    Sentence { text, matters }
}

/// The descriptor, and if the kernel has none, what of its fields lies in page and net_iov.
fn desc(comparison: &Comparison<'_>) -> Sentence {
    if has(comparison, NetmemDesc::C_NAME) {
        return plain(comparison, NetmemDesc::C_NAME, "NetmemDesc");
    }
    let page: Vec<_> =
        comparison.of(Page::C_NAME).filter(|row| NetmemDesc::FIELDS.iter().any(|it| place(it) == row.ours)).collect();
    let mut text = String::from("This kernel has no netmem_desc, but the pool's fields are where NetmemDesc has them");
    if !page.iter().all(|row| row.verdict() == Verdict::Same) {
        text = "This kernel has no netmem_desc, nor are the pool's fields of struct page where NetmemDesc has them: \
                NetmemDesc of this crate must not be used there."
            .into();
        return Sentence { text, matters: true };
    }
    text += " in struct page: NetmemDesc may be used there as a view of a page.";
    let (same, other): (Vec<_>, Vec<_>) = comparison.view.iter().partition(|row| row.verdict() == Verdict::Same);
    if !same.is_empty() {
        let overlapped = other.iter().filter_map(|row| overlap(comparison, row));
        let other: Vec<_> = other.iter().map(|row| row.field.to_string()).collect();
        let same: Vec<_> = same.iter().map(|row| row.field.to_string()).collect();
        text += &format!(" Of a net_iov it has {} in place", list(&same));
        if !other.is_empty() {
            text += &format!(", but not {}", list(&other));
            let overlapped: Vec<_> = overlapped.collect();
            if !overlapped.is_empty() {
                text += &format!(" ({})", list(&overlapped));
            }
        }
        text += ".";
    }
    Sentence { text, matters: true }
}

/// What the kernel has where the crate has the field of `row`.
fn overlap(comparison: &Comparison<'_>, row: &Row) -> Option<String> {
    let Fact::Place(from, size) = row.ours else { return None };
    let found = comparison.facts.of(row.of)?.members.iter().find(|member| {
        member.name != row.field && member.offset < from.plus(size) && from < member.offset.plus(member.size)
    })?;
    Some(format!("{} lies where {} is here", found.name, row.field))
}

/// The net_iov, whose tail moves.
fn net_iov(comparison: &Comparison<'_>) -> Sentence {
    let find = |field: &str| {
        let row = comparison.of(NetIov::C_NAME).find(|row| row.field == field)?;
        let Some(Fact::Place(theirs, size)) = row.theirs else { return None };
        let Fact::Place(ours, _) = row.ours else { return None };
        Some((ours, theirs, size))
    };
    let (Some(ty), Some(owner)) = (find("type"), find("owner")) else {
        return plain(comparison, NetIov::C_NAME, "NetIov");
    };
    if (ty.0 < owner.0) == (ty.1 < owner.1) {
        return plain(comparison, NetIov::C_NAME, "NetIov");
    }
    let order = if owner.1 < ty.1 { ["owner", "type"] } else { ["type", "owner"] };
    let desc = wrong(comparison, NetmemDesc::C_NAME).is_empty();
    let mut text = format!(
        "This kernel keeps net_iov.{} before net_iov.{}: NetIov of this crate must not be used there{}. In this kernel: {}.",
        order[0],
        order[1],
        if desc { ", NetmemDesc may" } else { "" },
        differences(&wrong(comparison, NetIov::C_NAME))
    );
    let tail = [(ty.1, ty.2), (owner.1, owner.2)];
    let known = TAILS.iter().find(|(linux, known)| {
        *linux != LINUX && known.map(|(offset, size)| (Bits::bytes(offset), Bits::bytes(size))) == tail
    });
    match known {
        Some(("7.3", _)) => text += " That is the order of 7.3: build the crate without --cfg netmem_linux.",
        Some((linux, _)) => {
            text += &format!(" That is the order of {linux}: build with RUSTFLAGS='--cfg netmem_linux=\"{linux}\"'.");
        }
        None => {}
    }
    Sentence { text, matters: true }
}

fn place(field: &netmem::memory::layout::Field) -> Fact {
    Fact::Place(Bits::bytes(field.offset as u64), Bits::bytes(field.size as u64))
}

/// What differs, in words: the kernel's, and in brackets the crate's.
fn differences(rows: &[&Row]) -> String {
    let words = rows.iter().map(|row| match (row.field, row.ours, row.theirs) {
        (field, _, None) => format!("there is no {field}"),
        ("", ours, Some(theirs)) => format!("it has {theirs} (here {ours})"),
        (field, Fact::Place(ours, our_size), Some(Fact::Place(theirs, their_size))) => {
            let moved = (ours != theirs).then(|| format!("begins at {theirs} (here at {ours})"));
            let width = (our_size != their_size).then(|| format!("has {their_size} bytes (here {our_size})"));
            format!("{field} {}", moved.into_iter().chain(width).collect::<Vec<_>>().join(" and "))
        }
        (field, ours, Some(theirs)) => format!("{field} {theirs} (here {ours})"),
    });
    words.collect::<Vec<_>>().join(", ")
}

/// One, two and three.
fn list(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}
