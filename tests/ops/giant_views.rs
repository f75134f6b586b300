//! A view can present far more elements than it has: those that operations could not lay out in memory are refused when
//! they are made, because most operations on them have no way to fail.

use demotic::{DType, ErrorKind, Result, Tensor, losses, memory, tensor};

const DTYPES: [DType; 7] = [DType::F32, DType::F64, DType::BF16, DType::F16, DType::I64, DType::U8, DType::Bool];

#[track_caller]
fn refused(result: Result<Tensor>, message: &str) {
    let error = result.unwrap_err();
    assert_eq!((error.message().as_str(), error.kind()), (message, ErrorKind::Shape));
    assert!(error.to_string().contains("tests/ops/giant_views.rs"), "not the caller's line: {error}");
}

#[test]
fn views_that_no_operation_could_work_on_are_refused() {
    for dtype in DTYPES {
        let one = Tensor::full_dtype([1], 1.0, dtype).unwrap();
        let error = one.broadcast_to([1 << 40]).unwrap_err();
        assert_eq!(
            error.message(),
            "broadcast_to: [1] as [1099511627776]: there is no memory for operations on so many elements"
        );
        assert_eq!(error.help(), Some("operations on two tensors broadcast by themselves, without a view"));
        assert!(one.broadcast_to([1 << 30, 1 << 20]).is_err());
        assert!(one.broadcast_to([0, 1 << 50]).is_ok());
    }
    if let Some(bytes) = memory::machine_bytes() {
        let one = tensor![1.0];
        assert!(one.broadcast_to([bytes / 32]).is_ok());
        assert!(one.broadcast_to([bytes / 32 + 1]).is_err());
    }
    // One view of another is not a way around.
    let wide = tensor![1.0].broadcast_to([1 << 20, 1]).unwrap();
    assert!(wide.broadcast_to([1 << 20, 1 << 20]).is_err());
    assert!(wide.unsqueeze(0).unwrap().broadcast_to([1 << 20, 1 << 20, 1]).is_err());
}

#[test]
fn results_larger_than_both_operands_are_refused() {
    // 2⁴⁸ elements from 2²⁴ and 2²⁴.
    let column = Tensor::zeros([1 << 24, 1]).unwrap();
    let row = column.t();
    let refuse = |op: &str, result, dtype: &str| {
        refused(
            result,
            &format!("{op}: a tensor of shape [16777216, 16777216] and type {dtype} does not fit into memory"),
        );
    };
    refuse("add", column.add(&row), "f32");
    refuse("sub", &column - &row, "f32");
    refuse("mul", column.mul(&row), "f32");
    refuse("div", column.div(&row), "f32");
    refuse("pow", column.pow(&row), "f32");
    refuse("remainder", column.remainder(&row), "f32");
    refuse("atan2", column.atan2(&row), "f32");
    refuse("maximum", column.maximum(&row), "f32");
    refuse("minimum", column.minimum(&row), "f32");
    refuse("lt", column.lt(&row), "f32");
    refuse("eq", column.eq(&row), "f32");
    refuse("matmul", column.matmul(&row), "f32");
    refuse("linear", column.linear(&column, None), "f32");
    let yes = column.eq_scalar(0.0);
    refuse("logical_and", yes.logical_and(&yes.t()), "i64");
    refuse("where", yes.where_(&column, &row), "f32");
    refuse("masked_fill", column.masked_fill(&yes.t(), 1.0), "f32");
    refuse("add", yes.add(&yes.t()), "i64");
    let half = column.to_dtype(DType::BF16);
    refuse("add", half.add(&half.t()), "f32");
    refused(
        column.masked_select(&yes.t()),
        "masked_select: [16777216, 1] as [16777216, 16777216]: there is no memory for operations on so many elements",
    );
    assert!(Tensor::einsum("ij,kj->ik", &[&column, &column]).is_err());
    assert!(losses::mse(&column, &row).is_err());
}

#[test]
fn more_parts_than_memory_holds_are_refused() {
    if let Some(bytes) = memory::machine_bytes() {
        let count = bytes / 1024 + 1;
        let error = tensor![1.0].broadcast_to([count]).unwrap().split(1, 0).unwrap_err();
        assert_eq!(
            error.message(),
            format!("split: {count} parts of [{count}]: there is no memory for so many tensors")
        );
        assert_eq!(error.help(), Some("narrow or select give single parts"));
    }
}

/// What an operation makes of a view is what it makes of the same elements one after the other.
#[test]
fn operations_work_on_views_as_on_copies() {
    type Op = fn(&Tensor) -> Tensor;
    let ops: [(&str, Op); 42] = [
        ("relu", |x| x.relu()),
        ("gelu", |x| x.gelu()),
        ("exp", |x| x.exp()),
        ("sin", |x| x.sin()),
        ("neg", |x| x.neg()),
        ("abs", |x| x.abs()),
        ("square", |x| x.square()),
        ("sqrt", |x| x.sqrt()),
        ("floor", |x| x.floor()),
        ("sigmoid", |x| x.sigmoid()),
        ("erf", |x| x.erf()),
        ("powf", |x| x.powf(2.5)),
        ("add_scalar", |x| x.add_scalar(1.5)),
        ("add whole", |x| x + 1),
        ("add fraction", |x| x + 0.5),
        ("mul_scalar", |x| x.mul_scalar(-2.0)),
        ("eq_scalar", |x| x.eq_scalar(1.0)),
        ("gt_scalar", |x| x.gt_scalar(1.0)),
        ("is_nan", |x| x.is_nan()),
        ("sum", |x| x.sum()),
        ("mean", |x| x.mean()),
        ("var", |x| x.var(1.0)),
        ("std", |x| x.std(0.0)),
        ("norm", |x| x.norm(2.0)),
        ("logsumexp", |x| x.logsumexp()),
        ("any", |x| x.any()),
        ("all", |x| x.all()),
        ("count_nonzero", |x| x.count_nonzero()),
        ("prod", |x| x.prod()),
        ("t", |x| x.t()),
        ("contiguous", |x| x.contiguous()),
        ("detach", |x| x.detach()),
        ("zeros_like", |x| x.zeros_like()),
        ("full_like", |x| x.full_like(2.0)),
        ("to f64", |x| x.to_dtype(DType::F64)),
        ("to bf16", |x| x.to_dtype(DType::BF16)),
        ("to i64", |x| x.to_dtype(DType::I64)),
        ("to bool", |x| x.to_dtype(DType::Bool)),
        ("max", |x| x.max().unwrap()),
        ("argmax", |x| x.argmax().unwrap()),
        ("softmax", |x| x.softmax(-1).unwrap()),
        ("cumsum", |x| x.cumsum(0).unwrap()),
    ];
    let source = tensor![[0.25], [1.0], [2.5]];
    for dtype in DTYPES {
        let view = source.to_dtype(dtype).broadcast_to([5, 3, 700]).unwrap();
        let copy = view.contiguous();
        for (name, op) in ops {
            let (a, b) = (op(&view), op(&copy));
            assert_eq!((a.shape(), a.dtype()), (b.shape(), b.dtype()), "{name} of {dtype}");
            let bits = |x: &Tensor| x.to_f64_vec().iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&a), bits(&b), "{name} of {dtype}");
        }
        assert_eq!(view.to_string(), copy.to_string());
        assert_eq!(format!("{view:?}"), format!("{copy:?}"));
        assert_eq!(serde_json::to_string(&view).unwrap(), serde_json::to_string(&copy).unwrap());
    }
}

#[test]
fn gradients_reach_through_views() {
    let x = tensor![2.0].tracked().unwrap();
    let view = x.broadcast_to([1 << 20]).unwrap();
    let grads = view.relu().mean().backward().unwrap();
    assert_eq!(grads.wrt(&x).unwrap().to_vec::<f32>().unwrap(), [1.0]);
}
