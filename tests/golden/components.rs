//! Principal components are those of scikit-learn: `tests/golden/make_components.py` made the numbers.

use demotic::data::Table;
use demotic::prelude::*;
use demotic::train::embedding::pca;
use serde_json::Value;

fn file() -> Value {
    serde_json::from_str(include_str!("components.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

#[test]
fn principal_components() -> Result<()> {
    for case in file()["components"].as_array().unwrap() {
        let data = case["data"].as_str().unwrap();
        let table = Table::read_csv(format!("{}/../examples/data/{data}.csv", env!("CARGO_MANIFEST_DIR")))?;
        let columns: Vec<&[f64]> = table.columns().filter_map(|(_, column)| column.numbers()).collect();
        // The last column of the digits is the digit.
        let columns = &columns[..if data == "digits" { 64 } else { 4 }];
        let x: Vec<f64> = (0..table.num_rows()).flat_map(|row| columns.iter().map(move |column| column[row])).collect();
        let x = Tensor::from_vec(x, [table.num_rows(), columns.len()])?;
        let k = case["dimensions"].as_u64().unwrap() as usize;
        let flat = pca(&x, k)?;
        for (row, want) in case["rows"].as_array().unwrap().iter().enumerate() {
            let got = flat.narrow(0, row, 1)?.to_f64_vec();
            for (got, want) in got.iter().zip(numbers(want)) {
                assert!((got - want).abs() < 1e-6, "{data}, row {row}: {got}, expected {want}");
            }
        }
        let variance = flat.square().sum_dims(&[0], false)?.div_scalar((table.num_rows() - 1) as f64).to_f64_vec();
        for (got, want) in variance.iter().zip(numbers(&case["variance"])) {
            assert!((got / want - 1.0).abs() < 1e-10, "{data}: {got}, expected {want}");
        }
    }
    // Points on a line, fewer points than coordinates, all points the same.
    let line = Tensor::from_vec((0..5).flat_map(|i| [i as f64, 2.0 * i as f64, -i as f64]).collect(), [5, 3])?;
    let flat = pca(&line, 2)?.to_f64_vec();
    assert!(
        (0..5).all(|i| (flat[2 * i] - (i as f64 - 2.0) * 6.0_f64.sqrt()).abs() < 1e-9 && flat[2 * i + 1].abs() < 1e-9)
    );
    assert_eq!(pca(&Tensor::normal([3, 500], 0.0, 1.0, &mut Rng::seed(0))?, 2)?.shape(), [3, 2]);
    assert_eq!(pca(&Tensor::ones([4, 3])?, 3)?.to_f64_vec(), [0.0; 12]);
    Ok(())
}
