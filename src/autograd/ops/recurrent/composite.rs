//! The same made of other operations, step by step, for gradients of gradients.

use crate::error::Result;
use crate::tensor::Tensor;
use crate::tensor::exec::fused::{RecurrentUnit, Sweep, SweepOperands as Inputs};

pub(super) fn sweep(sweep: &Sweep, inputs: &Inputs<'_>) -> Result<Vec<Tensor>> {
    let Sweep { time, batch, hidden, outputs, .. } = *sweep;
    let zeros = |width: usize| Tensor::full_dtype([batch, width], 0.0, inputs.x.dtype());
    let mut h = inputs.hidden.map_or_else(|| zeros(outputs), |h| Ok(h.clone()))?;
    let mut c = inputs.cell.map_or_else(|| zeros(hidden), |c| Ok(c.clone()))?;
    let rest = zeros(outputs)?;
    let mut out = vec![rest.clone(); time];
    for step in (0..time).map(|i| if sweep.reverse { time - 1 - i } else { i }) {
        let [bias_ih, bias_hh] = inputs.bias.map_or([None, None], |biases| biases.map(Some));
        let a = inputs.x.select(0, step as isize)?.linear(inputs.weight_ih, bias_ih)?;
        let b = h.linear(inputs.weight_hh, bias_hh)?;
        let (mut new_h, new_c) = unit(sweep.unit, &a, &b, &h, &c, hidden)?;
        if let Some(weight) = inputs.weight_hr {
            new_h = new_h.linear(weight, None)?;
        }
        match &sweep.lengths {
            None => (out[step], h, c) = (new_h.clone(), new_h, new_c),
            Some(lengths) => {
                let goes_on = lengths.iter().map(|&len| step < len).collect();
                let goes_on = Tensor::from_vec::<bool>(goes_on, [batch, 1])?;
                out[step] = goes_on.where_(&new_h, &rest)?;
                h = goes_on.where_(&new_h, &h)?;
                c = goes_on.where_(&new_c, &c)?;
            }
        }
    }
    let out = Tensor::stack(&out.iter().collect::<Vec<_>>(), 0)?;
    Ok(if sweep.unit.has_cell() { vec![out, h, c] } else { vec![out, h] })
}

/// One step, from the products of the input and of the state, and the states before.
fn unit(
    unit: RecurrentUnit,
    a: &Tensor,
    b: &Tensor,
    h: &Tensor,
    c: &Tensor,
    hidden: usize,
) -> Result<(Tensor, Tensor)> {
    let gate = |x: &Tensor, i: usize| x.narrow(1, i * hidden, hidden);
    Ok(match unit {
        RecurrentUnit::Tanh => (a.add(b)?.tanh(), c.clone()),
        RecurrentUnit::Relu => (a.add(b)?.relu(), c.clone()),
        RecurrentUnit::Lstm => {
            let sums = a.add(b)?;
            let [i, f, o] = [gate(&sums, 0)?, gate(&sums, 1)?, gate(&sums, 3)?].map(|x| x.sigmoid());
            let c = f.mul(c)?.add(&i.mul(&gate(&sums, 2)?.tanh())?)?;
            (o.mul(&c.tanh())?, c)
        }
        RecurrentUnit::Gru => {
            let r = gate(a, 0)?.add(&gate(b, 0)?)?.sigmoid();
            let z = gate(a, 1)?.add(&gate(b, 1)?)?.sigmoid();
            let n = gate(a, 2)?.add(&r.mul(&gate(b, 2)?)?)?.tanh();
            (z.mul(h)?.add(&z.rsub_scalar(1.0).mul(&n)?)?, c.clone())
        }
    })
}
