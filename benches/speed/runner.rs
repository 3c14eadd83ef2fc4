//! The rounds.

use super::rows::Row;
use crate::paths::BULK;

/// How long a round should take. Short, so that many are not disturbed.
const ROUND_NS: f64 = 150_000.0;
/// The most operations a round has.
const MOST: u64 = 1 << 16;

/// What came out for one row. Nanoseconds for one operation.
pub(crate) struct Measured {
    pub(crate) group: &'static str,
    pub(crate) name: String,
    pub(crate) peer: bool,
    pub(crate) least: f64,
    pub(crate) median: f64,
    /// Round by round.
    pub(crate) rounds: Vec<f64>,
}

/// How many operations take about [`ROUND_NS`].
fn operations(row: &mut Row) -> u64 {
    (row.run)(BULK);
    let few = 16 * BULK;
    let one = (row.run)(few) as f64 / few as f64;
    ((ROUND_NS / one.max(0.1)) as u64 / BULK * BULK).clamp(BULK, MOST)
}

/// Does that many rounds of each row, one row after the other, and again.
pub(crate) fn run(rows: &mut [Row], rounds: usize) -> Vec<Measured> {
    let operations: Vec<u64> = rows.iter_mut().map(operations).collect();
    let mut times: Vec<Vec<f64>> = rows.iter().map(|_| Vec::with_capacity(rounds)).collect();
    for _ in 0..rounds {
        for ((row, times), &n) in rows.iter_mut().zip(&mut times).zip(&operations) {
            times.push((row.run)(n) as f64 / n as f64);
        }
    }
    let measured = |(row, rounds): (&Row, Vec<f64>)| {
        let (least, median) = (rounds.iter().copied().fold(f64::MAX, f64::min), median(rounds.clone()));
        Measured { group: row.group, name: row.name.clone(), peer: row.peer, least, median, rounds }
    };
    rows.iter().zip(times).map(measured).collect()
}

/// The one in the middle.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
