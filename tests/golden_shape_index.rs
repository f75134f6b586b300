//! What moves elements without computing with them, against PyTorch.

#[path = "common/golden.rs"]
mod golden;

use demotic::tensor::index::Step;
use demotic::{Result, Tensor};
use golden::Case;

#[test]
fn shape_index() {
    golden::check("shape_index", &|case, x| compute(case, x));
}

fn compute(case: &Case, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
    let x = &inputs[0];
    let all: Vec<&Tensor> = inputs.iter().collect();
    let dim = || case.attr::<isize>("dim");
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
        "pad" => x.pad(&case.attr::<Vec<(isize, isize)>>("pads"), case.attr("value")),
        "pad_reflect" => x.pad_reflect(&case.attr::<Vec<(isize, isize)>>("pads")),
        "pad_replicate" => x.pad_replicate(&case.attr::<Vec<(isize, isize)>>("pads")),
        "pad_circular" => x.pad_circular(&case.attr::<Vec<(isize, isize)>>("pads")),
        "repeat" => x.repeat(&case.attr::<Vec<usize>>("times")),
        "expand" => x.broadcast_to(case.attr::<Vec<usize>>("shape")),
        "squeeze" => x.squeeze(dim()),
        "unsqueeze" => x.unsqueeze(dim()),
        "narrow" => x.narrow(dim(), case.attr("start"), case.attr("length")),
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
        "one_hot" => x.one_hot(case.attr("classes")),
        op => panic!("{}: no op {op}", case.id),
    };
    Ok(vec![one?])
}
