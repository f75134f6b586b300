//! The plain unit (Elman, 1990): `h = f(a)`, where `a` is the sum of both products and `f` is tanh or relu.

use super::super::Real;
use super::super::simd::Isa;

/// From sums to the new state.
#[inline(always)]
pub(super) fn forward<I: Isa, T: Real>(relu: bool, gates: &[T], h: &mut [T]) {
    if relu {
        // NaN stays.
        h.iter_mut().zip(gates).for_each(|(h, &a)| *h = if a <= T::zero() { T::zero() } else { a });
    } else {
        h.iter_mut().zip(gates).for_each(|(h, &a)| *h = a.tanh_on::<I>());
    }
}

/// From the gradient of the state to that of the sums. Nothing else carries it back.
#[inline(always)]
pub(super) fn backward<T: Real>(relu: bool, h: &[T], grad_h: &mut [T], grad_gates: &mut [T]) {
    for ((grad_a, grad_h), &h) in grad_gates.iter_mut().zip(grad_h).zip(h) {
        let slope = match relu {
            true if h > T::zero() => T::one(),
            true => T::zero(),
            false => T::one() - h * h,
        };
        *grad_a = *grad_h * slope;
        *grad_h = T::zero();
    }
}
