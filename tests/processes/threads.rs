//! The main thread of a program, which tests have for themselves only in a process of their own.
#![cfg(unix)]

use std::process::Command;

use demotic::parallel;
use demotic::prelude::*;

use crate::roles;

/// The bits of a few steps of training, in which operations are large enough for several threads.
fn trained() -> Result<Vec<u32>> {
    let mut rng = Rng::seed(3);
    let x = Tensor::normal([256, 64], 0.0, 1.0, &mut rng)?;
    let data = TensorDataset::new(x.clone(), x.sum_dims(&[1], true)?)?;
    let mut model = sequential![Linear::new(64, 300, &mut rng)?, Gelu::new(), Linear::new(300, 1, &mut rng)?];
    Trainer::new(losses::mse, Adam::new(0.01)).epochs(2).batch_size(256).fit(&mut model, &data, &mut rng)?;
    Ok(model.predict(&x)?.to_vec::<f32>()?.into_iter().map(f32::to_bits).collect())
}

#[test]
fn the_main_thread_is_one_of_the_pool() -> Result<()> {
    match roles::role() {
        Some((role, _)) => {
            // A user's own pool stays as it is.
            if role == "own pool" {
                rayon::ThreadPoolBuilder::new().num_threads(3).build_global().unwrap();
            }
            let bits = trained()?;
            // What other threads do at the same time is none of the main thread's.
            let others = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..3).map(|_| scope.spawn(trained)).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Result<Vec<_>>>()
            })?;
            assert!(others.iter().all(|other| *other == bits));
            println!("index {:?} of {}, bits {:x?}", rayon::current_thread_index(), parallel::threads(), &bits[..8]);
            return Ok(());
        }
        None => {}
    }
    let folder = tempfile::tempdir().unwrap();
    let bits = format!("bits {:x?}", &trained()?[..8]);
    for (threads, role, expected) in [
        ("1", "plain", "index None of 1, "),
        ("2", "plain", "index Some(0) of 2, "),
        ("3", "plain", "index Some(0) of 3, "),
        ("2", "own pool", "index None of 3, "),
    ] {
        let mut program = Command::new(std::env::current_exe().unwrap());
        program.env("RAYON_NUM_THREADS", threads);
        let test = "threads::the_main_thread_is_one_of_the_pool";
        let out = roles::command(program, test, role, folder.path()).output().unwrap();
        assert!(out.status.success(), "{threads}, {role}: {}", String::from_utf8_lossy(&out.stderr));
        let text = String::from_utf8(out.stdout).unwrap();
        assert!(text.contains(&format!("{expected}{bits}")), "{threads}, {role}: {text}");
    }
    Ok(())
}
