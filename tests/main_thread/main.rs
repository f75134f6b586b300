//! The main thread of a program, which tests do not run on: this one has no harness.

use std::process::{Command, ExitCode};

use demotic::parallel;
use demotic::prelude::*;

const ROLE: &str = "DEMOTIC_TEST_ROLE";

/// The bits of a few steps of training, in which operations are large enough for several threads.
fn trained() -> Result<Vec<u32>> {
    let mut rng = Rng::seed(3);
    let x = Tensor::randn([256, 64], &mut rng)?;
    let data = TensorDataset::new(x.clone(), x.sum_dims(&[1], true)?)?;
    let mut model = sequential![Linear::new(64, 300, &mut rng)?, Tanh, Linear::new(300, 1, &mut rng)?];
    Trainer::new(losses::mse, Adam::new(0.01)).epochs(2).batch_size(256).fit(&mut model, &data, &mut rng)?;
    Ok(model.predict(&x)?.to_vec::<f32>()?.into_iter().map(f32::to_bits).collect())
}

/// What the main thread comes to, and others beside it.
fn act(role: &str) -> Result<()> {
    if role == "own pool" {
        rayon::ThreadPoolBuilder::new().num_threads(3).build_global().unwrap();
    }
    let bits = trained()?;
    let others = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..3).map(|_| scope.spawn(trained)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Result<Vec<_>>>()
    })?;
    assert!(others.iter().all(|other| *other == bits));
    println!("index {:?} of {}, bits {:x?}", rayon::current_thread_index(), parallel::threads(), &bits[..8]);
    Ok(())
}

fn main() -> ExitCode {
    if let Ok(role) = std::env::var(ROLE) {
        return act(&role).map_or_else(|e| panic!("{e}"), |()| ExitCode::SUCCESS);
    }
    let mut all_bits = Vec::new();
    for (threads, role, expected) in [
        ("1", "plain", "index None of 1, "),
        ("2", "plain", "index Some(0) of 2, "),
        ("3", "plain", "index Some(0) of 3, "),
        ("2", "own pool", "index None of 3, "),
    ] {
        let mut program = Command::new(std::env::current_exe().unwrap());
        let out = program.env("RAYON_NUM_THREADS", threads).env(ROLE, role).output().unwrap();
        let text = String::from_utf8_lossy(&out.stdout);
        let Some(bits) = text.strip_prefix(expected).filter(|_| out.status.success()) else {
            println!("{role} on {threads} threads: {text}{}", String::from_utf8_lossy(&out.stderr));
            return ExitCode::FAILURE;
        };
        all_bits.push(bits.to_string());
    }
    assert!(all_bits.windows(2).all(|two| two[0] == two[1]), "{all_bits:?}");
    println!("the main thread works with the pool, and all threads come to the same bits");
    ExitCode::SUCCESS
}
