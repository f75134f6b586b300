//! Data in files that are larger than the memory: the same rows and bits as from memory, in any order.

use std::path::Path;

use demotic::data::{self, ColumnKind, CsvOptions, NpyRows, Position, ShuffleBuffer, StreamedTable, TableFile};
use demotic::parallel;
use demotic::prelude::*;

/// A file with texts in quotes, line breaks in them, holes, and a column that looks like numbers at its beginning.
fn houses(path: &Path, rows: usize) -> Table {
    let mut text = String::from("area,kind,zip,price\r\n");
    for i in 0..rows {
        let kind = ["flat", "\"a \"\"small\"\"\nhouse\"", "", "\"x,y\""][i % 4];
        let zip = if i < rows / 2 { format!("{}", 1000 + i) } else { format!("D-{i}") };
        text += &format!("{}.5,{kind},{zip},{}\n", i % 37, (i * i) % 101);
    }
    std::fs::write(path, &text).unwrap();
    Table::read_csv(path).unwrap()
}

#[test]
fn blocks_are_the_rows_of_the_table() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("h.csv");
    let whole = houses(&path, 103);
    assert_eq!(whole.column("zip")?.kind(), ColumnKind::Text);
    for rows in [1, 7, 50, 103, 1000, usize::MAX] {
        let file = TableFile::open_csv_in(&path, &CsvOptions::new(), rows)?;
        assert_eq!((file.num_rows(), file.num_blocks()), (103, 103_usize.div_ceil(rows)));
        let blocks: Vec<Table> = file.blocks().collect::<Result<_>>()?;
        assert_eq!(Table::concat(&blocks.iter().collect::<Vec<_>>())?, whole);
        let sample = file.sample(20, &mut Rng::seed(0))?;
        assert!(sample.num_rows() >= 20);
    }
    // Delimiters are found out once, and hold for each block.
    let semicolons = folder.path().join("s.csv");
    std::fs::write(&semicolons, "a;b\n1,5;2\n3;4\n5;6,5\n").unwrap();
    let options = CsvOptions::new().detect_delimiter().decimal_comma();
    let file = TableFile::open_csv_in(&semicolons, &options, 1)?;
    assert_eq!(file.block(2)?.column("b")?.numbers(), Some(&[6.5][..]));
    let bare = TableFile::open_csv_in(&semicolons, &options.header(false), 2)?;
    assert_eq!((bare.num_rows(), bare.num_blocks()), (4, 2));
    Ok(())
}

fn streamed(path: &Path, prep: &Preprocessor, rows: usize, buffer: usize) -> Result<StreamedTable> {
    Ok(TableFile::open_csv_in(path, &CsvOptions::new(), rows)?.dataset(prep.clone())?.shuffle_buffer(buffer))
}

fn values(batch: Result<(Tensor, Tensor)>) -> Result<(Vec<f64>, Vec<f64>)> {
    let (x, y) = batch?;
    Ok((x.to_f64_vec(), y.to_f64_vec()))
}

#[test]
fn batches_are_those_of_the_table_in_memory() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("h.csv");
    let whole = houses(&path, 103);
    let prep = Preprocessor::regression("price").ignore(&["zip"]).fit(&whole)?;
    let memory = prep.transform(&whole)?;
    for (rows, buffer) in [(10, 1), (10, 3), (7, 100), (200, 1)] {
        let data = streamed(&path, &prep, rows, buffer)?;
        let order = ShuffleBuffer::new(rows, buffer);
        let wanted: Vec<_> =
            memory.batches(8).sampler(&order).shuffle(&mut Rng::seed(5)).map(values).collect::<Result<_>>()?;
        let got: Vec<_> = data.batches(8).shuffle(&mut Rng::seed(5)).map(values).collect::<Result<_>>()?;
        assert_eq!(got, wanted, "{rows} rows, {buffer} blocks");
        let in_order: Vec<_> = data.batches(8).map(values).collect::<Result<_>>()?;
        assert_eq!(in_order, memory.batches(8).map(values).collect::<Result<Vec<_>>>()?);
        for (threads, workers) in [(1, 1), (2, 3)] {
            let mut found = Vec::new();
            parallel::with_threads(threads, || {
                data.batches(8).shuffle(&mut Rng::seed(5)).workers(workers).prefetch(|batch| {
                    found.push(values(Ok(batch))?);
                    Ok(())
                })
            })??;
            assert_eq!(found, wanted, "{threads} threads, {workers} workers");
        }
        // Saved in the middle, and opened again.
        let mut batches = data.batches(8).shuffle(&mut Rng::seed(5));
        (0..5).for_each(|_| drop(batches.next()));
        let saved = serde_json::to_string(&batches.position()).unwrap();
        let position: Position = serde_json::from_str(&saved).unwrap();
        let again = streamed(&path, &prep, rows, buffer)?;
        let rest: Vec<_> = again.batches(8).resume(&position).map(values).collect::<Result<_>>()?;
        assert_eq!(rest, wanted[5..]);
    }
    Ok(())
}

#[test]
fn a_trainer_learns_the_same_from_a_file() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("h.csv");
    let whole = houses(&path, 103);
    let prep = Preprocessor::regression("price").ignore(&["zip"]).fit(&whole)?;
    let train = |data: &dyn Dataset<Batch = (Tensor, Tensor)>, sampler: Option<ShuffleBuffer>, threads| {
        let mut rng = Rng::seed(1);
        let mut model = Linear::new(prep.num_features(), 1, &mut rng)?;
        let mut trainer = Trainer::new(losses::mse, Adam::new(0.01)).epochs(3).batch_size(8).prefetch(threads);
        if let Some(sampler) = sampler {
            trainer = trainer.sampler(sampler);
        }
        trainer.fit(&mut model, data, &mut rng)?;
        Ok::<_, Error>(model.predict(&Tensor::ones([1, prep.num_features()])?)?.to_f64_vec())
    };
    let wanted = train(&prep.transform(&whole)?, Some(ShuffleBuffer::new(10, 3)), 0)?;
    let file = streamed(&path, &prep, 10, 3)?;
    assert_eq!(train(&file, None, 0)?, wanted);
    assert_eq!(train(&file, None, 2)?, wanted);
    Ok(())
}

#[test]
fn rows_of_arrays() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npy");
    let x = Tensor::uniform([50, 2, 3], -1.0, 1.0, &mut Rng::seed(0))?;
    for dtype in [demotic::DType::F64, demotic::DType::BF16, demotic::DType::I8] {
        let x = x.mul_scalar(50.0).to_dtype(dtype);
        data::write_npy(&path, &x)?;
        let rows = NpyRows::open(&path)?;
        assert_eq!((rows.len(), rows.shape()), (50, &[50, 2, 3][..]));
        let batch = rows.batch(&[7, 8, 9, 3, 49, 3], &mut Rng::seed(0))?;
        let wanted = x.index_select(0, &Tensor::from_vec(vec![7_i64, 8, 9, 3, 49, 3], [6])?)?;
        assert_eq!((batch.dtype(), batch.shape(), batch.to_f64_vec()), (dtype, wanted.shape(), wanted.to_f64_vec()));
    }
    let golden = |name: &str| format!("{}/golden/files/{name}.npy", env!("CARGO_MANIFEST_DIR"));
    for name in ["f4_big", "u2", "u4_big", "version_3", "row"] {
        let whole = data::read_npy(golden(name))?;
        let rows = NpyRows::open(golden(name))?;
        let all: Vec<usize> = (0..rows.len()).collect();
        assert_eq!(rows.batch(&all, &mut Rng::seed(0))?.to_f64_vec(), whole.to_f64_vec(), "{name}");
    }
    let message = |name: &str| NpyRows::open(golden(name)).unwrap_err().message();
    assert_eq!(
        message("fortran"),
        format!(
            "NpyRows::open: {}: the array is in Fortran's order, in which rows do not lie together",
            golden("fortran")
        )
    );
    assert_eq!(message("scalar"), format!("NpyRows::open: {}: a single number, which has no rows", golden("scalar")));
    assert!(message("objects").contains("Python objects"));
    let rows = NpyRows::open(&path)?;
    assert_eq!(rows.batch(&[50], &mut Rng::seed(0)).unwrap_err().message(), "NpyRows: row 50 of 50, counted from 0");
    // Cut while it is in use.
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..200]).unwrap();
    assert_eq!(rows.batch(&[40], &mut Rng::seed(0)).unwrap_err().kind(), ErrorKind::Io);
    assert!(NpyRows::open(&path).unwrap_err().message().contains("elements of 1 bytes, but "));
    Ok(())
}

#[test]
fn files_that_do_not_do() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    let open = |text: &[u8], rows| {
        std::fs::write(&path, text).unwrap();
        TableFile::open_csv_in(&path, &CsvOptions::new(), rows)
    };
    let place = path.display().to_string();
    let message = |text: &[u8]| open(text, 1).unwrap_err().message();
    assert_eq!(message(b""), format!("TableFile::open_csv: {place}: the file has no rows"));
    assert_eq!(message(b"a,b\n"), format!("TableFile::open_csv: {place}: the file has no rows"));
    assert_eq!(
        message(b"\x1f\x8b\x08 packed"),
        format!("TableFile::open_csv: {place}: a gzip archive, of which rows cannot be read by their places")
    );
    let e = open(b"a,b\n1,2\n3\n", 1).unwrap_err();
    assert_eq!(e.message(), "from_csv_reader: line 2: 1 field, the header has 2");
    assert_eq!(e.caller(), Some(format!("the rows of {place} from line 3 on").as_str()));
    // Changed behind its back.
    let file = open(b"a,b\n1,2\n3,4\n", 1)?;
    std::fs::write(&path, b"a,b\n1,2\n\n\n\n\n").unwrap();
    assert!(file.block(1).is_err());
    assert_eq!(file.block(2).unwrap_err().message(), "TableFile::block: block 2 of 2, counted from 0");
    // Preprocessing that does not fit is said at once.
    let table = Table::from_columns([("c", data::Column::from([1.0, 2.0])), ("b", data::Column::from([1.0, 2.0]))])?;
    let prep = Preprocessor::fit(&table, "b")?;
    let e = open(b"a,b\n1,2\n3,4\n", 1)?.dataset(prep).unwrap_err();
    assert_eq!(e.message(), "transform: the table has no column `c`");
    let e = demotic::data::TensorDataset::new(Tensor::zeros([3])?, Tensor::zeros([3])?)?
        .batches(2)
        .sampler(&ShuffleBuffer::new(0, 0))
        .count();
    assert_eq!(e, 2);
    Ok(())
}
