//! Tensor memory is recycled: a loop that does the same again and again soon takes nothing from the system.

use crate::alone;
use demotic::{AttentionOptions, Result, Rng, Tensor, memory, parallel};

/// How many blocks came from the system, and how many were taken in all, while `f` ran.
fn blocks(f: impl FnOnce()) -> (u64, u64) {
    let before = memory::stats();
    f();
    let after = memory::stats();
    (after.blocks_allocated - before.blocks_allocated, after.blocks_taken - before.blocks_taken)
}

/// One step of training by hand, with a small parameter and one of more than a MiB.
fn step(parameters: &mut [Tensor; 2], x: &Tensor) -> Result<()> {
    let [small, large] = [parameters[0].tracked()?, parameters[1].tracked()?];
    let loss = x.matmul(&small)?.relu().square().mean().add(&large.exp().mean())?;
    let grads = loss.backward()?;
    for (parameter, leaf) in parameters.iter_mut().zip([&small, &large]) {
        *parameter = parameter.sub(&grads.wrt(leaf)?.mul_scalar(0.01))?;
    }
    Ok(())
}

#[test]
fn a_training_loop_takes_no_fresh_blocks() {
    let _turn = alone();
    for threads in [1, 2] {
        parallel::with_threads(threads, || {
            let mut rng = Rng::seed(0);
            let mut normal = |shape: &[usize]| Tensor::normal(shape, 0.0, 1.0, &mut rng).unwrap();
            let (x, mut parameters) = (normal(&[64, 32]), [normal(&[32, 16]), normal(&[300_000])]);
            let mut run = |steps: usize| (0..steps).for_each(|_| step(&mut parameters, &x).unwrap());
            run(3);
            let (fresh, taken) = blocks(|| run(5));
            assert_eq!(fresh, 0, "of {taken} blocks on {threads} threads");
            assert!(taken >= 5 * 10, "the loop used {taken} blocks");
        })
        .unwrap();
    }
}

/// How often this process touched a page that it did not have yet.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn page_faults() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    stat.rsplit(')').next().and_then(|fields| fields.split_whitespace().nth(7)).unwrap().parse().unwrap()
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[test]
fn what_the_allocator_gave_stays_with_the_process() {
    let _turn = alone();
    let x = Tensor::ones([1 << 18]).unwrap().tracked().unwrap();
    let step = || {
        let loss = (0..1000).fold(x.sum(), |x, _| x.mul_scalar(0.999));
        loss.backward().unwrap();
        x.to_vec::<f32>().unwrap()
    };
    (0..3).for_each(|_| assert_eq!(step().len(), 1 << 18));
    let before = page_faults();
    (0..20).for_each(|_| assert_eq!(step()[0], 1.0));
    let faults = page_faults() - before;
    // The vector alone has 256 pages.
    assert!(faults < 20, "{faults} page faults in 20 steps");
}

#[test]
fn current_and_peak_follow_what_is_alive() {
    let _turn = alone();
    let mib = 1 << 20;
    let start = memory::stats().current_bytes;
    let x = Tensor::zeros([4, mib]).unwrap();
    assert_eq!(memory::stats().current_bytes - start, 16 * mib);
    memory::reset_peak();
    let view = x.t();
    assert_eq!(memory::stats().current_bytes - start, 16 * mib);
    let y = Tensor::ones([mib]).unwrap();
    drop(y);
    drop(x);
    // The view keeps the memory.
    assert_eq!(memory::stats().current_bytes - start, 16 * mib);
    assert_eq!(memory::stats().peak_bytes - start, 20 * mib);
    drop(view);
    assert_eq!(memory::stats().current_bytes, start);
}

#[test]
fn unused_blocks_wait_until_they_are_released() {
    let _turn = alone();
    drop(Tensor::zeros([1 << 21]).unwrap());
    assert!(memory::stats().pooled_bytes >= 8 << 20);
    let (fresh, taken) = blocks(|| drop(Tensor::zeros([1 << 21]).unwrap()));
    assert_eq!((fresh, taken), (0, 1));
    memory::release();
    assert_eq!(blocks(|| drop(Tensor::zeros([1 << 21]).unwrap())), (1, 1));
}

#[test]
fn loading_takes_the_memory_of_the_model_and_of_one_tensor() {
    use demotic::io::{open_source, safetensors::Reader};
    use demotic::models::Mlp;
    use demotic::prelude::*;
    let _turn = alone();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    // Eight matrices of a MiB each.
    let model = Mlp::new(&[512; 9], &mut Rng::seed(0)).unwrap();
    model.save(&path).unwrap();
    let config = model.config().unwrap();
    drop(model);
    let loads: [&dyn Fn() -> Mlp; 3] = [
        &|| Mlp::open(&path).unwrap(),
        &|| Mlp::from_source(config.clone(), &Reader::open(&path).unwrap()).unwrap(),
        &|| Mlp::from_source(config.clone(), &open_source(&path).unwrap()).unwrap(),
    ];
    for load in loads {
        memory::release();
        memory::reset_peak();
        let before = memory::stats().current_bytes;
        let mut model = None;
        // What the tensors take is not the allocator's, and the other way round.
        let heap = allocation_counter::measure(|| model = Some(load())).bytes_max as usize;
        let stats = memory::stats();
        let (model_bytes, tensor) = (stats.current_bytes - before, 1 << 20);
        assert!(model_bytes >= 8 * tensor, "{model_bytes}");
        let peak = stats.peak_bytes - before + heap;
        assert!(peak <= model_bytes + tensor + (tensor >> 2), "{peak} bytes for a model of {model_bytes}");
        drop(model);
    }
}

#[test]
fn what_is_recycled_does_not_show() {
    let _turn = alone();
    for _ in 0..3 {
        let mut x = Tensor::zeros([1000]).unwrap();
        assert!(x.to_vec::<f32>().unwrap().iter().all(|x| *x == 0.0));
        x.as_mut_slice::<f32>().unwrap().fill(f32::NAN);
    }
}

#[test]
fn attention_keeps_no_matrix_of_scores() {
    let _turn = alone();
    let (heads, positions, width) = (2, 2048, 8);
    let mut rng = Rng::seed(0);
    let [q, k, v] = [(); 3].map(|()| Tensor::normal([heads, positions, width], 0.0, 1.0, &mut rng).unwrap());
    let [q, k, v] = [q, k, v].map(|x| x.tracked().unwrap());
    let options = AttentionOptions::new().causal().dropout(0.1, &mut rng);
    memory::reset_peak();
    let before = memory::stats().current_bytes;
    let grads = q.attention(&k, &v, &options).unwrap().sum().backward().unwrap();
    assert_eq!(grads.wrt(&q).unwrap().shape(), [heads, positions, width]);
    let used = memory::stats().peak_bytes - before;
    // The result, its gradient and three others, a number for each query, and what is left to size classes.
    let operand = heads * positions * width * 4;
    assert!(used <= 7 * operand, "{used} bytes, {operand} for each operand");
}
