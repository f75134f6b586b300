//! What moves elements without computing with them, against PyTorch.

use crate::golden::Case;
use demotic::tensor::index::{Ellipsis, Step};
use demotic::{Result, Tensor};

#[test]
fn shape_index() {
    crate::golden::check("shape_index", &|case, x| compute(case, x));
}

fn compute(case: &Case, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
    let x = &inputs[0];
    let all: Vec<&Tensor> = inputs.iter().collect();
    let dim = || case.attr::<isize>("dim");
    let pads = || case.attr::<Vec<(isize, isize)>>("pads");
    let one = match case.op.as_str() {
        "split" => return x.split(case.attr("size"), dim()),
        "split_sizes" => return x.split_sizes(&case.attr::<Vec<usize>>("sizes"), dim()),
        "chunk" => return x.chunk(case.attr("chunks"), dim()),
        "reshape" => x.reshape(case.attr::<Vec<isize>>("shape")),
        "flatten" => x.flatten(case.attr("start"), case.attr("end")),
        "permute" => x.permute(&case.attr::<Vec<isize>>("dims")),
        "transpose" => x.transpose(case.attr("a"), case.attr("b")),
        "flip" => x.flip(&case.attr::<Vec<isize>>("dims")),
        "roll" => x.roll(&case.attr::<Vec<isize>>("shifts"), &case.attr::<Vec<isize>>("dims")),
        "pad" => x.pad(&pads(), case.attr("value")),
        "pad_reflect" => x.pad_reflect(&pads()),
        "pad_replicate" => x.pad_replicate(&pads()),
        "pad_circular" => x.pad_circular(&pads()),
        "repeat" => x.repeat(&case.attr::<Vec<usize>>("times")),
        "expand" => x.broadcast_to(case.attr::<Vec<usize>>("shape")),
        "squeeze" => x.squeeze(dim()),
        "unsqueeze" => x.unsqueeze(dim()),
        "narrow" => x.narrow(dim(), case.attr::<isize>("start"), case.attr("length")),
        "select" => x.select(dim(), case.attr("index")),
        "slice" => {
            let places = case.attr::<isize>("start")..case.attr::<isize>("stop");
            x.slice(dim(), Step(places, case.attr("step")))
        }
        "cat" => Tensor::cat(&all, dim()),
        "stack" => Tensor::stack(&all, dim()),
        "gather" => x.gather(dim(), &inputs[1]),
        "scatter_add" => x.scatter_add(dim(), &inputs[1], &inputs[2]),
        "index_select" => x.index_select(dim(), &inputs[1]),
        "index_add" => x.index_add(dim(), &inputs[1], &inputs[2]),
        "masked_select" => x.masked_select(&inputs[1]),
        "tril" => x.tril(case.attr("diagonal")),
        "triu" => x.triu(case.attr("diagonal")),
        "diagonal" => x.diagonal(case.attr("offset"), case.attr("a"), case.attr("b")),
        "movedim" => x.movedim(case.attr::<isize>("a"), case.attr::<isize>("b")),
        "unflatten" => x.unflatten(dim(), case.attr::<Vec<isize>>("sizes")),
        "repeat_interleave" => x.repeat_interleave(case.attr::<usize>("times"), dim()),
        "diag_embed" => x.diag_embed(case.attr("offset"), case.attr("a"), case.attr("b")),
        "diag" => x.diag(case.attr("offset")),
        "trace" => x.trace(),
        "take_along_dim" => x.take_along_dim(&inputs[1], dim()),
        "scatter" => x.scatter(dim(), &inputs[1], &inputs[2]),
        "index" => index(case, x, &inputs[1..]),
        "index_put" => index_put(case, x, &inputs[1], &inputs[2..]),
        "one_hot" => x.one_hot(case.attr("classes")),
        op => panic!("{}: no op {op}", case.id),
    };
    Ok(vec![one?])
}

/// The case's label is the index as Python writes it.
fn index(case: &Case, x: &Tensor, tensors: &[Tensor]) -> Result<Tensor> {
    match (case.id.as_str(), tensors) {
        ("index/[1, ..., -1]", []) => x.index((1, Ellipsis, -1)),
        ("index/[:, 1:, ::2]", []) => x.index((.., 1.., Step(.., 2))),
        ("index/[i]" | "index/[mask]", [i]) => x.index(i),
        ("index/[:, i]", [i]) => x.index((.., i)),
        ("index/[0, i, 1:3]", [i]) => x.index((0, i, 1..3)),
        (id, _) => panic!("{id}: no such index"),
    }
}

fn index_put(case: &Case, x: &Tensor, values: &Tensor, tensors: &[Tensor]) -> Result<Tensor> {
    match (case.id.as_str(), tensors) {
        ("index_put/[:, 1:]", []) => x.index_put((.., 1..), values),
        ("index_put/[1, :, 2]", []) => x.index_put((1, .., 2), values),
        ("index_put/[:, i]", [i]) => x.index_put((.., i), values),
        (id, _) => panic!("{id}: no such index"),
    }
}
