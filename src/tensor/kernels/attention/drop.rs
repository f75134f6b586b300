//! Which weights dropout takes: a function of the seed and of the weight's place, so that nothing has to be remembered
//! for the gradient, and neither blocks nor threads show in the result.

/// Dropout of attention weights.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dropout {
    seed: u64,
    /// A weight is dropped if its hash is below.
    threshold: u32,
    /// The factor of those that stay.
    kept: f64,
    /// The first of the heads and how many there are of all, if these are only some of them.
    part: Option<[usize; 2]>,
}

impl Dropout {
    /// Drops with probability `p`.
    pub(crate) fn new(p: f64, seed: u64) -> Self {
        // The conversion saturates. Where everything is dropped, the factor is 0 as well.
        let kept = if p < 1.0 { 1.0 / (1.0 - p) } else { 0.0 };
        Self { seed, threshold: (p * 4_294_967_296.0) as u32, kept, part: None }
    }

    /// The same for heads that are some of `part[1]` heads, the first of which is number `part[0]`: they drop what they would drop
    /// among all of them.
    pub(crate) fn part(self, part: Option<[usize; 2]>) -> Self {
        Self { part, ..self }
    }

    /// The rule for one of the `heads` heads of a unit, which have `keys` keys each.
    pub(super) fn head(self, unit: usize, heads: usize, head: usize, keys: usize) -> Head {
        let [first, all] = self.part.unwrap_or([0, heads]);
        let first_row =
            (unit.wrapping_mul(all).wrapping_add(first).wrapping_add(head) as u64).wrapping_mul(keys as u64);
        Head { rule: self, first_row }
    }

    /// The factors of all weights: rows of `keys`, `queries` of them for each of the `heads` heads of a unit.
    pub(crate) fn factors<T: super::Real>(self, heads: usize, queries: usize, keys: usize, out: &mut [T]) {
        assert!(out.len().is_multiple_of(queries * keys), "attention: factors of weights");
        let kept = T::from_f64(self.kept);
        for (head, out) in out.chunks_mut((queries * keys).max(1)).enumerate() {
            let rule = self.head(head / heads.max(1), heads, head % heads.max(1), keys);
            for (query, row) in out.chunks_mut(keys.max(1)).enumerate() {
                for (key, factor) in row.iter_mut().enumerate() {
                    *factor = if rule.row(key).keeps(query as u32) { kept } else { T::zero() };
                }
            }
        }
    }
}

/// The same for one head.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    rule: Dropout,
    first_row: u64,
}

impl Head {
    pub(super) fn kept(&self) -> f64 {
        self.rule.kept
    }

    /// The rule for the weights of one key.
    #[inline(always)]
    pub(super) fn row(&self, key: usize) -> Row {
        // SplitMix64 (Steele, Lea and Flood, 2014).
        let row = self.first_row.wrapping_add(key as u64).wrapping_add(1);
        let mut x = self.rule.seed.wrapping_add(row.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^= x >> 31;
        Row { start: x as u32, turn: (x >> 32) as u32, threshold: self.rule.threshold }
    }
}

/// The same for the weights of one key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    start: u32,
    turn: u32,
    threshold: u32,
}

impl Row {
    /// Whether the weight of a query stays. In 32 bits, which every instruction set multiplies in vectors.
    #[inline(always)]
    pub(super) fn keeps(&self, query: u32) -> bool {
        // The last steps of MurmurHash3 (Appleby, 2011), with the key's bits mixed in twice.
        let mut h = query.wrapping_mul(0x9e37_79b9).wrapping_add(self.start);
        h = (h ^ (h >> 16)).wrapping_mul(0x85eb_ca6b) ^ self.turn;
        h = (h ^ (h >> 13)).wrapping_mul(0xc2b2_ae35);
        h ^= h >> 16;
        h >= self.threshold
    }
}
