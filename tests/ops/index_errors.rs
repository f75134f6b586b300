//! What moves elements, with arguments that make no sense: the messages word for word, and sizes that no memory holds.

use demotic::tensor::index::{Ellipsis, Step};
use demotic::{DType, ErrorKind, Result, Tensor, tensor};

/// What is said where single and double precision meet.
macro_rules! literals {
    () => {
        "; Tensor::from_vec(vec![1.0]) makes f64, tensor![1.0] and 1.0_f32 make f32"
    };
}

#[track_caller]
fn fails(result: Result<Tensor>, kind: ErrorKind, message: &str, help: Option<&str>) {
    let error = result.unwrap_err();
    assert_eq!((error.message().as_str(), error.help(), error.kind()), (message, help, kind));
    assert!(error.to_string().contains("tests/ops/index_errors.rs"), "not the caller's line: {error}");
}

fn zeros(shape: &[usize]) -> Tensor {
    Tensor::zeros(shape).unwrap()
}

fn indices<const N: usize>(values: [i64; N]) -> Tensor {
    Tensor::from_nested(values).unwrap()
}

#[test]
fn reshaping() {
    let x = zeros(&[2, 3]);
    let shape = |result, message: &str| fails(result, ErrorKind::Shape, message, None);
    shape(x.reshape([4, 2]), "reshape: [2, 3] has 6 elements, [4, 2] has 8");
    shape(x.reshape([4, -1]), "reshape: [2, 3] has 6 elements, not a multiple of 4 as [4, -1] needs");
    shape(x.reshape([-1, -1]), "reshape: more than one size of [-1, -1] is -1");
    shape(x.reshape([-2, 3]), "reshape: a size of -2 in [-2, 3]");
    shape(zeros(&[0]).reshape([0, -1]), "reshape: [0] has 0 elements, which leaves the -1 in [0, -1] open");
    shape(x.reshape([1, 1, 1, 1, 1, 1, 1, 2, 3]), "reshape: 9 dimensions, at most 8 are supported");
    shape(x.unflatten(1, [2, 2]), "unflatten: [3] has 3 elements, [2, 2] has 4");
    fails(x.flatten(1, 0), ErrorKind::Index, "flatten: from dimension 1 to 0 of [2, 3], which comes before it", None);
    shape(x.broadcast_to([2, 4]), "broadcast_to: shape [2, 3] does not broadcast to [2, 4]");
    shape(x.squeeze(0), "squeeze: dimension 0 of [2, 3] has size 2, expected 1");
    fails(
        x.transpose(0, 2),
        ErrorKind::Index,
        "transpose: dimension 2 is out of range for 2 dimensions (-2 ..= 1)",
        None,
    );
    fails(
        x.movedim([0, 1], 0),
        ErrorKind::Argument,
        "movedim: dimensions [0, 1] to positions [0], expected as many",
        None,
    );
    fails(x.movedim([0, -2], [0, 1]), ErrorKind::Index, "movedim: dimension -2 is named twice", None);
    fails(x.movedim([0, 1], [1, 1]), ErrorKind::Index, "movedim: dimension 1 is named twice", None);
    fails(x.movedim(0, 2), ErrorKind::Index, "movedim: dimension 2 is out of range for 2 dimensions (-2 ..= 1)", None);
    fails(
        x.permute(&[0]),
        ErrorKind::Index,
        "permute: 1 dimensions named for a tensor of shape [2, 3]",
        Some("name every dimension once"),
    );
}

#[test]
fn parts() {
    let x = zeros(&[2, 3]);
    let index = |result, message: &str| fails(result, ErrorKind::Index, message, None);
    index(x.narrow(1, 2, 2), "narrow: 2 places from 2 on, but dimension 1 of [2, 3] has size 3");
    index(
        x.narrow(1, usize::MAX, 1),
        &format!("narrow: 1 place from {} on, but dimension 1 of [2, 3] has size 3", usize::MAX),
    );
    index(x.narrow(1, -4, 1), "narrow: 1 place from -4 on, but dimension 1 of [2, 3] has size 3");
    index(x.narrow(1, -1, 2), "narrow: 2 places from -1 on, but dimension 1 of [2, 3] has size 3");
    index(
        x.narrow(1, isize::MIN, usize::MAX),
        &format!("narrow: {} places from {} on, but dimension 1 of [2, 3] has size 3", usize::MAX, isize::MIN),
    );
    index(x.select(0, 2), "select: index 2 is out of range for dimension 0 of [2, 3] (size 2)");
    index(x.select(0, -3), "select: index -3 is out of range for dimension 0 of [2, 3] (size 2)");
    index(
        x.select(0, isize::MIN),
        &format!("select: index {} is out of range for dimension 0 of [2, 3] (size 2)", isize::MIN),
    );
    fails(x.slice(0, Step(.., 0)), ErrorKind::Argument, "slice: a step of 0", None);
    index(x.index((0, 3)), "index: index 3 is out of range for dimension 1 of [2, 3] (size 3)");
    index(x.index((0, 0, 0)), "index: 3 indices for [2, 3], which has 2 dimensions");
    index(x.index((Ellipsis, Ellipsis)), "index: more than one Ellipsis");
    index(x.index((.., &indices([0, -4]))), "index: index -4 is out of range for dimension 1 of [2, 3] (size 3)");
    fails(x.index((Step(.., 0), 0)), ErrorKind::Argument, "index: a step of 0", None);
    let (two, three) = (indices([0, 1]), indices([0, 1, 0]));
    let combine =
        Some("they choose element by element; for all combinations, give one a further dimension: i.unsqueeze(1)");
    fails(
        x.index((&two, &three)),
        ErrorKind::Shape,
        "index: index tensors of shapes [2] and [3] do not broadcast to each other",
        combine,
    );
    let mask = zeros(&[2]).ge_scalar(0.0);
    fails(
        zeros(&[2, 3, 2]).index_put((&mask, &three, &two), &zeros(&[])),
        ErrorKind::Shape,
        "index_put: index tensors of shapes [2] and [3] and [2] do not broadcast to each other",
        combine,
    );
    index(x.index((&two, &indices([0, 3]))), "index: index 3 is out of range for dimension 1 of [2, 3] (size 3)");
    index(x.index((&two, &two, &two)), "index: 3 indices for [2, 3], which has 2 dimensions");
    index(
        x.index((&Tensor::from_vec(vec![i64::MIN], []).unwrap(), 0)),
        &format!("index: index {} is out of range for dimension 0 of [2, 3] (size 2)", i64::MIN),
    );
    let deep = two.reshape([2, 1, 1, 1, 1, 1, 1, 1]).unwrap();
    fails(
        zeros(&[2, 2, 2]).index((&deep, &two)),
        ErrorKind::Shape,
        "index: 9 dimensions, at most 8 are supported",
        None,
    );
    fails(
        x.index_put_accumulate((&two, &two), &zeros(&[3])),
        ErrorKind::Shape,
        "index_put_accumulate: values of shape [3] for a part of shape [2]",
        None,
    );
    fails(
        x.gt_scalar(0.0).index_put_accumulate((&two, &two), &mask),
        ErrorKind::DType,
        "index_put_accumulate: truth values cannot be added",
        Some("convert with to_dtype(DType::I64)"),
    );
    fails(
        x.index(&tensor![0, 1]),
        ErrorKind::DType,
        "index: an index tensor of type f32, expected i64 or bool",
        Some("convert numbers with to_dtype(DType::I64); comparisons give masks"),
    );
    let mask = zeros(&[3]).gt_scalar(0.0);
    fails(x.index(&mask), ErrorKind::Shape, "index: a mask of shape [3] for dimensions of sizes [2]", None);
    fails(
        x.index_put((.., 1..), &zeros(&[3])),
        ErrorKind::Shape,
        "index_put: values of shape [3] for a part of shape [2, 2]",
        None,
    );
    fails(
        x.index_put(0, &indices([0])),
        ErrorKind::DType,
        "index_put: the values must be f32, not i64",
        Some("convert with to_dtype(DType::F32)"),
    );
    fails(
        x.split(0, 1).map(|mut parts| parts.remove(0)),
        ErrorKind::Argument,
        "split: parts of size 0, expected at least 1",
        None,
    );
    fails(
        x.chunk(0, 1).map(|mut parts| parts.remove(0)),
        ErrorKind::Argument,
        "chunk: 0 chunks, expected at least 1",
        None,
    );
    fails(
        x.split_sizes(&[1, 1], 1).map(|mut parts| parts.remove(0)),
        ErrorKind::Shape,
        "split_sizes: sizes [1, 1] for dimension 1 of [2, 3], which has size 3",
        Some("they must add up to it"),
    );
}

#[test]
fn joining_and_padding() {
    let x = zeros(&[2, 3]);
    fails(Tensor::cat(&[], 0), ErrorKind::Argument, "cat: no tensors to join", None);
    fails(
        Tensor::cat(&[&x, &zeros(&[3, 3])], 1),
        ErrorKind::Shape,
        "cat: tensor 0 has shape [2, 3], tensor 1 has [3, 3]",
        Some("they may differ in dimension 1 only"),
    );
    fails(
        Tensor::cat(&[&x, &x.to_dtype(DType::F64)], 1),
        ErrorKind::DType,
        "cat: tensor 0 is f32, tensor 1 is f64",
        Some(concat!("types are never converted silently: use to_dtype(DType::F32)", literals!())),
    );
    fails(
        Tensor::cat(&[&zeros(&[])], 0),
        ErrorKind::Shape,
        "cat: scalars have no dimension to join along",
        Some("stack makes one"),
    );
    fails(
        Tensor::stack(&[&x, &zeros(&[2, 4])], 0),
        ErrorKind::Shape,
        "stack: tensor 0 has shape [2, 3], tensor 1 has [2, 4]",
        Some("cat joins tensors of different sizes"),
    );
    fails(
        x.repeat(&[2]),
        ErrorKind::Shape,
        "repeat: 1 number for [2, 3]",
        Some("say for each dimension how often: 1 leaves it as it is"),
    );
    fails(
        x.repeat_interleave([1, 2, 0], 0),
        ErrorKind::Shape,
        "repeat_interleave: 3 counts for dimension 0 of [2, 3], which has size 2",
        Some("there must be one for each place, or one for all"),
    );
    fails(
        x.repeat_interleave(&indices([1, -1]), 0),
        ErrorKind::Argument,
        "repeat_interleave: a count of -1 (element 1), expected at least 0",
        None,
    );
    fails(
        x.repeat_interleave(&zeros(&[2]), 0),
        ErrorKind::DType,
        "repeat_interleave: the counts must be i64, not f32",
        Some("convert with to_dtype(DType::I64)"),
    );
    fails(
        x.repeat_interleave(&Tensor::from_nested([[1i64]]).unwrap(), 0),
        ErrorKind::Shape,
        "repeat_interleave: counts of shape [1, 1], expected a vector",
        None,
    );
    fails(x.flip(&[0, -2]), ErrorKind::Index, "flip: dimension -2 is named twice", None);
    let argument = |result, message: &str| fails(result, ErrorKind::Argument, message, None);
    argument(x.roll(&[1, 2], &[0]), "roll: shifts [1, 2] for dimensions [0], expected as many");
    argument(x.pad(&[(0, 0); 3], 0.0), "pad: 3 pairs for [2, 3], which has 2 dimensions");
    argument(x.pad(&[(-2, -2)], 0.0), "pad: (-2, -2) takes more than dimension 1 of [2, 3] has");
    argument(x.pad_reflect(&[(3, 0)]), "pad_reflect: a margin of 3 for dimension 1 of [2, 3]");
    argument(x.pad_circular(&[(0, 4)]), "pad_circular: a margin of 4 for dimension 1 of [2, 3]");
    argument(zeros(&[0]).pad_replicate(&[(1, 0)]), "pad_replicate: a margin of 1 for dimension 0 of [0]");
}

#[test]
fn index_tensors() {
    let x = zeros(&[2, 3]);
    fails(
        x.index_select(1, &indices([0, 3])),
        ErrorKind::Index,
        "index_select: index 3 (element 1) is out of range for dimension 1 of [2, 3] (size 3)",
        None,
    );
    fails(
        x.index_select(1, &indices([-1])),
        ErrorKind::Index,
        "index_select: index -1 (element 0) is out of range for dimension 1 of [2, 3] (size 3)",
        Some("only x.index(..) takes negative indices"),
    );
    fails(
        x.index_select(0, &tensor![0]),
        ErrorKind::DType,
        "index_select: the index must be i64, not f32",
        Some("convert with to_dtype(DType::I64)"),
    );
    fails(
        x.index_select(0, &Tensor::from_nested([[0i64]]).unwrap()),
        ErrorKind::Shape,
        "index_select: the index has shape [1, 1], expected a vector",
        Some("x.index(&index) takes an index of any shape"),
    );
    fails(
        x.index_add(0, &indices([1]), &zeros(&[2, 3])),
        ErrorKind::Shape,
        "index_add: a source of shape [2, 3], expected [1, 3]",
        None,
    );
    fails(
        indices([1]).index_add_alpha(0, &indices([0]), &indices([1]), 0.5),
        ErrorKind::Argument,
        "index_add_alpha: alpha is 0.5, expected a whole number for elements of type i64",
        None,
    );
    fails(
        x.gather(1, &indices([0])),
        ErrorKind::Shape,
        "gather: an index of shape [1] for [2, 3] along dimension 1",
        Some("it must have as many dimensions, none larger except the one that is indexed"),
    );
    fails(
        x.scatter_add(0, &Tensor::from_nested([[0i64, 1, 2]]).unwrap(), &zeros(&[1, 3])),
        ErrorKind::Index,
        "scatter_add: index 2 (element 2) is out of range for dimension 0 of [2, 3] (size 2)",
        None,
    );
    fails(
        x.scatter(0, &Tensor::from_nested([[0i64, 1]]).unwrap(), &zeros(&[1, 1])),
        ErrorKind::Shape,
        "scatter: a source of shape [1, 1] for an index of [1, 2]",
        Some("there must be an element for each index"),
    );
    fails(
        x.gt_scalar(0.0).index_add(0, &indices([0]), &zeros(&[1, 3]).gt_scalar(0.0)),
        ErrorKind::DType,
        "index_add: truth values cannot be added",
        Some("convert with to_dtype(DType::I64)"),
    );
    fails(
        x.take_along_dim(&indices([0]), 1),
        ErrorKind::Shape,
        "take_along_dim: an index of shape [1] for [2, 3]",
        Some("they must have as many dimensions, and broadcast in all but the one that is indexed"),
    );
    fails(
        x.masked_select(&zeros(&[2]).gt_scalar(0.0)),
        ErrorKind::Shape,
        "masked_select: shapes [2, 3] and [2] do not broadcast",
        None,
    );
    fails(
        indices([0, 5]).one_hot(3),
        ErrorKind::Index,
        "one_hot: label 5 (element 1) for 3 classes",
        Some("labels count from 0"),
    );
}

#[test]
fn triangles_and_products() {
    let (x, v) = (zeros(&[2, 3]), zeros(&[3]));
    fails(v.tril(0), ErrorKind::Shape, "tril: shape [3], expected a matrix or a batch of them", None);
    fails(x.diagonal(0, 1, -1), ErrorKind::Index, "diagonal: dimensions 1 and -1 are the same", None);
    fails(
        zeros(&[1, 1, 1]).diag(0),
        ErrorKind::Shape,
        "diag: shape [1, 1, 1], expected a vector or a matrix",
        Some("see diagonal and diag_embed for batches"),
    );
    fails(v.trace(), ErrorKind::Shape, "trace: shape [3], expected a matrix", None);
    fails(v.dot(&x), ErrorKind::Shape, "dot: [3] · [2, 3], expected two vectors of one length", None);
    fails(v.outer(&x), ErrorKind::Shape, "outer: [3] and [2, 3], expected two vectors", None);
    fails(
        x.matmul(&x),
        ErrorKind::Shape,
        "matmul: inner sizes differ, [2, 3] × [2, 3] (3 ≠ 2)",
        Some("the second operand fits transposed: b.t()"),
    );
}

#[test]
fn equations() {
    let (x, v) = (zeros(&[2, 3]), zeros(&[4]));
    let einsum = |equation: &str, operands: &[&Tensor]| Tensor::einsum(equation, operands);
    let argument = |result, message: &str| fails(result, ErrorKind::Argument, message, None);
    let shape = |result, message: &str| fails(result, ErrorKind::Shape, message, None);
    let letters = Some("dimensions are named by letters, `...` once in a term stands for the others");
    argument(Tensor::einsum("ij,jk", &[&x]), "einsum: `ij,jk` has 2 terms, given 1 operand");
    argument(Tensor::einsum("ij->ik", &[&x]), "einsum: `k` of the result is in no term of `ij->ik`");
    argument(Tensor::einsum("ij->ii", &[&x]), "einsum: `i` twice in the result of `ij->ii`");
    argument(Tensor::einsum("", &[]), "einsum: `` has 1 term, given 0 operands");
    fails(einsum("i1", &[&x]), ErrorKind::Argument, "einsum: `1` in the term `i1` of `i1`", letters);
    fails(einsum("i.j", &[&x]), ErrorKind::Argument, "einsum: `.` in the term `i.j` of `i.j`", letters);
    fails(einsum("......", &[&x]), ErrorKind::Argument, "einsum: `.` in the term `......` of `......`", letters);
    fails(einsum("ij->i->j", &[&x]), ErrorKind::Argument, "einsum: `-` in the term `i->j` of `ij->i->j`", letters);
    fails(einsum("iß", &[&x]), ErrorKind::Argument, "einsum: `ß` in the term `iß` of `iß`", letters);
    shape(Tensor::einsum("ijk", &[&x]), "einsum: term `ijk` names 3 dimensions, operand 0 has shape [2, 3]");
    shape(Tensor::einsum("...ijk", &[&x]), "einsum: term `...ijk` names 3 dimensions, operand 0 has shape [2, 3]");
    shape(Tensor::einsum("i", &[&x]), "einsum: term `i` names 1 dimension, operand 0 has shape [2, 3]");
    shape(Tensor::einsum("ii", &[&x]), "einsum: `i` has sizes 2 and 3 in operand 0");
    shape(Tensor::einsum("ij,j", &[&x, &v]), "einsum: `j` has size 3 in operand 0, but 4 in operand 1");
    shape(
        Tensor::einsum("...,...", &[&x, &v]),
        "einsum: dimension -1 of `...` has size 3 in operand 0, but 4 in operand 1",
    );
    fails(
        Tensor::einsum("i,j", &[&v, &v.to_dtype(DType::F64)]),
        ErrorKind::DType,
        "einsum: operand 0 is f32, operand 1 is f64",
        Some(concat!("types are never converted silently: use to_dtype(DType::F32)", literals!())),
    );
    let large = zeros(&[1, 1, 1, 1, 1]);
    fails(
        Tensor::einsum("abcde,fghij->", &[&large, &large]).and(Tensor::einsum("abcde,fghij", &[&large, &large])),
        ErrorKind::Shape,
        "einsum: the result of `abcde,fghij` has 10 dimensions, at most 8 are supported",
        None,
    );
}

/// Each of these must say that it cannot be done: without a panic, and without trying to.
#[test]
fn sizes_beyond_all_memory() {
    let (x, v, labels) = (zeros(&[2, 3]), zeros(&[1]), indices([0, 1]));
    let huge = 1usize << 59;
    for size in [1usize << 45, huge, usize::MAX] {
        let margin = isize::try_from(size).unwrap_or(isize::MAX);
        let results = [
            x.repeat(&[size, 1]),
            x.repeat(&[size, size]),
            x.repeat_interleave(size, 1),
            x.repeat_interleave([size, 1, 1], 1),
            x.repeat_interleave(&[size, size][..], 0),
            x.pad(&[(margin, margin)], 0.0),
            x.pad(&[(margin, 0), (margin, 0)], 0.0),
            x.pad_replicate(&[(margin, 1)]),
            labels.one_hot(size),
            x.reshape([size, 2]),
            x.unflatten(0, [size, size]),
            v.diag(margin),
            v.diag(-margin),
        ];
        for (i, result) in results.into_iter().enumerate() {
            assert!(matches!(result.unwrap_err().kind(), ErrorKind::Shape), "case {i} with {size}");
        }
    }
    // The largest view of two equal dimensions: much larger together than all memory.
    let wide = v.broadcast_to([1 << 24]).unwrap();
    assert_eq!(
        wide.outer(&wide).unwrap_err().message(),
        "mul: a tensor of shape [16777216, 16777216] and type f32 does not fit into memory"
    );
    let (column, row) = (wide.unsqueeze(1).unwrap(), wide.unsqueeze(0).unwrap());
    assert!(column.matmul(&row).is_err());
    assert!(column.linear(&column, None).is_err());
    assert!(column.masked_select(&row.gt_scalar(-1.0)).is_err());
    assert!(column.take_along_dim(&row.to_dtype(DType::I64), 0).is_err());
    assert!(Tensor::cat(&vec![&column; 1 << 16], 0).is_err());

    // Nothing, many times, is still nothing.
    let empty = zeros(&[0, 3]);
    assert_eq!(empty.repeat(&[huge, 1]).unwrap().shape(), [0, 3]);
    assert_eq!(empty.pad(&[(0, 0), (1 << 50, 0)], 0.0).unwrap().shape(), [0, (1 << 50) + 3]);
    assert_eq!(empty.pad_replicate(&[(0, 1 << 50)]).unwrap().shape(), [0, (1 << 50) + 3]);
    let many = zeros(&[0, huge]);
    assert_eq!(
        many.split(1, 1).unwrap_err().message(),
        format!("split: {huge} parts of [0, {huge}], which has no elements")
    );
    assert!(empty.chunk(huge, 0).is_err());
    assert_eq!(empty.chunk(3, 0).unwrap().len(), 3);
    assert_eq!(many.flip(&[1]).unwrap().shape(), [0, huge]);
    assert_eq!(many.roll(&[1], &[1]).unwrap().shape(), [0, huge]);
    assert_eq!(many.tril(isize::MAX).unwrap().shape(), [0, huge]);
    assert_eq!(many.t().triu(isize::MIN).unwrap().shape(), [huge, 0]);
    assert_eq!(many.diagonal(isize::MIN, 0, 1).unwrap().shape(), [0]);
    assert_eq!(many.index((.., ..5)).unwrap().shape(), [0, 5]);
    assert_eq!(Tensor::einsum("ij,kj->ik", &[&many, &many]).unwrap().shape(), [0, 0]);
    assert_eq!(x.slice(1, Step(isize::MIN..isize::MAX, usize::MAX)).unwrap().shape(), [2, 1]);
}
