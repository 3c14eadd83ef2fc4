//! A picture of the ratios.

use super::report::Report;
use std::fmt::Write;

/// Where the ratio is 1, and how far from there it is 2.
const ONE: f64 = 660.0;
const DOUBLE: f64 = 38.0;
/// How many doublings there is room for, to the left and to the right. What goes beyond is cut.
const LEFT: i32 = -5;
const RIGHT: i32 = 3;
const LINE: usize = 24;
const TOP: usize = 88;

/// Where a ratio is.
fn x(ratio: f64) -> f64 {
    ONE + ratio.log2().clamp(LEFT.into(), RIGHT.into()) * DOUBLE
}

/// Text that may stand in an SVG.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// One bar a ratio, from where both take the same time: to the left if this crate takes less, else to the right.
pub(crate) fn svg(report: &Report) -> String {
    let ratios = report.ratios();
    let bottom = TOP + ratios.len() * LINE;
    let height = bottom + 36;
    let mut svg = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 860 {height}" width="860" height="{height}" role="img" aria-labelledby="t d" font-family="sans-serif" font-size="12" fill="#1f2430">
  <title id="t">Times of this crate, as ratios to what it competes with</title>
  <desc id="d">One bar for each pair, from one run, on a logarithmic scale. A bar to the left of 1 means that this crate takes less time, one to the right that it takes more. The same ratios stand as numbers in speed.md.</desc>
  <rect x="1" y="1" width="858" height="{}" rx="10" fill="#fbfbfd" stroke="#c4c8d4"/>
  <text x="20" y="28" font-size="14" font-weight="bold">Time of this crate over time of the peer</text>
  <text x="20" y="48">bar and number: least times of one run; tick: median of the rounds; blue: less time than the peer; sand: more</text>
  <g stroke="#c4c8d4" fill="none">
"##,
        height - 2
    );
    // Writing into a String cannot fail.
    let mut labels = String::new();
    for doublings in LEFT..=RIGHT {
        let at = ONE + f64::from(doublings) * DOUBLE;
        let label = if doublings < 0 { format!("1/{}", 1 << -doublings) } else { format!("{}", 1 << doublings) };
        let _ = writeln!(svg, r##"    <path d="M{at} {} V{bottom}"/>"##, TOP - 6);
        let _ = writeln!(labels, r##"    <text x="{at}" y="{}">{label}</text>"##, TOP - 12);
    }
    let _ = write!(svg, "  </g>\n  <g text-anchor=\"middle\">\n{labels}  </g>\n");
    for (at, it) in ratios.iter().enumerate() {
        let y = TOP + at * LINE;
        let (fill, stroke) = if it.ratio <= 1.0 { ("#e6eefc", "#4a6fb5") } else { ("#f6efe0", "#a5813a") };
        let (from, to) = (x(it.ratio.min(1.0)), x(it.ratio.max(1.0)));
        let _ = write!(
            svg,
            r##"  <text x="20" y="{text}">{} / {}</text>
  <rect x="{from:.1}" y="{}" width="{:.1}" height="16" rx="2" fill="{fill}" stroke="{stroke}"/>
  <path d="M{:.1} {} v18" stroke="#1f2430"/>
  <text x="840" y="{text}" text-anchor="end">{:.2}</text>
"##,
            escape(it.this),
            escape(it.that),
            y + 1,
            to - from,
            x(it.median),
            y,
            it.ratio,
            text = y + 13,
        );
    }
    let _ = write!(
        svg,
        r##"  <path d="M{ONE} {} V{bottom}" stroke="#5a6072" fill="none"/>
  <text x="20" y="{}">{}</text>
</svg>
"##,
        TOP - 6,
        bottom + 20,
        escape(&report.machine()),
    );
    svg
}
