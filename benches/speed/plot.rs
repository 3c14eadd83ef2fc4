//! A picture of the ratios.

use super::report::Report;
use std::fmt::Write;

/// Where bars start, and how long one of the ratio 1 is.
const LEFT: f64 = 470.0;
const UNIT: f64 = 160.0;
/// The longest bar, as a ratio; longer ones are cut, and say so by their number.
const MOST: f64 = 2.0;
const LINE: usize = 24;
const TOP: usize = 72;

/// Text that may stand in an SVG.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// One bar a ratio. Shorter is faster; the line is where both are equal.
pub(crate) fn svg(report: &Report) -> String {
    let ratios = report.ratios();
    let height = TOP + ratios.len() * LINE + 52;
    let mut svg = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 860 {height}" width="860" height="{height}" role="img" aria-labelledby="t d" font-family="sans-serif" font-size="12" fill="#1f2430">
  <title id="t">Times of this crate, as ratios to what it competes with</title>
  <desc id="d">One bar for each pair, from one run. Shorter is faster, and the line is where both take the same time. The same ratios stand as numbers in speed.md.</desc>
  <rect x="1" y="1" width="858" height="{}" rx="10" fill="#fbfbfd" stroke="#c4c8d4"/>
  <text x="20" y="28" font-size="14" font-weight="bold">Time of this crate over time of the peer, least times of one run</text>
  <text x="20" y="48">shorter is faster; blue: at most as long as the peer; sand: longer</text>
"##,
        height - 2
    );
    let bottom = TOP + ratios.len() * LINE;
    for (at, it) in ratios.iter().enumerate() {
        let y = TOP + at * LINE;
        let (fill, stroke) = if it.ratio <= 1.0 { ("#e6eefc", "#4a6fb5") } else { ("#f6efe0", "#a5813a") };
        let width = it.ratio.min(MOST) * UNIT;
        let more = if it.ratio > MOST { " (cut)" } else { "" };
        // Writing into a String cannot fail.
        let _ = write!(
            svg,
            r##"  <text x="{:.0}" y="{}" text-anchor="end">{} / {}</text>
  <rect x="{LEFT}" y="{}" width="{width:.1}" height="16" rx="3" fill="{fill}" stroke="{stroke}"/>
  <text x="{:.1}" y="{}">{:.2}{more}</text>
"##,
            LEFT - 8.0,
            y + 13,
            escape(it.this),
            escape(it.that),
            y + 1,
            LEFT + width + 6.0,
            y + 13,
            it.ratio
        );
    }
    let _ = write!(
        svg,
        r##"  <path d="M{one} {} V{bottom}" stroke="#5a6072" fill="none" stroke-dasharray="4 3"/>
  <text x="{one}" y="{}" text-anchor="middle">1</text>
  <text x="20" y="{}">{}</text>
</svg>
"##,
        TOP - 6,
        bottom + 16,
        bottom + 38,
        escape(&report.machine()),
        one = LEFT + UNIT,
    );
    svg
}
