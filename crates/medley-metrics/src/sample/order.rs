/// Rows sorted by score, ascending, with what a pass over them must know of each in one word.
#[derive(Debug)]
pub(crate) struct RankOrder {
    entries: Vec<u32>,
}

/// One row in a [`RankOrder`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ranked {
    pub(crate) row: usize,
    pub(crate) positive: bool,
    /// Whether the next row scores higher.
    pub(crate) ends_tie: bool,
}

impl RankOrder {
    pub(crate) fn new(scores: &[f64], positive: impl Fn(usize) -> bool) -> Self {
        let mut keyed: Vec<(u64, u32)> =
            scores.iter().enumerate().map(|(row, &score)| (sort_key(score), row as u32)).collect();
        keyed.sort_unstable();
        let entries = (0..keyed.len()).map(|at| {
            let (key, row) = keyed[at];
            let ends = keyed.get(at + 1).is_none_or(|next| next.0 != key);
            row << 2 | u32::from(positive(row as usize)) << 1 | u32::from(ends)
        });
        Self { entries: entries.collect() }
    }

    /// From the lowest score to the highest.
    pub(crate) fn ascending(&self) -> impl DoubleEndedIterator<Item = Ranked> + '_ {
        self.entries.iter().map(|&entry| Ranked {
            row: (entry >> 2) as usize,
            positive: entry & 2 != 0,
            ends_tie: entry & 1 != 0,
        })
    }
}

/// Integers that order as finite floats do, and are equal where floats are.
pub(crate) fn sort_key(score: f64) -> u64 {
    let bits = (score + 0.0).to_bits(); // -0.0 + 0.0 is 0.0
    if bits >> 63 == 0 { bits | 1 << 63 } else { !bits }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_order_as_floats() {
        let values = [-f64::MAX, -1.5, -1e-300, 0.0, 1e-300, 0.25, 1.0, f64::MAX];
        assert!(values.windows(2).all(|pair| sort_key(pair[0]) < sort_key(pair[1])));
        assert_eq!(sort_key(0.0), sort_key(-0.0));
    }

    #[test]
    fn ties_end_where_the_score_changes() {
        let order = RankOrder::new(&[0.5, 0.1, 0.5, 0.9], |row| row == 2);
        let seen: Vec<_> = order.ascending().map(|entry| (entry.row, entry.positive, entry.ends_tie)).collect();
        assert_eq!(seen, [(1, false, true), (0, false, false), (2, true, true), (3, false, true)]);
    }
}
