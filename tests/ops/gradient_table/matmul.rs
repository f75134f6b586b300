//! Matrix products.

use demotic::tensor::{QTensor, Scheme, SparseTensor};
use demotic::{ConvOptions, DType, Tensor};

use super::row::{Row, spread};

pub(super) fn rows() -> Vec<Row> {
    let x = |shape: &[usize]| spread(shape, -1.0, 1.0);
    vec![
        Row::new("matmul", |x| x[0].matmul(&x[1]), [x(&[2, 3]), x(&[3, 2])]),
        Row::new("matmul", |x| x[0].matmul(&x[1]), [x(&[3, 3]), x(&[3, 3])]),
        Row::new("matmul", |x| x[0].matmul(&x[1]), [x(&[2, 2, 3]), x(&[3, 2])]),
        Row::new("matmul", |x| x[0].matmul(&x[1]), [x(&[2, 1, 2, 2]), x(&[2, 2, 1])]),
        Row::new("matmul", |x| x[0].matmul(&x[1]), [x(&[3]), x(&[2, 3, 2])]),
        Row::new("matmul", |x| x[0].matmul(&x[1]), [x(&[3]), x(&[3])]),
        Row::new("linear", |x| x[0].linear(&x[1], None), [x(&[2, 3]), x(&[2, 3])]),
        Row::new("linear", |x| x[0].linear(&x[1], Some(&x[2])), [x(&[2, 2, 3]), x(&[2, 3]), x(&[2])]),
        Row::new("linear", |x| x[0].linear(&x[1].t(), Some(&x[2])), [x(&[2, 2, 3]), x(&[3, 2]), x(&[2])]),
        Row::new(
            "conv_quantized",
            |x| kernel().conv2d(&x[0], [2, 4], Some(&x[1]), &ConvOptions::new().stride([1, 2]).padding(1)),
            [x(&[2, 2, 3, 5]), x(&[3])],
        ),
        Row::new("linear_quantized", |x| quantized().linear(&x[0], Some(&x[1])), [x(&[2, 2, 32]), x(&[3])]),
        Row::new("linear_sparse", |x| sparse().linear(&x[0], Some(&x[1])), [x(&[2, 2, 5]), x(&[3])]),
        Row::new("matmul", |x| x[0].dot(&x[1]), [x(&[4]), x(&[4])]),
        Row::new("mul", |x| x[0].outer(&x[1]), [x(&[3]), x(&[2])]),
        einsum("ij,jk->ik", [x(&[2, 3]), x(&[3, 2])]),
        einsum("bij,bkj->bki", [x(&[2, 2, 3]), x(&[2, 2, 3])]),
        einsum("...ij,...jk", [x(&[2, 1, 2, 2]), x(&[2, 2, 1])]),
        einsum("ijk,ij->ik", [x(&[2, 2, 3]), x(&[2, 2])]),
        einsum("iij,kj,lk->il", [x(&[2, 2, 3]), x(&[2, 3]), x(&[2, 2])]),
    ]
}

fn kernel() -> QTensor {
    let weight = spread(&[3, 16], -1.0, 1.0).to_dtype(DType::F32);
    QTensor::quantize(&weight, Scheme::Int8).unwrap()
}

/// A weight of a few bits a number; in double precision nothing else is rounded.
fn quantized() -> QTensor {
    let weight = spread(&[3, 32], -1.0, 1.0).to_dtype(DType::F32);
    QTensor::quantize(&weight, Scheme::Q5_1).unwrap()
}

/// A weight most of whose numbers are zero, with a row of zeros.
fn sparse() -> SparseTensor {
    let weight = [0.0, 1.5, 0.0, 0.0, -0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.25, 0.0, 0.0f32];
    SparseTensor::from_dense(&Tensor::from_slice(&weight, [3, 5]).unwrap()).unwrap()
}

fn einsum<const N: usize>(equation: &'static str, inputs: [Tensor; N]) -> Row {
    Row::new("matmul", move |x| Tensor::einsum(equation, &x.iter().collect::<Vec<_>>()), inputs)
}
