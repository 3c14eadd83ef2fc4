//! Bugs that Linux has fixed, one row each: where each went, and what shows it.
//!
//! `compile-fail/history/rows.tsv` is the record. It is checked against what it names (cases, tests, models, mutants),
//! in both directions, and `docs/bugs.md` is written from it. A mistake that was found here and that Linux has not fixed
//! is a row as well, apart from the others and in none of their numbers.

use crate::header::is_commit;
use crate::suite::{HISTORY, ROWS, RULES, RUST, Suite, repository};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// How many rows there are. None is ever left out in silence.
const COUNT: u32 = 55;

/// The number of rows behind them that Linux has not fixed, as of [`SOURCE`].
const UNFIXED: u32 = 1;

/// The source that was read for the rows that Linux has not fixed.
const SOURCE: &str = "Linux 7.3.4";

const COLUMNS: &str = "n\tcommits\tseen\trecalled\tsubject\twhen\twhere\trule\tcause\tverdict\tfirst\twhy\tevidence";

/// The page that is written from the rows, from the root of the repository as all paths here.
pub(crate) const PAGE: &str = "docs/bugs.md";

/// Where the run-time tests are.
const TESTS: &str = "tests/history.rs";
/// Where the models are.
const MODELS: &str = "tests/loom/tests/models";
/// Where the changes are that the models must notice.
const MUTANTS: &str = "tests/loom/mutants.sh";

/// What becomes of a mistake here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Compile,
    Model,
    Construction,
    Checked,
    No,
}

impl Verdict {
    pub(crate) const ALL: [Verdict; 5] =
        [Verdict::Compile, Verdict::Model, Verdict::Construction, Verdict::Checked, Verdict::No];

    /// As the record writes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Verdict::Compile => "compile",
            Verdict::Model => "model",
            Verdict::Construction => "constr.",
            Verdict::Checked => "checked",
            Verdict::No => "no",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Verdict::Compile => "Does not compile",
            Verdict::Model => "Inside the pool: held by a model",
            Verdict::Construction => "By construction",
            Verdict::Checked => "Checked at run time",
            Verdict::No => "Types do not help",
        }
    }

    fn meaning(self) -> &'static str {
        match self {
            Verdict::Compile => {
                "The wrong program, as one would write it with this crate, is refused by rustc. Each has a case with the \
                 shape of the bug, what rustc says to it, and a twin with the shape of the fix that differs in one line."
            }
            Verdict::Model => {
                "The bug was in the pool itself, which here is this crate's own. No type of the API holds it: loom \
                 runs a model of it in every order of its threads, and a mutant (the crate with that mistake made) fails."
            }
            Verdict::Construction => {
                "The wrong program compiles, nothing reports it, and it does no harm: what it forgets happens anyway, or \
                 what it does twice finds nothing the second time. Each has a test that is the wrong program."
            }
            Verdict::Checked => {
                "The wrong program compiles. At run time it gets an error or a `None`, or its result is wrong and memory \
                 safe. Each has a test that is the wrong program."
            }
            Verdict::No => "The same mistake can be made here.",
        }
    }
}

/// One fix in Linux, or a mistake there that has none.
pub(crate) struct Row {
    n: u32,
    commits: Vec<String>,
    /// U: in at least one mail. R: in lists of pushed commits only. -: not found. [`Row::UNFIXED`]: there is no fix.
    seen: String,
    /// The cause is partly recalled, not read.
    recalled: bool,
    subject: String,
    when: String,
    place: String,
    /// The rule that stands against it; [`RUST`] or `-` where it is none of the crate's.
    rule: String,
    cause: String,
    pub(crate) verdict: Verdict,
    /// What was thought before the program was written.
    first: Verdict,
    why: String,
    evidence: Vec<Evidence>,
}

/// What shows a verdict.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Evidence {
    /// A case: its name in `history/`.
    Case(String),
    /// A function of [`TESTS`].
    Test(String),
    /// A function in [`MODELS`].
    Model(String),
    /// An entry of [`MUTANTS`].
    Mutant(String),
}

impl Row {
    /// The word in `seen` of the record for a mistake that Linux has not fixed.
    const UNFIXED: &str = "unfixed";

    fn parse(line: &str) -> Result<Self, String> {
        let fields: Vec<_> = line.split('\t').map(str::trim).collect();
        let [n, commits, seen, recalled, subject, when, place, rule, cause, verdict, first, why, evidence] =
            fields[..].try_into().map_err(|_| format!("{} columns; there are: {COLUMNS}", fields.len()))?;
        if let Some(empty) = fields.iter().position(|field| field.is_empty()) {
            return Err(format!("column `{}` is empty; write `-`", COLUMNS.split('\t').nth(empty).unwrap_or_default()));
        }
        let verdict_of = |text: &str| {
            Verdict::ALL.into_iter().find(|verdict| verdict.name() == text).ok_or_else(|| {
                let known: Vec<_> = Verdict::ALL.iter().map(|verdict| verdict.name()).collect();
                format!("`{text}` is no verdict; there are {}", known.join(", "))
            })
        };
        let list = |text: &'static str, field: &str| -> Vec<String> {
            if field == "-" { Vec::new() } else { field.split(text).map(|item| item.trim().to_owned()).collect() }
        };
        let evidence = list(";", evidence).into_iter().map(|item| {
            let (kind, name) = item.split_once(':').unwrap_or_default();
            match kind {
                "case" => Ok(Evidence::Case(name.to_owned())),
                "test" => Ok(Evidence::Test(name.to_owned())),
                "model" => Ok(Evidence::Model(name.to_owned())),
                "mutant" => Ok(Evidence::Mutant(name.to_owned())),
                _ => Err(format!("evidence `{item}`: expected `case:`, `test:`, `model:` or `mutant:` and a name")),
            }
        });
        let commits = list(",", commits);
        if let Some(commit) = commits.iter().find(|commit| !is_commit(commit)) {
            return Err(format!("`{commit}` is no commit: 12 hexadecimal digits"));
        }
        let verdict = verdict_of(verdict)?;
        Ok(Row {
            n: n.parse().map_err(|_| format!("`{n}` is no number"))?,
            commits,
            seen: seen.to_owned(),
            recalled: match recalled {
                "recalled" => true,
                "-" => false,
                other => return Err(format!("recalled: `{other}`; write `recalled` or `-`")),
            },
            subject: subject.to_owned(),
            when: when.to_owned(),
            place: place.to_owned(),
            rule: rule.to_owned(),
            cause: cause.to_owned(),
            verdict,
            first: if first == "-" { verdict } else { verdict_of(first)? },
            why: why.to_owned(),
            evidence: evidence.collect::<Result<_, _>>()?,
        })
    }

    fn is_in_a_driver(&self) -> bool {
        self.place.starts_with("drv:")
    }
}

/// The record, and the sources that it names.
pub(crate) struct History {
    pub(crate) rows: Vec<Row>,
    /// Those that Linux has not fixed.
    unfixed: Vec<Row>,
    tests: String,
    models: String,
    mutants: String,
}

impl History {
    /// Reads the record, and what it names. What cannot be read is a complaint.
    pub(crate) fn read() -> (Self, Vec<String>) {
        let mut complaints = Vec::new();
        let path = Path::new(HISTORY).join(ROWS);
        let mut text = |path: &Path| {
            fs::read_to_string(path).unwrap_or_else(|error| {
                complaints.push(format!("{}: {error}", path.display()));
                String::new()
            })
        };
        let record = text(&path);
        let (tests, mutants) = (text(&repository().join(TESTS)), text(&repository().join(MUTANTS)));
        let mut models = String::new();
        for entry in fs::read_dir(repository().join(MODELS)).into_iter().flatten().flatten() {
            models += &text(&entry.path());
        }
        let (mut rows, mut unfixed) = (Vec::new(), Vec::new());
        let mut lines = record.lines().enumerate().filter(|(_, line)| !line.starts_with('#'));
        if lines.next().is_none_or(|(_, line)| line != COLUMNS) {
            complaints.push(format!("{}: expected the columns {COLUMNS}", path.display()));
        }
        for (number, line) in lines {
            match Row::parse(line) {
                Ok(row) if row.seen == Row::UNFIXED => unfixed.push(row),
                Ok(row) => rows.push(row),
                Err(error) => complaints.push(format!("{}:{}: {error}", path.display(), number + 1)),
            }
        }
        (History { rows, unfixed, tests, models, mutants }, complaints)
    }

    /// Everything that can be checked by reading.
    pub(crate) fn check(&self, suite: &Suite) -> Vec<String> {
        let mut complaints = Vec::new();
        for (rows, numbers) in [(&self.rows, 1..=COUNT), (&self.unfixed, COUNT + 1..=COUNT + UNFIXED)] {
            for n in numbers.clone() {
                match rows.iter().filter(|row| row.n == n).count() {
                    1 => {}
                    times => complaints.push(format!("{ROWS}: row {n} is there {times} times")),
                }
            }
            let others = rows.iter().filter(|row| !numbers.contains(&row.n));
            complaints.extend(others.map(|row| format!("{ROWS}: row {}?", row.n)));
        }
        for row in self.unfixed.iter().filter(|row| !row.commits.is_empty()) {
            complaints.push(format!("{ROWS}: row {} has a fix, and is called {}", row.n, Row::UNFIXED));
        }
        let mut named = BTreeSet::new();
        for row in self.rows.iter().chain(&self.unfixed) {
            complaints.extend(self.check_row(row, suite).into_iter().map(|error| format!("row {}: {error}", row.n)));
            named.extend(row.evidence.iter().cloned());
        }
        for case in suite.cases.iter().filter(|case| case.header.history.is_some()) {
            if !named.contains(&Evidence::Case(case.name.clone())) {
                complaints.push(format!("{}: no row names it", case.path.display()));
            }
        }
        for name in tests_in(&self.tests) {
            if !named.contains(&Evidence::Test(name.to_owned())) {
                complaints.push(format!("{TESTS}: no row names `{name}`"));
            }
        }
        complaints
    }

    fn check_row(&self, row: &Row, suite: &Suite) -> Vec<String> {
        let mut complaints = Vec::new();
        if row.rule != "-" && row.rule != RUST && !RULES.iter().any(|rule| rule.name == row.rule) {
            complaints.push(format!("there is no rule {}", row.rule));
        }
        let has = |wanted: fn(&Evidence) -> bool| row.evidence.iter().any(wanted);
        let (case, test) = (has(|e| matches!(e, Evidence::Case(_))), has(|e| matches!(e, Evidence::Test(_))));
        let (model, mutant) = (has(|e| matches!(e, Evidence::Model(_))), has(|e| matches!(e, Evidence::Mutant(_))));
        let missing = match row.verdict {
            Verdict::Compile if !case => Some("a case in history/"),
            Verdict::Model if !(model && mutant) => Some("a model and a mutant that it notices"),
            Verdict::Construction | Verdict::Checked if !test => Some("a test in tests/history.rs"),
            _ => None,
        };
        complaints.extend(missing.map(|what| format!("verdict `{}` needs {what}", row.verdict.name())));
        if case && row.verdict != Verdict::Compile {
            complaints.push(format!("has a case, but the verdict is `{}`", row.verdict.name()));
        }
        for evidence in &row.evidence {
            match evidence {
                Evidence::Case(name) => complaints.extend(self.check_case(row, name, suite)),
                Evidence::Test(name) => {
                    if !name.starts_with(&format!("row_{:02}_", row.n)) {
                        complaints.push(format!("test `{name}` is not named row_{:02}_...", row.n));
                    }
                    if !tests_in(&self.tests).any(|test| test == name) {
                        complaints.push(format!("there is no test `{name}` in {TESTS}"));
                    }
                }
                Evidence::Model(name) => {
                    if !tests_in(&self.models).any(|test| test == name) {
                        complaints.push(format!("there is no model `{name}` in {MODELS}"));
                    }
                }
                Evidence::Mutant(name) => {
                    if !self.mutants.contains(&format!("mutant '{name}'")) {
                        complaints.push(format!("there is no mutant '{name}' in {MUTANTS}"));
                    }
                }
            }
        }
        complaints
    }

    fn check_case(&self, row: &Row, name: &str, suite: &Suite) -> Option<String> {
        let Some(case) = suite.cases.iter().find(|case| case.name == name && case.header.history.is_some()) else {
            return Some(format!("there is no case history/{name}.rs"));
        };
        let history = case.header.history.as_ref()?;
        let commit = name.split('_').next().unwrap_or_default();
        if !row.commits.contains(&history.commit) {
            return Some(format!("{}: commit {} is not of this row", case.path.display(), history.commit));
        }
        if history.row != row.n || history.commit != commit {
            return Some(format!(
                "{}: says row {}, commit {}; the file and this row say row {}, commit {commit}",
                case.path.display(),
                history.row,
                history.commit,
                row.n
            ));
        }
        (case.header.rule != row.rule)
            .then(|| format!("{}: forbids {}, and the row says {}", case.path.display(), case.header.rule, row.rule))
    }

    pub(crate) fn of(&self, verdict: Verdict) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| row.verdict == verdict)
    }

    /// The page.
    pub(crate) fn page(&self) -> String {
        let mut page = String::new();
        self.write(&mut page).expect("a string takes what is written");
        page
    }

    fn write(&self, page: &mut String) -> std::fmt::Result {
        let (all, drivers) = (self.rows.len(), self.rows.iter().filter(|row| row.is_in_a_driver()).count());
        let recalled = self.rows.iter().filter(|row| row.recalled).count();
        let changed: Vec<_> = self.rows.iter().filter(|row| row.first != row.verdict).collect();
        writeln!(page, "<!-- Written from compile-fail/{HISTORY}/{ROWS} by `NETMEM_BLESS=1 cargo test -p")?;
        writeln!(page, "     netmem-compile-fail -- bugs`. Change that file, not this one. -->\n")?;
        writeln!(page, "# {all} mistakes that Linux has fixed, made again here\n")?;
        writeln!(
            page,
            "Each row is a fix in the history of Linux that broke one of this crate's [rules](../src/lib.rs). Its bug was \
             written again, in its shape and in new words, against this crate. The program decided what the row says.\n"
        )?;
        writeln!(page, "| verdict | all {all} | in drivers | in the C core |\n| --- | ---: | ---: | ---: |")?;
        for verdict in Verdict::ALL {
            let rows = self.of(verdict).count();
            let in_drivers = self.of(verdict).filter(|row| row.is_in_a_driver()).count();
            writeln!(page, "| {} | {rows} | {in_drivers} | {} |", verdict.title(), rows - in_drivers)?;
        }
        writeln!(page, "| all | {all} | {drivers} | {} |\n", all - drivers)?;
        writeln!(page, "## How to read these numbers\n")?;
        writeln!(
            page,
            "- {drivers} of the {all} rows are in drivers. The other {} are in the C core: they are evidence for the rules, \
             and not bugs that a driver written in Rust would have avoided.\n\
             - Only the first line of the table is about compile errors. \"By construction\" is counted apart: such a \
             program compiles, and nobody is told. \"Checked\" is found when it happens. A `must_use` is a lint, and counts \
             for nothing here.\n\
             - The rows were searched for by class of mistake. They are no sample of all bugs of the network stack, \
             and no share of them says anything about it.\n\
             - † {recalled} rows: the cause is partly recalled and was not read in the fix itself. The shape that was \
             written again may differ from what the fix removed.\n\
             - The verdict is about the shape of the bug in this crate, not about Linux with this crate in it.\n\
             - Where the obstacle is an `Option` or a `Result` (the head of the case says so), `unwrap` gets past it, and \
             panics instead of using what is not there.\n\
             - Rule \"Rust\": the language suffices, none of the crate's rules is needed. Rule \"-\": none helps.\n\
             - Commits: (U) was seen in at least one mail, (R) in lists of pushed commits only, (-) was not found.\n",
            all - drivers
        )?;
        for verdict in Verdict::ALL {
            writeln!(page, "## {}: {}\n\n{}\n", verdict.title(), self.of(verdict).count(), verdict.meaning())?;
            writeln!(page, "| row | fix | where | what went wrong | rule | here | shown by |")?;
            writeln!(page, "| ---: | --- | --- | --- | --- | --- | --- |")?;
            for row in self.of(verdict) {
                writeln!(
                    page,
                    "| {} | {}{}<br>{} ({})<br>{} | {} | {} | {} | {} | {} |",
                    row.n,
                    cell(&row.subject),
                    if row.recalled { " †" } else { "" },
                    if row.commits.is_empty() { "no commit found".to_owned() } else { row.commits.join(", ") },
                    row.seen,
                    cell(&row.when),
                    cell(&row.place),
                    cell(&row.cause),
                    row.rule,
                    cell(&row.why),
                    shown_by(row)
                )?;
            }
            writeln!(page)?;
        }
        writeln!(page, "## Found here, and not fixed as of {SOURCE}: {}\n", self.unfixed.len())?;
        writeln!(
            page,
            "Each row was met while this crate was written, and then read in the source of {SOURCE}. It has no fix there, so \
             it is in none of the numbers above. Only source was read: what hardware and firmware do about it is not \
             known here.\n"
        )?;
        writeln!(page, "| row | mistake | where | what is so | rule | verdict | here | shown by |")?;
        writeln!(page, "| ---: | --- | --- | --- | --- | --- | --- | --- |")?;
        for row in &self.unfixed {
            writeln!(
                page,
                "| {} | {}<br>{} | {} | {} | {} | {} | {} | {} |",
                row.n,
                cell(&row.subject),
                cell(&row.when),
                cell(&row.place),
                cell(&row.cause),
                row.rule,
                row.verdict.title(),
                cell(&row.why),
                shown_by(row)
            )?;
        }
        writeln!(page, "\n## Where the program changed the verdict: {}\n", changed.len())?;
        writeln!(
            page,
            "Each row had a verdict from its description before its program was written. These are no longer what they were.\n"
        )?;
        writeln!(page, "| row | before | now | why |\n| ---: | --- | --- | --- |")?;
        for row in changed {
            writeln!(page, "| {} | {} | {} | {} |", row.n, row.first.name(), row.verdict.name(), cell(&row.why))?;
        }
        writeln!(page, "\n## What runs it\n\n```")?;
        writeln!(page, "cargo test -p netmem-compile-fail               # the cases, their twins, this page")?;
        writeln!(page, "cargo test --test history                       # the wrong programs that compile")?;
        writeln!(
            page,
            "tests/loom/mutants.sh                           # the models, and the pool with the mistake made"
        )?;
        writeln!(page, "```")
    }
}

fn shown_by(row: &Row) -> String {
    let items = row.evidence.iter().map(|evidence| match evidence {
        Evidence::Case(name) => format!("case [`{name}`](../compile-fail/{HISTORY}/{name}.rs)"),
        Evidence::Test(name) => format!("test [`{name}`](../{TESTS})"),
        Evidence::Model(name) => format!("model [`{name}`](../{MODELS})"),
        Evidence::Mutant(name) => format!("mutant [\"{name}\"](../{MUTANTS})"),
    });
    let items: Vec<_> = items.collect();
    if items.is_empty() { "-".to_owned() } else { items.join("<br>") }
}

/// Text for a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;").replace("__", "\\_\\_")
}

/// The names of the functions with `#[test]` in a source.
fn tests_in(source: &str) -> impl Iterator<Item = &str> {
    source.split("#[test]\n").skip(1).filter_map(|rest| rest.trim_start().strip_prefix("fn ")?.split('(').next())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: &str = "7\t5e8e2a9624df\tU\t-\ts\tw\tdrv: d\tO3\tc\tchecked\tcompile\ty\ttest:row_07_x; mutant:a, b";

    #[test]
    fn a_row_is_read() {
        let row = Row::parse(ROW).unwrap();
        assert_eq!((row.n, row.verdict, row.first), (7, Verdict::Checked, Verdict::Compile));
        assert_eq!(row.evidence, [Evidence::Test("row_07_x".into()), Evidence::Mutant("a, b".into())]);
        assert!(row.is_in_a_driver());
    }

    #[test]
    fn a_broken_row_is_refused_with_the_form_it_should_have() {
        for (from, to, complaint) in [
            ("checked", "maybe", "there are compile, model"),
            ("5e8e2a9624df", "5e8e", "12 hexadecimal digits"),
            ("\tc\t", "\t\t", "column `cause` is empty"),
            ("test:", "tset:", "expected `case:`"),
            ("\ty\t", "\t", "12 columns"),
            ("7\t5", "x\t5", "`x` is no number"),
        ] {
            let broken = ROW.replace(from, to);
            assert_ne!(broken, ROW);
            let error = Row::parse(&broken).err().expect("it is broken");
            assert!(error.contains(complaint), "{error}");
        }
    }

    #[test]
    fn tests_are_found_by_their_attribute() {
        let found: Vec<_> = tests_in("fn a() {}\n#[test]\nfn row_01_b() {}\n#[test]\nfn row_02_c() {}\n").collect();
        assert_eq!(found, ["row_01_b", "row_02_c"]);
    }
}
