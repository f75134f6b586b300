//! Reductions, scans and orderings against PyTorch.

use crate::golden::Case;
use demotic::{Result, Tensor};

#[test]
fn reductions() {
    crate::golden::check("reductions", &|case, x| compute(case, x));
}

pub(crate) fn compute(case: &Case, x: &[Tensor]) -> Result<Vec<Tensor>> {
    let x = &x[0];
    let dim = || case.attr::<isize>("dim");
    let keepdim = || case.attr::<bool>("keepdim");
    let descending = || case.attr::<bool>("descending");
    Ok(match case.op.as_str() {
        "max_dim" => pair(x.max_dim(dim(), keepdim())?),
        "min_dim" => pair(x.min_dim(dim(), keepdim())?),
        "argmax" | "argmin" => vec![extreme_index(case, x)?],
        "cumsum" => vec![x.cumsum(dim())?],
        "cumprod" => vec![x.cumprod(dim())?],
        "sort" => pair(x.sort(dim(), descending())?),
        "argsort" => vec![x.argsort(dim(), descending())?],
        "renorm" => vec![x.renorm(case.text_number("p"), dim(), case.attr("max_norm"))?],
        "topk" => pair(x.topk(case.attr("k"), dim(), case.attr("largest"))?),
        _ => {
            let dims = case.attr::<Vec<isize>>("dims");
            vec![if dims.is_empty() { over_all(case, x)? } else { over_dims(case, x, &dims, keepdim())? }]
        }
    })
}

fn pair((values, indices): (Tensor, Tensor)) -> Vec<Tensor> {
    vec![values, indices]
}

fn over_all(case: &Case, x: &Tensor) -> Result<Tensor> {
    Ok(match case.op.as_str() {
        "sum" => x.sum(),
        "mean" => x.mean(),
        "var" => x.var(case.attr("correction")),
        "std" => x.std(case.attr("correction")),
        "logsumexp" => x.logsumexp(),
        "amax" => x.max()?,
        "amin" => x.min()?,
        "prod" => x.prod(),
        "any" => x.any(),
        "count_nonzero" => x.count_nonzero(),
        "all" => x.all(),
        "norm" => x.norm(case.text_number("p")),
        op => panic!("{}: no op {op}", case.id),
    })
}

fn over_dims(case: &Case, x: &Tensor, dims: &[isize], keepdim: bool) -> Result<Tensor> {
    match case.op.as_str() {
        "sum" => x.sum_dims(dims, keepdim),
        "mean" => x.mean_dims(dims, keepdim),
        "var" => x.var_dims(dims, case.attr("correction"), keepdim),
        "std" => x.std_dims(dims, case.attr("correction"), keepdim),
        "logsumexp" => x.logsumexp_dims(dims, keepdim),
        "amax" => x.amax(dims, keepdim),
        "amin" => x.amin(dims, keepdim),
        "prod" => x.prod_dims(dims, keepdim),
        "any" => x.any_dims(dims, keepdim),
        "count_nonzero" => x.count_nonzero_dims(dims, keepdim),
        "all" => x.all_dims(dims, keepdim),
        "norm" => x.norm_dims(case.text_number("p"), dims, keepdim),
        op => panic!("{}: no op {op}", case.id),
    }
}

fn extreme_index(case: &Case, x: &Tensor) -> Result<Tensor> {
    let keepdim = case.attr("keepdim");
    match (case.op.as_str(), case.attr::<Option<isize>>("dim")) {
        ("argmax", None) => x.argmax(),
        (_, None) => x.argmin(),
        ("argmax", Some(dim)) => x.argmax_dim(dim, keepdim),
        (_, Some(dim)) => x.argmin_dim(dim, keepdim),
    }
}
