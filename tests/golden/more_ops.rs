//! Operations that are put together from others, special functions, order, places and distances, against PyTorch.

use crate::golden::Case;
use demotic::tensor::argument::{Interpolation, ScatterReduction};
use demotic::{Result, Tensor};

#[test]
fn more_ops() {
    crate::golden::check("more_ops", &|case, x| results(case, x));
}

pub(crate) fn results(case: &Case, x: &[Tensor]) -> Result<Vec<Tensor>> {
    several(case, x).unwrap_or_else(|| Ok(vec![single(case, x)?]))
}

fn pair((a, b): (Tensor, Tensor)) -> Vec<Tensor> {
    vec![a, b]
}

fn triple((a, b, c): (Tensor, Tensor, Tensor)) -> Vec<Tensor> {
    vec![a, b, c]
}

/// Operations with more than one result.
fn several(case: &Case, inputs: &[Tensor]) -> Option<Result<Vec<Tensor>>> {
    let x = &inputs[0];
    let dim = || case.attr::<isize>("dim");
    let dims = || case.attr::<Vec<isize>>("dims");
    let keepdim = || case.attr::<bool>("keepdim");
    Some(match case.op.as_str() {
        "cummax" => x.cummax(dim()).map(pair),
        "cummin" => x.cummin(dim()).map(pair),
        "kthvalue" => x.kthvalue(case.attr("k"), dim(), keepdim()).map(pair),
        // Of several medians, PyTorch says of an arbitrary one where it is.
        "median" if ["median/nan", "median/i64"].contains(&case.id.as_str()) => {
            x.median(dim(), keepdim()).map(|(value, _)| vec![value])
        }
        "median" => x.median(dim(), keepdim()).map(pair),
        "unique" => x.unique().map(triple),
        "unique_dim" => x.unique_dim(dim()).map(triple),
        "unique_consecutive" => x.unique_consecutive(case.attr("dim")).map(triple),
        "unbind" => x.unbind(dim()),
        "meshgrid" => Tensor::meshgrid(&inputs.iter().collect::<Vec<_>>()),
        "std_mean" => x.std_mean(&dims(), 1.0, keepdim()).map(pair),
        "var_mean" => x.var_mean(&dims(), 1.0, keepdim()).map(pair),
        _ => return None,
    })
}

fn single(case: &Case, inputs: &[Tensor]) -> Result<Tensor> {
    let x = &inputs[0];
    let other = || &inputs[1];
    let dim = || case.attr::<isize>("dim");
    let number = |name| case.attr::<f64>(name);
    let size = |name| case.attr::<usize>(name);
    match case.op.as_str() {
        "addcmul" => x.addcmul(other(), &inputs[2], number("value")),
        "addcdiv" => x.addcdiv(other(), &inputs[2], number("value")),
        "lerp" => x.lerp(other(), number("weight")),
        "lerp_tensor" => x.lerp_tensor(other(), &inputs[2]),
        "fmod" => x.fmod(other()),
        "fmax" => x.fmax(other()),
        "fmin" => x.fmin(other()),
        "logit" if case.id == "logit/plain" => Ok(x.logit(None)),
        "logit" => Ok(x.logit(Some(number("eps")))),
        "sinc" => Ok(x.sinc()),
        "xlogy" => x.xlogy(other()),
        "logaddexp" => x.logaddexp(other()),
        "nan_to_num" => Ok(x.nan_to_num(number("nan"), Some(number("pos")), Some(number("neg")))),
        "isclose" => x.isclose(other(), 1e-4, 1e-8, case.attr("nan")),
        "lgamma" => Ok(x.lgamma()),
        "polygamma" => Ok(x.polygamma(size("n"))),
        "erfinv" => Ok(x.erfinv()),
        "logcumsumexp" => x.logcumsumexp(dim()),
        "diff" => x.diff(size("n"), dim()),
        "quantile" => {
            let between = match case.attr::<String>("mode").as_str() {
                "linear" => Interpolation::Linear,
                "lower" => Interpolation::Lower,
                "higher" => Interpolation::Higher,
                "nearest" => Interpolation::Nearest,
                _ => Interpolation::Midpoint,
            };
            x.quantile(number("q"), 1, false, between)
        }
        "cross" => x.cross(other(), dim()),
        "mode" => Ok(x.mode(dim(), false)?.0),
        "nonzero" => x.nonzero(),
        "searchsorted" => x.searchsorted(other(), case.attr("right")),
        "bincount" => x.bincount(None, size("least")),
        "histc" => x.histc(size("bins"), number("low"), number("high")),
        "index_fill" => x.index_fill(dim(), other(), number("value")),
        "index_copy" => x.index_copy(dim(), other(), &inputs[2]),
        "masked_scatter" => x.masked_scatter(other(), &inputs[2]),
        "scatter_reduce" => {
            let reduction = match case.attr::<String>("reduction").as_str() {
                "sum" => ScatterReduction::Sum,
                "mean" => ScatterReduction::Mean,
                "amax" => ScatterReduction::Amax,
                "prod" => ScatterReduction::Prod,
                _ => ScatterReduction::Amin,
            };
            x.scatter_reduce(dim(), other(), &inputs[2], reduction, case.attr("own"))
        }
        "windows" => x.windows(dim(), size("size"), size("step")),
        "rot90" => {
            let dims = case.attr::<Vec<isize>>("dims");
            x.rot90(case.attr("k"), [dims[0], dims[1]])
        }
        "tile" => x.tile(&case.attr::<Vec<usize>>("times")),
        "tril_indices" => Tensor::tril_indices(size("rows"), size("columns"), case.attr("diagonal")),
        "triu_indices" => Tensor::triu_indices(size("rows"), size("columns"), case.attr("diagonal")),
        "cdist" => x.cdist(other(), case.text_number("p")),
        "pairwise_distance" => x.pairwise_distance(other(), case.text_number("p"), number("eps"), false),
        "cosine_similarity" => x.cosine_similarity(other(), dim(), 1e-8),
        "kron" => x.kron(other()),
        "tensordot" => x.tensordot(other(), size("n")),
        "tensordot_dims" => {
            x.tensordot_dims(other(), &case.attr::<Vec<isize>>("of_a"), &case.attr::<Vec<isize>>("of_b"))
        }
        op => panic!("{}: no op {op}", case.id),
    }
}
