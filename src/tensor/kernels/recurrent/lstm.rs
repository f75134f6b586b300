//! The long short-term memory (Hochreiter and Schmidhuber, 1997; with the forget gate of Gers et al., 2000):
//! `c = f · c + i · g`, `h = o · tanh(c)`, where `i`, `f`, `o` are sigmoids and `g` is the tanh of their sums.

use super::super::Real;
use super::super::simd::Isa;

/// From sums to gates, in place, and to the new states.
#[inline(always)]
pub(super) fn forward<I: Isa, T: Real>(gates: &mut [T], h: &mut [T], c: &mut [T]) {
    let n = c.len();
    let (input_forget, rest) = gates.split_at_mut(2 * n);
    let (g, o) = rest.split_at_mut(n);
    input_forget.iter_mut().for_each(|x| *x = x.sigmoid_on::<I>());
    g.iter_mut().for_each(|x| *x = x.tanh_on::<I>());
    o.iter_mut().for_each(|x| *x = x.sigmoid_on::<I>());
    let (i, f) = input_forget.split_at(n);
    for (((c, &i), &f), &g) in c.iter_mut().zip(i).zip(f).zip(&*g) {
        *c = I::mul_add(f, *c, i * g);
    }
    for ((h, &o), &c) in h.iter_mut().zip(&*o).zip(&*c) {
        *h = o * c.tanh_on::<I>();
    }
}

/// From the gradients of the states to those of the sums and of the cell state before. Nothing else carries that of h back.
#[inline(always)]
pub(super) fn backward<I: Isa, T: Real>(
    gates: &[T],
    [c, c_before]: [&[T]; 2],
    grad_h: &mut [T],
    grad_c: &mut [T],
    grad_gates: &mut [T],
) {
    let n = c.len();
    let one = T::one();
    let (i, rest) = gates.split_at(n);
    let (f, rest) = rest.split_at(n);
    let (g, o) = rest.split_at(n);
    let (grad_i, rest) = grad_gates.split_at_mut(n);
    let (grad_f, rest) = rest.split_at_mut(n);
    let (grad_g, grad_o) = rest.split_at_mut(n);
    for (((grad_o, grad_h), grad_c), (&o, &c)) in grad_o.iter_mut().zip(grad_h).zip(&mut *grad_c).zip(o.iter().zip(c)) {
        let tanh = c.tanh_on::<I>();
        *grad_o = *grad_h * tanh * o * (one - o);
        *grad_c += *grad_h * o * (one - tanh * tanh);
        *grad_h = T::zero();
    }
    for ((grad_i, grad_g), ((&grad_c, &i), &g)) in grad_i.iter_mut().zip(grad_g).zip(grad_c.iter().zip(i).zip(g)) {
        *grad_i = grad_c * g * i * (one - i);
        *grad_g = grad_c * i * (one - g * g);
    }
    for ((grad_f, grad_c), (&f, &c_before)) in grad_f.iter_mut().zip(grad_c).zip(f.iter().zip(c_before)) {
        // The slope first: where the gate is shut a large state is times 0, and not infinite before.
        *grad_f = *grad_c * (c_before * (f * (one - f)));
        *grad_c *= f;
    }
}
