//! A rank that does not do what the others do, over MPI: `hostile KIND`, which `crates/demotic-mpi/test` runs on three ranks. All of them must end with
//! an error that names rank 1.

use std::process::ExitCode;
use std::time::Duration;

use demotic::distributed::{DataParallel, Group};
use demotic::prelude::*;

/// What rank 1 does while the others add something up. `Ok` if that ends well.
fn odd(kind: &str, group: &dyn Group) -> Result<()> {
    match kind {
        "order" => group.barrier(),
        "shape" => group.all_reduce(&Tensor::ones([2])?).map(drop),
        "type" => group.all_reduce(&Tensor::ones([5000])?.to_dtype(DType::F64)).map(drop),
        "error" => Err(Error::state("read", "the shard is empty")),
        "panic" => panic!("on purpose"),
        "exit" => std::process::exit(0),
        "exit-code" => std::process::exit(3),
        "abort" => std::process::abort(),
        "hang" => {
            std::thread::sleep(Duration::from_secs(600));
            Ok(())
        }
        other => Err(Error::argument("hostile", format!("no kind `{other}`"))),
    }
}

/// Messages of several pieces, with little else in memory.
fn huge(group: &dyn Group) -> Result<()> {
    let n = (1_usize << 30) + 1000;
    if group.rank() == 0 {
        let mut bytes = vec![7_u8; n];
        bytes[n - 1] = 9;
        group.send(&Tensor::from_vec(bytes, [n])?, 1, 0)?;
    } else if group.rank() == 1 {
        let bytes = group.receive(0, 0)?;
        let ends = [0, n / 2, n - 1].map(|at| bytes.narrow(0, at, 1).and_then(|x| x.to_vec::<u8>()));
        let [a, b, c] = ends;
        assert_eq!((bytes.shape(), a?, b?, c?), (&[n][..], vec![7], vec![7], vec![9]));
        println!("huge: ok");
    }
    group.barrier()
}

fn main() -> ExitCode {
    let kind = std::env::args().nth(1).unwrap_or_default();
    // As one of the tests of the package, without MPI and without a kind.
    if kind.is_empty() || kind.starts_with('-') {
        return ExitCode::SUCCESS;
    }
    demotic_mpi::main(|group| {
        if kind == "huge" {
            return huge(group);
        }
        if kind == "model" {
            let mut model = Linear::new(2 + group.rank() % 2, 1, &mut Rng::seed(0))?;
            return DataParallel::new(group).synchronize(&mut model);
        }
        // A whole operation before.
        group.all_reduce(&tensor![1.0])?;
        match group.rank() {
            1 if kind == "early" => return Ok(()),
            1 => odd(&kind, group)?,
            _ => drop(group.all_reduce(&Tensor::ones([5000])?)?),
        }
        group.barrier()
    })
}
