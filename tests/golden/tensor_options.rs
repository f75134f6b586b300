//! Options of operations on tensors against PyTorch: several index tensors, accumulation, counts, multiples, rounded quotients,
//! tensors as bounds and as values.

use crate::golden::Case;
use demotic::tensor::argument::RoundingMode;
use demotic::tensor::index::{Ellipsis, Index, Indices, IntoIndex, NewAxis, Step};
use demotic::{Result, Tensor};

#[test]
fn tensor_options() {
    crate::golden::check("tensor_options", &|case, x| Ok(vec![compute(case, x)?]));
}

fn compute(case: &Case, inputs: &[Tensor]) -> Result<Tensor> {
    let x = &inputs[0];
    let dim = || case.attr::<isize>("dim");
    let alpha = || case.attr::<f64>("alpha");
    let dims = |name| case.attr::<Vec<isize>>(name);
    match case.op.as_str() {
        "index" => x.index(index(case, &inputs[1..])),
        "index_put" => x.index_put(index(case, &inputs[2..]), &inputs[1]),
        "index_put_accumulate" => x.index_put_accumulate(index(case, &inputs[2..]), &inputs[1]),
        "repeat_interleave" => x.repeat_interleave(&inputs[1], dim()),
        "add_alpha" => x.add_alpha(&inputs[1], alpha()),
        "sub_alpha" => x.sub_alpha(&inputs[1], alpha()),
        "index_add_alpha" => x.index_add_alpha(dim(), &inputs[1], &inputs[2], alpha()),
        "div_mode" => match case.attr::<String>("mode").as_str() {
            "floor" => x.div_mode(&inputs[1], RoundingMode::Floor),
            _ => x.div_mode(&inputs[1], RoundingMode::Trunc),
        },
        "floor_divide" => x.floor_divide(&inputs[1]),
        "masked_fill" => x.masked_fill(&inputs[1], &inputs[2]),
        "clamp" => x.clamp_tensor(Some(&inputs[1]), Some(&inputs[2])),
        "clamp_min" => x.clamp_tensor(Some(&inputs[1]), None),
        "clamp_max" => x.clamp_tensor(None, Some(&inputs[1])),
        "movedim" => x.movedim(&*dims("a"), &*dims("b")),
        "narrow" => x.narrow(dim(), case.attr::<isize>("start"), case.attr("length")),
        op => panic!("{}: no op {op}", case.id),
    }
}

/// The case's label is the index as Python writes it.
fn index<'a>(case: &Case, t: &'a [Tensor]) -> Vec<Index<'a>> {
    let label = case.id.split_once('/').unwrap().1;
    match (label, t) {
        ("[:, 1:]", []) => (.., 1..).into_items(),
        ("[0, :, i]", [i]) => (0, .., i).into_items(),
        ("[:, mask]", [m]) => (.., m).into_items(),
        ("[:, i, j]" | "[:, column, row]", [i, j]) => (.., i, j).into_items(),
        ("[i, :, j]" | "[row, :, column]" | "[i, :, mask]" | "[number, :, i]", [i, j]) => (i, .., j).into_items(),
        ("[i, 1, j]", [i, j]) => (i, 1, j).into_items(),
        ("[i, None, j]", [i, j]) => (i, NewAxis, j).into_items(),
        ("[..., i, j]", [i, j]) => (Ellipsis, i, j).into_items(),
        ("[i, ..., j]", [i, j]) => (i, Ellipsis, j).into_items(),
        ("[:, i, 1:, j]", [i, j]) => (.., i, 1.., j).into_items(),
        ("[:, i, ::2, j]", [i, j]) => (.., i, Step(.., 2), j).into_items(),
        // Nothing but tensors.
        (label, t) if !label.contains([':', '1', '0', '.']) => t.iter().map(IntoIndex::into_index).collect(),
        (label, _) => panic!("no index {label}"),
    }
}
