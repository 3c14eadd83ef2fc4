//! The cases on disk, and what must hold of them before anything is compiled.

use crate::header::{Header, body};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A rule of the crate.
pub(crate) struct Rule {
    pub(crate) name: &'static str,
    /// How few cases are too few.
    pub(crate) at_least: usize,
    /// Why it has no cases; a rule without cases and without this is a complaint, and so is one with both.
    pub(crate) pending: Option<&'static str>,
}

const fn rule(name: &'static str, at_least: usize) -> Rule {
    Rule { name, at_least, pending: None }
}

const fn pending(name: &'static str, why: &'static str) -> Rule {
    Rule { name, at_least: 0, pending: Some(why) }
}

/// Every rule there is. None is ever left out in silence.
pub(crate) const RULES: &[Rule] = &[
    rule("C1", 2),
    rule("C2", 2),
    rule("C3", 2),
    rule("C4", 2),
    rule("C5", 2),
    rule("O1", 2),
    rule("O2", 2),
    rule("O3", 2),
    rule("O4", 2),
    rule("O5", 2),
    rule("O6", 2),
    rule("D1", 2),
    rule("D2", 2),
    rule("D3", 1),
    rule("D4", 1),
    rule("D5", 2),
    rule("N1", 2),
    rule("N2", 2),
    pending("N3", "checked: run-time tests"),
    rule("P1", 2),
    rule("P2", 2),
    rule("P3", 2),
    rule("S1", 2),
    rule("S2", 2),
    pending("S3", "checked: run-time tests"),
    rule("S4", 4),
];

/// Goldens that quote the crate's source, because rustc leaves no choice. Each with its reason, and as few as possible:
/// such a golden changes whenever the quoted line does.
pub(crate) const QUOTES_SOURCE: &[(&str, &str)] = &[
    ("D1_method", "a method whose bound fails: rustc shows the type that does not satisfy it, `pub struct NetIov {`"),
    ("S2_undeclared", "a bound of a method: rustc shows where it stands"),
    ("N2_poll_to_thread", "an auto trait: rustc names each type on the way to the field that is not `Send`"),
];

/// Stands for a rule where none of the crate's is needed: the language refuses it. For cases in [`HISTORY`] only.
pub(crate) const RUST: &str = "Rust";

/// Where the cases are that were bugs in Linux.
pub(crate) const HISTORY: &str = "history";

/// The file that says of each bug where it went.
pub(crate) const ROWS: &str = "rows.tsv";

/// How the name ends of a file of impls that are forbidden in `netmem-consumers`.
const CONSUMERS: &str = ".consumers.rs";

/// Where this program is.
const HARNESS: &str = "harness";

/// The folder of this package. Cargo runs its tests in it, so the path of a case starts there.
pub(crate) fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The folder of the crate that the cases are about, which holds all the others.
pub(crate) fn repository() -> &'static Path {
    package().parent().expect("the package is in the repository")
}

/// One forbidden line.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) header: Header,
    source: String,
}

impl Case {
    /// A name for a binary.
    pub(crate) fn id(&self) -> String {
        format!("{}_{}", self.header.rule, self.name)
    }

    /// The allowed twin.
    pub(crate) fn twin(&self) -> PathBuf {
        self.path.with_extension("ok.rs")
    }

    fn golden(&self) -> PathBuf {
        self.path.with_extension("stderr")
    }
}

/// All of them.
pub(crate) struct Suite {
    pub(crate) cases: Vec<Case>,
}

impl Suite {
    /// Reads every case. What cannot be read as one is a complaint: file, what is wrong, what to do.
    pub(crate) fn read() -> (Self, Vec<String>) {
        let (mut cases, mut complaints) = (Vec::new(), Vec::new());
        for (folder, path) in files() {
            let name = file_name(&path);
            let stem = if folder == "counterfactual" {
                let rule = name.strip_suffix(CONSUMERS).or(name.strip_suffix(".rs"));
                if !rule.is_some_and(|rule| RULES.iter().any(|known| known.name == rule)) {
                    complaints.push(format!("{}: not named after a rule: C1.rs, D1{CONSUMERS}, ...", path.display()));
                }
                continue;
            } else if let Some(stem) = name.strip_suffix(".ok.rs").or(name.strip_suffix(".stderr")) {
                if !path.with_file_name(format!("{stem}.rs")).exists() {
                    complaints
                        .push(format!("{}: an orphan: there is no {stem}.rs beside it; remove it", path.display()));
                }
                continue;
            } else if let Some(stem) = name.strip_suffix(".rs") {
                stem
            } else if folder == HISTORY && name == ROWS {
                continue;
            } else {
                complaints.push(format!("{}: not a case, twin or golden; remove it", path.display()));
                continue;
            };
            let source = fs::read_to_string(&path).unwrap_or_default();
            match Header::parse(&source) {
                Err(error) => complaints.push(format!("{}: {error}", path.display())),
                Ok(header) if header.history.is_some() != (folder == HISTORY) => complaints.push(format!(
                    "{}: the header line `//! history:` belongs to each case in {HISTORY}/, and to no other",
                    path.display()
                )),
                Ok(header) if folder != HISTORY && header.rule != folder => complaints.push(format!(
                    "{}: forbids {} but lies in {folder}/; move it, or correct the header",
                    path.display(),
                    header.rule
                )),
                Ok(header) => cases.push(Case { name: stem.to_owned(), path, header, source }),
            }
        }
        (Suite { cases }, complaints)
    }

    pub(crate) fn of<'a>(&'a self, rule: &'a str) -> impl Iterator<Item = &'a Case> {
        self.cases.iter().filter(move |case| case.header.rule == rule)
    }

    /// The impls that a rule forbids, in the crate and in `netmem-consumers`: one file at least is there.
    pub(crate) fn counterfactual(&self, rule: &str) -> [PathBuf; 2] {
        [".rs", CONSUMERS].map(|end| Path::new("counterfactual").join(format!("{rule}{end}")))
    }

    /// Everything that can be checked by reading.
    pub(crate) fn check(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        for case in &self.cases {
            let known = RULES.iter().any(|rule| rule.name == case.header.rule);
            let of_history = case.header.rule == RUST && case.header.history.is_some();
            if !known && !of_history {
                complaints.push(format!("{}: there is no rule {}", case.path.display(), case.header.rule));
            }
            let twin = case.twin();
            match fs::read_to_string(&twin) {
                Ok(text) => complaints
                    .extend(check_twin(&case.source, &text).map(|error| format!("{}: {error}", twin.display()))),
                Err(_) => complaints.push(format!(
                    "{}: missing: write the line that is allowed instead, and nothing else different",
                    twin.display()
                )),
            }
            let golden = case.golden();
            match fs::read_to_string(&golden) {
                Ok(text) => {
                    let excused = QUOTES_SOURCE.iter().any(|(id, _)| *id == case.id());
                    complaints.extend(
                        check_golden(case, &text, excused)
                            .into_iter()
                            .map(|error| format!("{}: {error}", golden.display())),
                    );
                }
                Err(_) => complaints.push(format!(
                    "{}: missing: run `TRYBUILD=overwrite cargo test -p netmem-compile-fail -- refused` and read it",
                    golden.display()
                )),
            }
        }
        complaints.extend(self.check_rules());
        complaints.extend(
            QUOTES_SOURCE
                .iter()
                .filter(|(id, _)| !self.cases.iter().any(|case| case.id() == *id))
                .map(|(id, _)| format!("QUOTES_SOURCE excuses {id}, which does not exist; remove the entry")),
        );
        complaints
    }

    fn check_rules(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        for rule in RULES {
            let cases = self.of(rule.name).count();
            match rule.pending {
                Some(why) if cases != 0 => complaints.push(format!(
                    "rule {} has {cases} case(s) but is listed as `{why}`: give it a number in RULES",
                    rule.name
                )),
                None if cases < rule.at_least => complaints.push(format!(
                    "rule {} has {cases} case(s), and needs {}: add to {}/",
                    rule.name, rule.at_least, rule.name
                )),
                _ => {}
            }
            let is_lifted = self.of(rule.name).any(|case| case.header.is_liftable());
            let impls = self.counterfactual(rule.name).into_iter().filter(|impls| impls.exists() && !is_lifted);
            complaints.extend(impls.map(|impls| format!("{}: lifts no case; remove it", impls.display())));
        }
        complaints
    }
}

/// The twin says what it allows, and differs from the case in one line.
fn check_twin(case: &str, twin: &str) -> Option<String> {
    let allowed = twin.lines().next().and_then(|line| line.strip_prefix("//! allowed: "));
    if allowed.is_none_or(|text| text.trim().is_empty()) {
        return Some("expected the header line `//! allowed: what this does, and why it may`".to_owned());
    }
    let (case, twin): (Vec<_>, Vec<_>) = (body(case).collect(), body(twin).collect());
    let different = case.iter().zip(&twin).filter(|(case, twin)| case != twin).count();
    match (case.len() == twin.len(), different) {
        (true, 1) => None,
        (true, 0) => Some("the same as its case".to_owned()),
        (true, lines) => {
            Some(format!("differs from its case in {lines} lines: change one, so that the line is what counts"))
        }
        (false, _) => Some("has not as many lines as its case: change one line and nothing else".to_owned()),
    }
}

/// One error, of that code, with that text, and no source but the case's own.
fn check_golden(case: &Case, golden: &str, may_quote: bool) -> Vec<String> {
    let header = &case.header;
    let own = format!("{}:", case.path.display());
    let mut complaints = Vec::new();
    let errors: Vec<_> = golden.lines().filter(|line| line.starts_with("error")).collect();
    match errors.as_slice() {
        [error] if error.starts_with(&format!("error[{}]: ", header.code)) => {}
        [error] => complaints.push(format!("expected an error of code {}, found `{error}`", header.code)),
        _ => complaints.push(format!("{} errors: a case is one forbidden line with one error", errors.len())),
    }
    if golden.lines().any(|line| line.starts_with("warning")) {
        complaints.push("a warning: let the case be about its error alone".to_owned());
    }
    if !golden.contains(&header.text) {
        complaints.push(format!("does not contain \"{}\": correct the header, or the message", header.text));
    }
    let quotes: BTreeSet<_> = golden
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("--> ").or(line.trim_start().strip_prefix("::: ")))
        .filter(|place| !place.starts_with(&own))
        .collect();
    match (quotes.is_empty(), may_quote) {
        (false, false) => complaints.push(format!(
            "quotes {quotes:?}: choose a shape that does not, or add an attribute (`do_not_recommend`) to the crate"
        )),
        (true, true) => complaints.push("listed in QUOTES_SOURCE but quotes nothing; remove the entry".to_owned()),
        _ => {}
    }
    complaints
}

fn file_name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

/// The files one folder deep, with the name of their folder, in order. The harness is none of them.
fn files() -> Vec<(String, PathBuf)> {
    let entries = |path: &Path| {
        let mut paths: Vec<_> = fs::read_dir(Path::new(".").join(path))
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
            .map(|entry| path.join(entry.expect("a folder can be read to its end").file_name()))
            .collect();
        paths.sort();
        paths
    };
    let folders = entries(Path::new("")).into_iter();
    let folders = folders.filter(|path| path.is_dir() && path != Path::new(HARNESS));
    folders
        .flat_map(|folder| entries(&folder).into_iter().map(move |path| (file_name(&folder).to_owned(), path)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CASE: &str = "//! forbids: C1\n//! expect: E0277 \"is not\"\n//! lifted by: counterfactual\n//!\n//! Why.\n\nfn f() {\n    bad();\n}\n";
    const TWIN: &str = "//! allowed: this\n\nfn f() {\n    good();\n}\n";
    const GOLDEN: &str = "error[E0277]: x is not y\n --> C1/x.rs:8:5\n";

    #[test]
    fn a_twin_differs_in_one_line() {
        assert_eq!(check_twin(CASE, TWIN), None);
        for (from, to, complaint) in [
            ("good", "bad", "the same"),
            ("fn f() {", "fn g() {", "2 lines"),
            ("}\n", "}\n\n", "as many lines"),
            ("//! allowed: this", "//! this", "`//! allowed:"),
        ] {
            let error = check_twin(CASE, &TWIN.replace(from, to)).expect("it is broken");
            assert!(error.contains(complaint), "{error}");
        }
    }

    #[test]
    fn a_golden_shows_what_its_case_announces() {
        let header = Header::parse(CASE).unwrap();
        let case = Case { name: "x".to_owned(), path: "C1/x.rs".into(), header, source: CASE.to_owned() };
        assert_eq!(check_golden(&case, GOLDEN, false), [""; 0]);
        for (from, to, complaint) in [
            ("error[E0277]: x is not y\n", "error[E0277]: x is not y\nerror: again\n", "2 errors"),
            ("E0277", "E0308", "code E0277"),
            ("is not", "is", "does not contain \"is not\""),
            (" --> C1/x.rs:8:5", " --> $WORKSPACE/src/memory/page.rs", "quotes {\"$WORKSPACE/src/memory/page.rs\"}"),
            (" --> C1/x.rs:8:5", " --> C1/y.rs:8:5", "quotes {\"C1/y.rs:8:5\"}"),
            (" --> C1/x.rs:8:5", " ::: $RUST/core/src/option.rs", "quotes {\"$RUST/core/src/option.rs\"}"),
            ("error[", "warning: unused\nerror[", "a warning"),
        ] {
            let complaints = check_golden(&case, &GOLDEN.replace(from, to), false);
            assert_eq!(complaints.len(), 1, "{complaints:?}");
            assert!(complaints[0].contains(complaint), "{complaints:?}");
        }
        assert_eq!(check_golden(&case, GOLDEN, true).len(), 1, "an excuse that is not needed is a complaint");
    }
}
