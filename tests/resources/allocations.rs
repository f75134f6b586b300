//! How many heap allocations a training step makes, besides tensor memory, which comes from the pool.

use demotic::prelude::*;

/// The `mlp_tabular` step: 8-64-64-1, mean squared error, Adam, batches of 32. Most allocations are those of the recorded
/// graph: a node, its rule and the list of its inputs for each operation.
#[test]
fn a_small_step_makes_few_allocations() -> Result<()> {
    let _turn = crate::alone();
    let mut rng = Rng::seed(7);
    let (x, y) = (Tensor::normal([320, 8], 0.0, 1.0, &mut rng)?, Tensor::normal([320, 1], 0.0, 1.0, &mut rng)?);
    let mut model = sequential![
        Linear::new(8, 64, &mut rng)?,
        Relu,
        Linear::new(64, 64, &mut rng)?,
        Relu,
        Linear::new(64, 1, &mut rng)?
    ];
    let mut opt = Adam::new(1e-3);
    let mut step = |i: usize| -> Result<()> {
        let at = (i % 10) * 32;
        let (x, y) = (x.narrow(0, at, 32)?, y.narrow(0, at, 32)?);
        let loss = losses::mse(&model.forward(&x, &mut Mode::train(&mut rng))?, &y)?;
        opt.step(&mut model, &loss.backward()?)
    };
    for i in 0..20 {
        step(i)?;
    }
    let mut result = Ok(());
    let info = allocation_counter::measure(|| result = step(20));
    result?;
    assert!(info.count_total <= 25, "{} allocations", info.count_total);
    Ok(())
}

/// A target and a column of names, nearly all of which differ: a table of all of them by all of them would take gigabytes.
#[test]
fn names_by_the_thousand_take_memory_for_each_and_not_for_each_pair() -> Result<()> {
    use demotic::data::Column;
    use demotic::data::quality::Quality;

    let _turn = crate::alone();
    let n = 60_000;
    let columns = [(1, "target"), (6, "town")]
        .map(|(each, name)| (name, (0..n).map(|i| Some(format!("{name} {}", i / each))).collect::<Column>()));
    let table = Table::from_columns(columns)?;
    let mut result = Ok(Vec::new());
    let info = allocation_counter::measure(|| result = Quality::new().target("target").examine(&table));
    result?;
    assert!(info.bytes_max < 200_000_000, "{} bytes", info.bytes_max);
    Ok(())
}
