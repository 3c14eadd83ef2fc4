//! Field by field: where the crate has it, and where the kernel does.

use super::bits::Bits;
use super::facts::{Facts, Struct};
use netmem::memory::layout::{Field, Mirror};
use netmem::{NetIov, NetIovArea, NetIovType, NetmemDesc, Page};
use std::fmt;

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fact {
    /// The size of a struct.
    Size(Bits),
    /// Where a field begins, and how long it is.
    Place(Bits, Bits),
    /// The number of an enumerator.
    Value(i128),
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Fact::Size(size) => format!("{size} bytes"),
            Fact::Place(offset, size) => format!("{offset}..{}", offset.plus(*size)),
            Fact::Value(value) => format!("= {value}"),
        };
        f.pad(&text)
    }
}

/// What came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Same,
    Differs,
    NotThere,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Verdict::Same => "same",
            Verdict::Differs => "differs",
            Verdict::NotThere => "not there",
        })
    }
}

/// One field, or the size of a struct, whose field has no name.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) of: &'static str,
    pub(crate) field: &'static str,
    pub(crate) ours: Fact,
    pub(crate) theirs: Option<Fact>,
}

impl Row {
    pub(crate) fn verdict(&self) -> Verdict {
        match self.theirs {
            None => Verdict::NotThere,
            Some(theirs) if theirs == self.ours => Verdict::Same,
            Some(_) => Verdict::Differs,
        }
    }
}

/// All that is mirrored, compared.
#[derive(Debug)]
pub(crate) struct Comparison<'a> {
    pub(crate) facts: &'a Facts,
    pub(crate) rows: Vec<Row>,
    /// The descriptor's fields in a net_iov that has them without a `netmem_desc` around them.
    pub(crate) view: Vec<Row>,
}

impl<'a> Comparison<'a> {
    pub(crate) fn with(facts: &'a Facts) -> Self {
        let mut rows = Vec::new();
        mirror::<NetmemDesc>(facts, &mut rows);
        mirror::<NetIov>(facts, &mut rows);
        mirror::<NetIovArea>(facts, &mut rows);
        mirror::<Page>(facts, &mut rows);
        let numbers = facts.enums.iter().find(|found| found.name == NetIovType::C_NAME);
        rows.extend(NetIovType::VALUES.iter().map(|value| {
            let theirs = numbers.and_then(|it| it.values.iter().find(|(name, _)| name == value.c_name));
            let (ours, theirs) = (Fact::Value(value.value.into()), theirs.map(|(_, value)| Fact::Value(*value)));
            Row { of: NetIovType::C_NAME, field: value.c_name, ours, theirs }
        }));
        let iov = facts.of(NetIov::C_NAME).filter(|iov| !iov.members.iter().any(|member| member.name == "desc"));
        let view = if iov.is_some() { fields(NetIov::C_NAME, NetmemDesc::FIELDS, iov) } else { Vec::new() };
        Comparison { facts, rows, view }
    }

    /// The rows of a struct or enum.
    pub(crate) fn of(&self, name: &str) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| row.of == name)
    }
}

fn mirror<T: Mirror>(facts: &Facts, rows: &mut Vec<Row>) {
    let theirs = facts.of(T::C_NAME);
    let size = Fact::Size(Bits::bytes(size_of::<T>() as u64));
    rows.push(Row { of: T::C_NAME, field: "", ours: size, theirs: theirs.map(|it| Fact::Size(it.size)) });
    rows.extend(fields(T::C_NAME, T::FIELDS, theirs));
}

fn fields(of: &'static str, ours: &[Field], theirs: Option<&Struct>) -> Vec<Row> {
    let row = |field: &Field| {
        let found = theirs.and_then(|it| it.members.iter().find(|member| member.name == field.c_name));
        let ours = Fact::Place(Bits::bytes(field.offset as u64), Bits::bytes(field.size as u64));
        Row { of, field: field.c_name, ours, theirs: found.map(|it| Fact::Place(it.offset, it.size)) }
    };
    ours.iter().map(row).collect()
}

impl fmt::Display for Comparison<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:30} {:>10} {:>10}   verdict", "struct.field", "crate", "kernel")?;
        // The view comes after the struct that it is a view of.
        let (before, after): (Vec<_>, Vec<_>) =
            self.rows.iter().partition(|row| [NetmemDesc::C_NAME, NetIov::C_NAME].contains(&row.of));
        for row in before.into_iter().chain(&self.view).chain(after) {
            let name = if row.field.is_empty() { row.of.into() } else { format!("{}.{}", row.of, row.field) };
            let theirs = row.theirs.map_or("-".into(), |theirs| theirs.to_string());
            writeln!(f, "{name:30} {:>10} {theirs:>10}   {}", row.ours, row.verdict())?;
        }
        Ok(())
    }
}
