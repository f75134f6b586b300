//! Operations on each element, or on pairs of elements.

use demotic::tensor::argument::RoundingMode;
use demotic::{DType, Result, Rng, Tensor, tensor};

use super::row::{Row, spread};

pub(super) fn rows() -> Vec<Row> {
    let mut rows = vec![
        Row::new("to_dtype", |x| Ok(x[0].to_dtype(DType::F64)), [any()]),
        Row::new("straight_through", |x| x[0].straight_through(&x[0]), [any()]),
        Row::new("softplus", |x| x[0].softplus(1.0, 20.0), [any()]),
        // Some elements are above the threshold.
        Row::new("softplus", |x| x[0].softplus(2.0, 0.5), [any()]),
        Row::new("hardtanh", |x| x[0].hardtanh(-0.5, 1.0), [any()]),
        Row::new("softmax", |x| x[0].softmax(-1), [any()]),
        Row::new("softmax", |x| x[0].softmax(0), [any()]),
        Row::new("log_softmax", |x| x[0].log_softmax(1), [any()]),
        Row::new("log_softmax", |x| x[0].log_softmax(0), [spread(&[2, 2, 2], -2.0, 2.0)]),
        Row::new("sigmoid", |x| x[0].glu(-1), [spread(&[2, 4], -2.0, 2.0)]).covers("mul"),
        Row::new("mul", |x| x[0].dropout(0.4, &mut Rng::seed(1)), [any()]),
        Row::new("mul", |x| x[0].rrelu(0.1, 0.3, &mut Rng::seed(1)), [any()]),
        Row::new("tanhshrink", |x| Ok(x[0].tanhshrink()), [any()]),
        Row::new("celu", |x| x[0].celu(0.7), [any()]),
        Row::new("masked_fill", |x| x[0].threshold(0.3, -1.0), [any()]),
        Row::new("masked_fill", |x| x[0].hardshrink(0.5), [any()]),
        Row::new("masked_fill", |x| x[0].softshrink(0.5), [any()]),
        Row::new("softmax", |x| x[0].softmin(-1), [any()]),
        Row::new("silu", |x| x[0].swiglu(-1), [spread(&[2, 4], -2.0, 2.0)]),
        Row::new("gelu", |x| x[0].geglu(-1), [spread(&[2, 4], -2.0, 2.0)]),
        Row::new("relu", |x| x[0].reglu(-1), [spread(&[2, 4], -2.0, 2.0)]),
        Row::new("amax", |x| x[0].maxout(2, -1), [spread(&[2, 4], -2.0, 2.0)]).not_broadcast(),
        Row::new("where", |x| x[0].prelu(&x[1]), [any(), spread(&[3], 0.1, 0.6)]),
        Row::new(
            "matmul",
            |x| x[0].bilinear(&x[1], &x[2], Some(&x[3])),
            [any(), spread(&[2, 2], -1.0, 2.0), spread(&[2, 3, 2], -1.0, 1.0), spread(&[2], -1.0, 1.0)],
        ),
    ];
    rows.extend(arithmetic());
    rows.extend(functions());
    rows.extend(activations());
    rows.extend(choices());
    rows
}

fn any() -> Tensor {
    spread(&[2, 3], -2.0, 2.0)
}

fn positive() -> Tensor {
    spread(&[2, 3], 0.3, 2.0)
}

/// A row for a function of one tensor that cannot fail.
fn unary(name: &'static str, f: fn(&Tensor) -> Tensor, x: Tensor) -> Row {
    Row::new(name, move |x| Ok(f(&x[0])), [x])
}

/// Rows for a function of two tensors: of the same shape, and of shapes that broadcast in both directions.
fn binary(name: &'static str, f: fn(&Tensor, &Tensor) -> Result<Tensor>, low: f64, high: f64) -> [Row; 3] {
    // Different ranges, so that no two elements are equal.
    let (a, b) =
        (move |shape: &[usize]| spread(shape, low, high), move |shape: &[usize]| spread(shape, low + 0.05, high + 0.1));
    let row = move |x: &[Tensor]| f(&x[0], &x[1]);
    [
        Row::new(name, row, [a(&[2, 3]), b(&[2, 3])]),
        Row::new(name, row, [a(&[2, 1, 3]), b(&[2, 1])]),
        Row::new(name, row, [a(&[]), b(&[3])]),
    ]
}

fn arithmetic() -> Vec<Row> {
    let mut rows = vec![
        unary("neg", Tensor::neg, any()),
        unary("square", Tensor::square, any()),
        unary("add_scalar", |x| x.add_scalar(1.5), any()),
        unary("mul_scalar", |x| x.mul_scalar(-2.5), any()),
        unary("div_scalar", |x| x.div_scalar(-2.5), any()),
        unary("rsub_scalar", |x| x.rsub_scalar(1.5), any()),
        unary("rdiv_scalar", |x| x.rdiv_scalar(1.5), positive()),
    ];
    rows.extend(binary("add", Tensor::add, -2.0, 2.0));
    rows.extend(binary("sub", Tensor::sub, -2.0, 2.0));
    rows.extend(binary("mul", Tensor::mul, -2.0, 2.0));
    rows.extend(binary("div", Tensor::div, 0.3, 2.0));
    rows.extend(binary("pow", Tensor::pow, 0.3, 2.0));
    rows.extend(binary("atan2", Tensor::atan2, 0.3, 2.0));
    rows.extend(binary("maximum", Tensor::maximum, -2.0, 2.0));
    rows.extend(binary("minimum", Tensor::minimum, -2.0, 2.0));
    rows.extend(binary("add_alpha", |a, b| a.add_alpha(b, -1.5), -2.0, 2.0));
    rows.extend(binary("sub_alpha", |a, b| a.sub_alpha(b, -1.5), -2.0, 2.0));
    rows.extend(
        binary("div_mode", |a, b| a.div_mode(b, RoundingMode::Floor)?.mul(a), 0.3, 2.0).map(Row::not_broadcast),
    );
    rows.extend(
        binary("div_mode", |a, b| a.div_mode(b, RoundingMode::Trunc)?.mul(b), 0.3, 2.0).map(Row::not_broadcast),
    );
    rows.extend(binary("remainder", |a, b| a.mul_scalar(4.0).remainder(&b.mul_scalar(0.75)), 0.3, 2.0));
    rows
}

fn functions() -> Vec<Row> {
    let inside = || spread(&[2, 3], -0.9, 0.9);
    vec![
        unary("exp", Tensor::exp, any()),
        unary("exp2", Tensor::exp2, any()),
        unary("expm1", Tensor::expm1, any()),
        unary("log", Tensor::log, positive()),
        unary("log2", Tensor::log2, positive()),
        unary("log10", Tensor::log10, positive()),
        unary("log1p", Tensor::log1p, positive()),
        unary("powf", |x| x.powf(3.0), any()),
        unary("powf", |x| x.powf(2.5), positive()),
        unary("powf", |x| x.powf(-1.0), positive()),
        unary("powf", |x| x.powf(1.0), any()),
        unary("powf", |x| x.powf(0.0), any()),
        unary("sqrt", Tensor::sqrt, positive()),
        unary("rsqrt", Tensor::rsqrt, positive()),
        unary("reciprocal", Tensor::reciprocal, positive()),
        unary("sin", Tensor::sin, any()),
        unary("cos", Tensor::cos, any()),
        unary("tan", Tensor::tan, inside()),
        unary("asin", Tensor::asin, inside()).covers("one_minus_square"),
        unary("acos", Tensor::acos, inside()),
        unary("atan", Tensor::atan, any()),
        unary("sinh", Tensor::sinh, any()),
        unary("cosh", Tensor::cosh, any()),
        unary("tanh", Tensor::tanh, any()),
        unary("asinh", Tensor::asinh, any()),
        unary("acosh", Tensor::acosh, spread(&[2, 3], 1.3, 3.0)),
        unary("atanh", Tensor::atanh, inside()),
        unary("erf", Tensor::erf, any()),
        unary("erfc", Tensor::erfc, any()),
        unary("floor", Tensor::floor, any()),
        unary("ceil", Tensor::ceil, any()),
        unary("round", Tensor::round, any()),
        unary("trunc", Tensor::trunc, any()),
        unary("sign", Tensor::sign, any()),
        unary("abs", Tensor::abs, any()),
        unary("clamp", |x| x.clamp(Some(-0.5), Some(1.0)), any()),
        unary("clamp", |x| x.clamp_min(0.1), any()),
        unary("clamp", |x| x.clamp_max(0.1), any()),
    ]
}

fn activations() -> Vec<Row> {
    let wide = || spread(&[2, 3], -5.0, 5.0);
    vec![
        unary("relu", Tensor::relu, any()),
        unary("relu6", Tensor::relu6, spread(&[2, 3], -2.0, 8.0)),
        unary("leaky_relu", |x| x.leaky_relu(0.01), any()),
        unary("elu", |x| x.elu(1.5), any()),
        unary("selu", Tensor::selu, any()),
        unary("gelu", Tensor::gelu, any()),
        unary("gelu_tanh", Tensor::gelu_tanh, any()),
        unary("silu", Tensor::silu, any()),
        unary("mish", Tensor::mish, any()),
        unary("softsign", Tensor::softsign, any()),
        unary("hardswish", Tensor::hardswish, wide()),
        unary("hardsigmoid", Tensor::hardsigmoid, wide()),
        unary("sigmoid", Tensor::sigmoid, any()),
        unary("log_sigmoid", Tensor::log_sigmoid, any()),
    ]
}

/// A tensor and two bounds, the lower one below the upper one.
fn bounds(x: [usize; 2], lo: [usize; 2], hi: [usize; 2]) -> [Tensor; 3] {
    [spread(&x, -2.0, 2.0), spread(&lo, -1.1, -0.3), spread(&hi, 0.2, 1.3)]
}

fn choices() -> Vec<Row> {
    let mask = || tensor![[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]].to_dtype(DType::Bool);
    let row = || tensor![1.0, 0.0, 1.0].to_dtype(DType::Bool);
    let (same, rows, fill, wide) = (mask(), row(), mask(), row());
    let other = || spread(&[2, 3], 3.0, 4.0);
    vec![
        Row::new("where", move |x| same.where_(&x[0], &x[1]), [any(), other()]),
        Row::new("where", move |x| rows.where_(&x[0], &x[1]), [spread(&[2, 1], 0.0, 1.0), spread(&[], 0.0, 1.0)]),
        Row::new("masked_fill", move |x| x[0].masked_fill(&fill, 9.0), [any()]),
        Row::new("masked_fill", move |x| x[0].masked_fill(&wide, 9.0), [spread(&[2, 1], 0.0, 1.0)]),
        Row::new("masked_fill", move |x| x[0].masked_fill(&mask(), &x[1]), [any(), other()]),
        Row::new(
            "masked_fill",
            move |x| x[0].masked_fill(&row(), &x[1]),
            [spread(&[2, 1], 0.0, 1.0), spread(&[], 0.0, 1.0)],
        ),
        Row::new("clamp_tensor", |x| x[0].clamp_tensor(Some(&x[1]), Some(&x[2])), bounds([2, 3], [2, 3], [2, 3])),
        Row::new("clamp_tensor", |x| x[0].clamp_tensor(Some(&x[1]), Some(&x[2])), bounds([2, 3], [1, 3], [2, 1])),
        Row::new("maximum", |x| x[0].clamp_tensor(Some(&x[1]), None), [any(), spread(&[3], -0.5, 0.7)]),
    ]
}
