//! The gated recurrent unit (Cho et al., 2014), with the reset gate behind the product, as PyTorch and cuDNN have it:
//! `h = (1 - z) · n + z · h`, where `r` and `z` are sigmoids of their sums and `n = tanh(a + r · b)`, `a` being the part of
//! the sum that comes from the input and `b` the part that comes from the state.

use super::super::Real;
use super::super::simd::Isa;

/// From sums to gates, in place, and to the new state. The gates are `r`, `z`, `n` and `b`.
#[inline(always)]
pub(super) fn forward<I: Isa, T: Real>(gates: &mut [T], h: &mut [T]) {
    let len = h.len();
    let (reset_update, rest) = gates.split_at_mut(2 * len);
    let (n, b) = rest.split_at_mut(len);
    reset_update.iter_mut().for_each(|x| *x = x.sigmoid_on::<I>());
    let (r, z) = reset_update.split_at(len);
    for ((n, &b), &r) in n.iter_mut().zip(&*b).zip(r) {
        *n = I::mul_add(r, b, *n).tanh_on::<I>();
    }
    for ((h, &n), &z) in h.iter_mut().zip(&*n).zip(z) {
        // A state that is kept is kept to the last digit: no difference of it and `n` is taken.
        *h = I::mul_add(z, *h, (T::one() - z) * n);
    }
}

/// From the gradient of the state to those of the sums, in the same order, and of the part of the state before that is
/// let through. Slopes of gates come first, so that where a gate is shut a large state is times 0, and not infinite before.
#[inline(always)]
pub(super) fn backward<T: Real>(gates: &[T], h_before: &[T], grad_h: &mut [T], grad_gates: &mut [T]) {
    let len = h_before.len();
    let one = T::one();
    let (r, rest) = gates.split_at(len);
    let (z, rest) = rest.split_at(len);
    let (n, b) = rest.split_at(len);
    let (grad_r, rest) = grad_gates.split_at_mut(len);
    let (grad_z, rest) = rest.split_at_mut(len);
    let (grad_n, grad_b) = rest.split_at_mut(len);
    for (((grad_z, grad_n), grad_h), ((&z, &n), &h_before)) in
        grad_z.iter_mut().zip(&mut *grad_n).zip(grad_h).zip(z.iter().zip(n).zip(h_before))
    {
        *grad_z = *grad_h * ((h_before - n) * (z * (one - z)));
        *grad_n = *grad_h * (one - z) * (one - n * n);
        *grad_h *= z;
    }
    for ((grad_r, grad_b), ((&grad_n, &r), &b)) in grad_r.iter_mut().zip(grad_b).zip(grad_n.iter().zip(r).zip(b)) {
        *grad_r = grad_n * (b * (r * (one - r)));
        *grad_b = grad_n * r;
    }
}
