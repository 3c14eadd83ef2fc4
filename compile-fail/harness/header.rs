//! The `//!` lines at the head of a case.

/// What a case says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// The rule that forbids the line: `C1`.
    pub(crate) rule: String,
    /// The error: `E0277`.
    pub(crate) code: String,
    /// What the reader must see in it.
    pub(crate) text: String,
    pub(crate) lifted: Lifted,
    /// Which fix in Linux removed this mistake; for cases in `history/`.
    pub(crate) history: Option<History>,
}

/// The fix in Linux behind a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct History {
    /// The commit, 12 digits of it.
    pub(crate) commit: String,
    /// The row of `history/rows.tsv`.
    pub(crate) row: u32,
}

/// What would make the case compile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Lifted {
    /// The impls of its rule's counterfactual file.
    Counterfactual,
    /// No impl: the reason. Its twin carries the proof.
    Nothing(String),
}

impl Header {
    /// Reads the header, or says what is wrong with it and how it should be.
    pub(crate) fn parse(source: &str) -> Result<Self, String> {
        let mut lines = source.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim);
        let mut field = |name: &str, form: &str| {
            let line = lines.next().unwrap_or_default();
            let value = line.strip_prefix(name).map(|value| value.trim().to_owned());
            value
                .filter(|value| !value.is_empty())
                .ok_or(format!("expected the header line `//! {name} {form}`, found `//! {line}`"))
        };
        let rule = field("forbids:", "C1")?;
        let form = "E0277 \"text the reader must see\"";
        let expect = field("expect:", form)?;
        let (code, text) = expect
            .split_once(' ')
            .filter(|(code, _)| {
                code.len() == 5 && code.starts_with('E') && code[1..].bytes().all(|b| b.is_ascii_digit())
            })
            .and_then(|(code, text)| Some((code, text.strip_prefix('"')?.strip_suffix('"')?)))
            .filter(|(_, text)| !text.is_empty())
            .ok_or(format!("expected `//! expect: {form}`, found `{expect}`"))?;
        let form = "counterfactual` or `//! lifted by: nothing (a move)";
        let lifted = match field("lifted by:", form)?.as_str() {
            "counterfactual" => Lifted::Counterfactual,
            other => other
                .strip_prefix("nothing (")
                .and_then(|why| why.strip_suffix(')'))
                .filter(|why| !why.is_empty())
                .map(|why| Lifted::Nothing(why.to_owned()))
                .ok_or(format!("expected `//! lifted by: {form}`, found `{other}`"))?,
        };
        let (code, text) = (code.to_owned(), text.to_owned());
        let mut lines = lines.peekable();
        let history = match lines.next_if(|line| line.starts_with("history:")) {
            Some(line) => Some(History::parse(line)?),
            None => None,
        };
        let prose: Vec<_> = lines.collect();
        match prose.split_first() {
            Some((&"", prose)) if prose.iter().any(|line| !line.is_empty()) => {
                Ok(Header { rule, code, text, lifted, history })
            }
            _ => Err(
                "after the header lines: an empty `//!`, then a sentence that says what is attempted and why it is \
                      wrong"
                    .to_owned(),
            ),
        }
    }

    pub(crate) fn is_liftable(&self) -> bool {
        self.lifted == Lifted::Counterfactual
    }
}

impl History {
    fn parse(line: &str) -> Result<Self, String> {
        let value = line.strip_prefix("history:").map(str::trim).unwrap_or_default();
        value
            .split_once(", row ")
            .and_then(|(commit, row)| Some(History { commit: commit.to_owned(), row: row.parse().ok()? }))
            .filter(|history| is_commit(&history.commit))
            .ok_or(format!("expected `//! history: 1b7e585c04cd, row 4`, found `//! {line}`"))
    }
}

/// Whether this is a commit as it is named here: 12 hexadecimal digits.
pub(crate) fn is_commit(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// A source without its `//!` head.
pub(crate) fn body(source: &str) -> impl Iterator<Item = &str> {
    source.lines().skip_while(|line| line.starts_with("//!"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str =
        "//! forbids: C1\n//! expect: E0277 \"is not satisfied\"\n//! lifted by: counterfactual\n//!\n//! Why.\n";

    #[test]
    fn a_header_is_read() {
        let header = Header::parse(GOOD).unwrap();
        assert_eq!((&*header.rule, &*header.code, &*header.text), ("C1", "E0277", "is not satisfied"));
        assert!(header.is_liftable());
        let moved = Header::parse(&GOOD.replace("counterfactual", "nothing (a move)")).unwrap();
        assert_eq!(moved.lifted, Lifted::Nothing("a move".to_owned()));
        assert_eq!(moved.history, None);
        let fixed = Header::parse(&GOOD.replace("//!\n", "//! history: 0123456789ab, row 7\n//!\n")).unwrap();
        assert_eq!(fixed.history, Some(History { commit: "0123456789ab".to_owned(), row: 7 }));
    }

    #[test]
    fn a_broken_header_is_refused_with_the_form_it_should_have() {
        for (from, to, complaint) in [
            ("forbids: C1", "forbid: C1", "`//! forbids: C1`, found `//! forbid: C1`"),
            ("forbids: C1", "forbids:", "`//! forbids: C1`"),
            ("E0277 \"", "E277 \"", "found `E277 \"is not satisfied\"`"),
            ("\"is not satisfied\"", "is not satisfied", "E0277 \"text the reader must see\""),
            ("counterfactual", "nothing", "nothing (a move)"),
            ("//! Why.\n", "", "a sentence that says"),
            ("//!\n", "//! history: 1234, row 7\n//!\n", "found `//! history: 1234, row 7`"),
        ] {
            let broken = GOOD.replace(from, to);
            assert_ne!(broken, GOOD);
            let error = Header::parse(&broken).unwrap_err();
            assert!(error.contains(complaint), "{error}");
        }
    }
}
