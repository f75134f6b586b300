//! Connectionist temporal classification: sums over all paths through a lattice of steps and labels, by dynamic programming in
//! logarithms (Graves et al., 2006).
//!
//! A path is in one of `2 n + 1` states at each step: the `n` labels, with a blank before, between and behind them. From one step to
//! the next it stays, goes on by one state, or by two if that skips a blank between labels that differ.

/// One sequence, and the labels that are to be read in it.
pub(crate) struct Example<'a> {
    /// Logarithms of probabilities, `[steps, classes]`.
    pub(crate) log_probs: &'a [f64],
    pub(crate) classes: usize,
    pub(crate) labels: &'a [usize],
    pub(crate) blank: usize,
}

impl Example<'_> {
    fn states(&self) -> usize {
        2 * self.labels.len() + 1
    }

    /// The class of a state.
    fn class(&self, state: usize) -> usize {
        if state.is_multiple_of(2) { self.blank } else { self.labels[state / 2] }
    }

    /// Whether a path may come to a state from the one two before it.
    fn skips(&self, state: usize) -> bool {
        state % 2 == 1 && state >= 3 && self.labels[state / 2] != self.labels[state / 2 - 1]
    }

    /// Whether there are too few steps for the labels: one for each, and one for a blank between equal ones.
    fn is_impossible(&self) -> bool {
        let repeats = self.labels.windows(2).filter(|pair| pair[0] == pair[1]).count();
        self.log_probs.len() / self.classes < self.labels.len() + repeats
    }

    /// The first row of the table of [`forward`](Self::forward): a path begins with a blank or a label.
    fn begin(&self, step: &[f64], row: &mut [f64]) {
        row.fill(f64::NEG_INFINITY);
        row.iter_mut().take(2).enumerate().for_each(|(state, p)| *p = step[self.class(state)]);
    }

    /// The logarithm of the probability of being in each state after a step, and having read what leads there, from the same before it.
    fn forward(&self, before: &[f64], step: &[f64], row: &mut [f64]) {
        for (state, p) in row.iter_mut().enumerate() {
            let last = if state >= 1 { before[state - 1] } else { f64::NEG_INFINITY };
            let skipped = if self.skips(state) { before[state - 2] } else { f64::NEG_INFINITY };
            *p = log_sum_exp(before[state], last, skipped) + step[self.class(state)];
        }
    }

    /// The loss, from the last row of the table: a path ends in the last label or the blank behind it.
    fn end(&self, row: &[f64]) -> f64 {
        let n = row.len();
        let label = if n >= 2 { row[n - 2] } else { f64::NEG_INFINITY };
        -log_sum_exp(row[n - 1], label, f64::NEG_INFINITY)
    }

    /// The negative logarithm of the probability of the labels. Without any step, of nothing it is 0.
    pub(crate) fn loss(&self) -> f64 {
        if self.is_impossible() {
            return f64::INFINITY;
        }
        let mut steps = self.log_probs.chunks_exact(self.classes);
        let Some(first) = steps.next() else { return 0.0 };
        let (mut before, mut row) = (vec![0.0; self.states()], vec![0.0; self.states()]);
        self.begin(first, &mut before);
        for step in steps {
            self.forward(&before, step, &mut row);
            std::mem::swap(&mut before, &mut row);
        }
        self.end(&before)
    }

    /// Adds to `out`, `[steps, classes]` and perhaps more, the gradient of the loss, times `grad`: of each class at each step, how
    /// probable it is that the path is in one of its states, with its sign turned. Of an infinite loss it is NaN, or 0.
    pub(crate) fn add_gradient(&self, grad: f64, zero_infinity: bool, out: &mut [f64]) {
        let (states, steps) = (self.states(), self.log_probs.len() / self.classes);
        if steps == 0 && !self.is_impossible() {
            return;
        }
        let step = |t: usize| &self.log_probs[t * self.classes..(t + 1) * self.classes];
        let mut table = vec![0.0; if self.is_impossible() { 0 } else { steps * states }];
        for t in 0..table.len() / states {
            let (done, rest) = table.split_at_mut(t * states);
            match t {
                0 => self.begin(step(0), &mut rest[..states]),
                _ => self.forward(&done[(t - 1) * states..], step(t), &mut rest[..states]),
            }
        }
        let loss = if table.is_empty() { f64::INFINITY } else { self.end(&table[(steps - 1) * states..]) };
        if loss == f64::INFINITY {
            if !zero_infinity {
                out[..steps * self.classes].fill(f64::NAN);
            }
            return;
        }
        // The logarithm of the probability of all that follows, from each state; the step itself is in the table.
        let (mut after, mut row) = (vec![f64::NEG_INFINITY; states], vec![0.0; states]);
        after.iter_mut().rev().take(2).for_each(|p| *p = 0.0);
        for t in (0..steps).rev() {
            let out = &mut out[t * self.classes..(t + 1) * self.classes];
            for (state, (p, q)) in table[t * states..].iter().zip(&after).enumerate() {
                out[self.class(state)] -= grad * (p + q + loss).exp();
            }
            let now = step(t);
            let from = |state: usize| after[state] + now[self.class(state)];
            for (state, p) in row.iter_mut().enumerate() {
                let next = if state + 1 < states { from(state + 1) } else { f64::NEG_INFINITY };
                let skip = state + 2 < states && self.skips(state + 2);
                *p = log_sum_exp(from(state), next, if skip { from(state + 2) } else { f64::NEG_INFINITY });
            }
            std::mem::swap(&mut after, &mut row);
        }
    }
}

/// `log(eᵃ + eᵇ + eᶜ)`. Minus infinity stands for what cannot be; NaN stays.
fn log_sum_exp(a: f64, b: f64, c: f64) -> f64 {
    let top = a.max(b).max(c);
    if top == f64::NEG_INFINITY {
        return a + b + c;
    }
    top + ((a - top).exp() + (b - top).exp() + (c - top).exp()).ln()
}
