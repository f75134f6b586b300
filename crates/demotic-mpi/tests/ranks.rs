//! What ranks do over MPI, compared with what they do on threads and with one process. Run it by `mpirun`, as `crates/demotic-mpi/test` does.

use std::process::ExitCode;

use demotic::distributed::{
    DataParallel, Grid, Group, Message, OneProcess, Pipeline, Sharded, Sharding, ThreadGroup, part, shard_blocks,
};
use demotic::layers::{Slot, Visitor};
use demotic::models::{Gpt, GptConfig};
use demotic::prelude::*;

/// The bits of a tensor, with type and shape.
fn bytes(x: &Tensor) -> Vec<u8> {
    Message { about: String::new(), tensor: x.detach() }.to_bytes()
}

fn own(rank: usize, shape: &[usize], dtype: DType) -> Result<Tensor> {
    let x = Tensor::normal(shape, 0.0, 20.0, &mut Rng::seed(rank as u64))?;
    Ok(if dtype.is_float() { x.to_dtype(dtype) } else { x.abs().to_dtype(DType::I64).to_dtype(dtype) })
}

/// Every collective operation, with every type: nothing, one element, rows that do not come out even, and more than travels at once.
fn collectives(group: &dyn Group) -> Result<Vec<Vec<u8>>> {
    use DType::{BF16, Bool, F16, F32, F64, I8, I32, I64, U8};
    let mut seen = Vec::new();
    for dtype in [F32, F64, BF16, F16, I64, I32, I8, U8, Bool] {
        for shape in [&[0][..], &[1], &[5, 3], if dtype == F32 { &[2053, 129] } else { &[131, 9] }] {
            let x = own(group.rank(), shape, dtype)?;
            let (sum, rows) = (group.start_all_reduce(&x)?, group.start_reduce_scatter(&x)?);
            let (all, one) = (group.start_all_gather(&x)?, group.start_broadcast(&x, group.size() - 1)?);
            group.barrier()?;
            let sum = sum.wait()?;
            let part = part(shape[0], group.size(), group.rank());
            assert_eq!(bytes(&rows.wait()?), bytes(&sum.narrow(0, part.start, part.len())?));
            for (rank, x) in all.wait()?.iter().enumerate() {
                assert_eq!(bytes(x), bytes(&own(rank, shape, dtype)?));
            }
            assert_eq!(bytes(&one.wait()?), bytes(&own(group.size() - 1, shape, dtype)?));
            seen.push(bytes(&sum));
        }
    }
    let (next, before) = ((group.rank() + 1) % group.size(), (group.rank() + group.size() - 1) % group.size());
    for i in 0..20 {
        group.send(&Tensor::full([1 + i * 1000], i as f64)?, next, 7)?;
    }
    for i in 0..20 {
        let x = group.receive(before, 7)?;
        assert_eq!((x.shape(), x.mean().item()?), (&[1 + i * 1000][..], i as f64));
    }
    let pair = group.split(group.rank() / 2, 0)?;
    seen.push(bytes(&group.all_gather(&pair.all_reduce(&tensor![group.rank() as f64])?)?[0]));
    Ok(seen)
}

fn bits(model: &dyn Module) -> Vec<u64> {
    let mut all = Vec::new();
    let mut on_slot = |_: &str, slot: Slot<'_>| {
        let value = match slot {
            Slot::Param(param) => param.value().detach(),
            Slot::Buffer(buffer) => buffer.get(),
        };
        all.extend(value.to_f64_vec().into_iter().map(f64::to_bits));
    };
    model.visit(&mut Visitor::new(&mut on_slot));
    all
}

/// Convolutions, batch norm and dropout, with what is divided among ranks.
fn convolutions(group: &dyn Group, sharding: Sharding) -> Result<Vec<u64>> {
    let mut rng = Rng::seed(1);
    let x = Tensor::normal([24, 3, 8, 8], 0.0, 1.0, &mut rng)?;
    let data = TensorDataset::new(x, Tensor::from_vec((0..24).map(|i| i % 3).collect::<Vec<i64>>(), [24])?)?;
    let mut model = sequential![
        Conv2d::new(3, 8, 3, &mut rng)?,
        BatchNorm2d::new(8)?,
        Relu,
        Dropout::new(0.1)?,
        Flatten::new(),
        Linear::new(288, 3, &mut rng)?
    ];
    Trainer::new(losses::cross_entropy, AdamW::new(0.01).clip_norm(1.0))
        .epochs(2)
        .batch_size(2)
        .accumulate(4)
        .validation(&data)
        .metric("accuracy", metrics::accuracy)
        .distributed(DataParallel::new(group).sharding(sharding).bucket_bytes(1000))
        .fit(&mut model, &data, &mut rng)?;
    Ok(bits(&model))
}

/// The most that the tensors of a rank take in training, by what is divided, and the bits that it comes to.
fn peak(group: &dyn Group, sharding: Sharding) -> Result<(f64, Vec<u64>)> {
    let mut rng = Rng::seed(0);
    let (blocks, width) = (16, 128);
    group.barrier()?;
    demotic::memory::reset_peak();
    let before = demotic::memory::stats().current_bytes;
    let mut model = Sequential::new();
    for _ in 0..blocks {
        let inside = sequential![LayerNorm::new(width)?, Linear::new(width, width, &mut rng)?, Gelu];
        model.push(Residual::new(Sharded::new(inside, group)));
    }
    let mut opt = Adam::new(1e-3);
    let mut parallel = DataParallel::new(group).sharding(sharding).bucket_bytes(1 << 18);
    parallel.synchronize(&mut model)?;
    for step in 0..3 {
        if step == 1 {
            // From here on it is the same at every step.
            group.barrier()?;
            demotic::memory::reset_peak();
        }
        let x = Tensor::normal([4, width], 0.0, 1.0, &mut rng)?;
        let mut step = parallel.step(&model, group.size())?;
        step.backward(&model.forward(&x, &mut Mode::train(&mut rng))?.square().mean(), 4.0)?;
        step.apply(&mut opt, &mut model)?;
    }
    let most = most(group, before)?;
    parallel.unite(&mut model)?;
    Ok((most, bits(&model)))
}

/// The most that tensors took on a rank, beyond what there was `before`.
fn most(group: &dyn Group, before: usize) -> Result<f64> {
    let own = Tensor::from_slice(&[(demotic::memory::stats().peak_bytes - before) as f64], [1])?;
    let all = group.all_gather(&own)?;
    Ok(all.iter().map(Tensor::item).collect::<Result<Vec<_>>>()?.into_iter().fold(0.0, f64::max))
}

/// The same for a GPT of eight blocks: copies of it, with each block in a shard, or a grid.
fn peak_of_gpt(group: &dyn Group, sharding: Sharding, sizes: Option<[usize; 3]>) -> Result<(f64, Vec<u64>)> {
    let config = GptConfig::new(64, 16).layers(8).heads(4).hidden_size(128).with_checkpointing();
    let ids = Tensor::from_vec((0..17).map(|i| i * i % 64).collect::<Vec<i64>>(), [1, 17])?;
    let batch = (ids.narrow(1, 0, 16)?, ids.narrow(1, 1, 16)?);
    let mut opt = Adam::new(1e-3);
    let begin = |step: usize| -> Result<()> {
        // From the second step on it is the same at every step.
        if step < 2 {
            group.barrier()?;
            demotic::memory::reset_peak();
        }
        Ok(())
    };
    begin(0)?;
    let before = demotic::memory::stats().current_bytes;
    if let Some(sizes) = sizes {
        let grid = Grid::new(group, sizes)?;
        let mut stage = Pipeline::new(&grid).sharding(sharding).begin(config, &mut Rng::seed(0))?;
        for step in 0..3 {
            begin(step)?;
            let (_, grads) = stage.gradients(std::slice::from_ref(&batch), None)?;
            stage.step(&mut opt, &grads)?;
        }
        return Ok((most(group, before)?, bits(&stage.join()?)));
    }
    let mut model = Gpt::new(config, &mut Rng::seed(0))?;
    shard_blocks(&mut model, group)?;
    let mut parallel = DataParallel::new(group).sharding(sharding).bucket_bytes(1 << 18);
    parallel.synchronize(&mut model)?;
    for step in 0..3 {
        begin(step)?;
        let mut step = parallel.step(&model, group.size())?;
        let logits = model.forward(&batch.0, &mut Mode::train(&mut Rng::seed(1)))?;
        step.backward(&losses::token_cross_entropy(&logits, &batch.1)?, 1.0)?;
        step.apply(&mut opt, &mut model)?;
    }
    let most = most(group, before)?;
    parallel.unite(&mut model)?;
    Ok((most, bits(&model)))
}

fn main() -> ExitCode {
    demotic_mpi::main(|group| {
        let over_mpi = collectives(group)?;
        let on_threads = ThreadGroup::run(group.size(), collectives)?;
        assert!(over_mpi == on_threads[group.rank()], "other sums over MPI than on threads");
        let alone = convolutions(&*OneProcess::new().handle(), Sharding::None)?;
        for sharding in [Sharding::None, Sharding::Optimizer, Sharding::Gradients] {
            assert!(convolutions(group, sharding)? == alone, "other weights with {sharding:?}");
        }
        if group.size() == 4 {
            type Measure = fn(&dyn Group, Sharding) -> Result<(f64, Vec<u64>)>;
            let measured: [(&str, Measure); 4] = [
                ("dense layers", peak),
                ("four copies of a GPT", |group, sharding| peak_of_gpt(group, sharding, None)),
                ("two copies of two stages", |group, sharding| peak_of_gpt(group, sharding, Some([2, 2, 1]))),
                ("two copies of two parts", |group, sharding| peak_of_gpt(group, sharding, Some([2, 1, 2]))),
            ];
            for (what, measure) in measured {
                let (mut peaks, mut whole) = (Vec::new(), None);
                for sharding in [Sharding::None, Sharding::Optimizer, Sharding::Gradients, Sharding::Parameters] {
                    let (peak, bits) = measure(group, sharding)?;
                    assert!(
                        *whole.get_or_insert_with(|| bits.clone()) == bits,
                        "{what}: other weights with {sharding:?}"
                    );
                    if group.rank() == 0 {
                        println!("{what}, {sharding:?}: at most {:.1} MB on a rank", peak / 1e6);
                    }
                    peaks.push(peak);
                }
                // The gradients of a stage are whole until it has come to the end of its micro-batches: dividing them afterwards does not lower the peak.
                let is_grid = what.starts_with("two copies");
                let is_less = |a: usize, b: usize| assert!(peaks[a] < peaks[b], "{what}: {peaks:?} bytes");
                is_less(1, 0);
                is_less(2, usize::from(!is_grid));
                is_less(3, 2);
                is_less(3, 1);
            }
        }
        if group.rank() == 0 {
            println!("{} ranks: ok", group.size());
        }
        Ok(())
    })
}
