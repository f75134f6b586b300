//! Single operations: `cargo bench --bench ops -- [FILTER]`.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use demotic::prelude::*;
use demotic::tensor::{QTensor, Scheme, SparseTensor};

fn random(shape: &[usize]) -> Tensor {
    Tensor::normal(shape, 0.0, 1.0, &mut Rng::seed(0)).expect("a shape that fits into memory")
}

fn products(c: &mut Criterion) {
    let mut group = c.benchmark_group("matmul");
    for (m, k, n) in [(32, 64, 64), (128, 784, 256), (256, 256, 256), (512, 512, 512)] {
        let (a, b) = (random(&[m, k]), random(&[k, n]));
        group.throughput(Throughput::Elements(2 * (m * k * n) as u64));
        group.bench_function(format!("{m}x{k}x{n}"), |bench| bench.iter(|| black_box(a.matmul(&b))));
    }
}

fn elementwise(c: &mut Criterion) {
    let mut group = c.benchmark_group("elementwise");
    for n in [2048, 1 << 20] {
        let x = random(&[n]);
        group.throughput(Throughput::Bytes(8 * n as u64));
        group.bench_function(format!("exp/{n}"), |bench| bench.iter(|| black_box(x.exp())));
        group.bench_function(format!("gelu/{n}"), |bench| bench.iter(|| black_box(x.gelu())));
        group.bench_function(format!("tanh/{n}"), |bench| bench.iter(|| black_box(x.tanh())));
        group.bench_function(format!("add/{n}"), |bench| bench.iter(|| black_box(x.add(&x))));
    }
}

fn rows(c: &mut Criterion) {
    let x = random(&[1024, 1024]);
    let mut group = c.benchmark_group("rows");
    group.throughput(Throughput::Bytes(4 << 20));
    group.bench_function("softmax", |bench| bench.iter(|| black_box(x.softmax(-1))));
    group.bench_function("sum", |bench| bench.iter(|| black_box(x.sum_dims(&[1], false))));
    group.bench_function("sum of columns", |bench| bench.iter(|| black_box(x.sum_dims(&[0], false))));
    group.bench_function("transpose", |bench| bench.iter(|| black_box(x.t().contiguous())));
}

/// A sparse weight beside a dense one of the same size.
fn sparse(c: &mut Criterion) {
    let mut group = c.benchmark_group("sparse");
    for (outputs, features) in [(256, 784), (1024, 1024), (3072, 768)] {
        for kept in [0.2, 0.1, 0.05] {
            let dense = random(&[outputs, features]);
            let left = Tensor::bernoulli([outputs, features], kept, &mut Rng::seed(1)).unwrap().to_dtype(DType::F32);
            let dense = dense.mul(&left).unwrap();
            let weight = SparseTensor::from_dense(&dense).unwrap();
            for rows in [1, 8, 128] {
                let x = random(&[rows, features]);
                let name = format!("{rows}x{features}x{outputs}, {kept} kept");
                group.bench_function(format!("dense/{name}"), |bench| bench.iter(|| black_box(x.linear(&dense, None))));
                group.bench_function(format!("sparse/{name}"), |bench| {
                    bench.iter(|| black_box(weight.linear(&x, None)))
                });
            }
        }
    }
}

/// Weights of eight bits beside those of 32.
fn eight_bits(c: &mut Criterion) {
    let mut group = c.benchmark_group("eight bits");
    for (outputs, features) in [(384, 96), (1024, 1024), (3072, 768)] {
        let dense = random(&[outputs, features]);
        let [whole, blocks] = [Scheme::Int8, Scheme::Q8_0].map(|scheme| QTensor::quantize(&dense, scheme).unwrap());
        for rows in [1, 8, 16, 32, 128, 4096] {
            let x = random(&[rows, features]);
            let name = format!("{rows}x{features}x{outputs}");
            group.bench_function(format!("dense/{name}"), |bench| bench.iter(|| black_box(x.linear(&dense, None))));
            group.bench_function(format!("Int8/{name}"), |bench| bench.iter(|| black_box(whole.linear(&x, None))));
            group.bench_function(format!("Q8_0/{name}"), |bench| bench.iter(|| black_box(blocks.linear(&x, None))));
        }
    }
}

criterion_group!(benches, products, elementwise, rows, sparse, eight_bits);
criterion_main!(benches);
