//! Every rule of preprocessing, with values worked out by hand, and stratified folds.

use approx::assert_relative_eq;
use demotic::data::{Column, Impute, PreprocessorBuilder, Scaling, Unseen};
use demotic::prelude::*;

const NAN: f64 = f64::NAN;

/// Areas 1, (missing), 3, 8 with mean 4, median 3 and variance (9 + 1 + 16) / 3; the number of a district; a kind, once
/// missing; a price.
fn houses() -> Table {
    Table::from_columns([
        ("area", Column::from([1.0, NAN, 3.0, 8.0])),
        ("district", Column::from([2.0, 1.0, 2.0, 10.0])),
        ("kind", Column::from(vec![Some("flat"), None, Some("house"), Some("flat")])),
        ("price", Column::from([10.0, 20.0, 30.0, 60.0])),
    ])
    .unwrap()
}

/// The features of the area alone.
fn areas(rules: &PreprocessorBuilder) -> Vec<f64> {
    let prep = rules.clone().ignore(&["district", "kind"]).fit(&houses()).unwrap();
    prep.transform_features(&houses()).unwrap().to_f64_vec()
}

#[track_caller]
fn close(a: &[f64], b: &[f64]) {
    assert_relative_eq!(a, b, max_relative = 1e-6, epsilon = 1e-7);
}

#[track_caller]
fn fails<T>(result: Result<T>, message: &str, help: &str) {
    let Err(e) = result else { panic!("there is no error") };
    assert_eq!((e.message().as_str(), e.help().unwrap_or_default()), (message, help));
    assert!(e.to_string().contains("tests/training/preprocessing.rs"), "not the caller's line: {e}");
}

#[test]
fn missing_numbers() {
    let rules = Preprocessor::regression("price").scaling(Scaling::None);
    close(&areas(&rules), &[1.0, 3.0, 3.0, 8.0]);
    close(&areas(&rules.clone().impute(Impute::Median)), &[1.0, 3.0, 3.0, 8.0]);
    close(&areas(&rules.clone().impute(Impute::Mean)), &[1.0, 4.0, 3.0, 8.0]);
    close(&areas(&rules.clone().impute(Impute::Constant(-7.0))), &[1.0, -7.0, 3.0, 8.0]);
    // What is said of one column goes before what is said of all, and the last word counts.
    let rules = rules.impute_of("area", Impute::Mean).impute_of("area", Impute::Constant(0.0)).impute(Impute::Error);
    close(&areas(&rules), &[1.0, 0.0, 3.0, 8.0]);
    fails(
        Preprocessor::regression("price").impute(Impute::Error).fit(&houses()),
        "fit: column `area` has no value in row 1",
        "table.drop_missing(&[\"area\"]) leaves out such rows",
    );
    for x in [NAN, f64::INFINITY] {
        fails(
            Preprocessor::regression("price").impute(Impute::Constant(x)).fit(&houses()),
            &format!("fit: the number in place of missing ones in column `area` would be {x}"),
            "",
        );
    }
}

#[test]
fn scaling_is_learnt_from_the_numbers_that_are_there() {
    let sd = (26f64 / 3.0).sqrt();
    let rules = Preprocessor::regression("price");
    close(&areas(&rules), &[-3.0 / sd, -1.0 / sd, -1.0 / sd, 4.0 / sd]);
    close(&areas(&rules.clone().impute(Impute::Mean)), &[-3.0 / sd, 0.0, -1.0 / sd, 4.0 / sd]);
    close(&areas(&rules.clone().scaling(Scaling::MinMax)), &[0.0, 2.0 / 7.0, 2.0 / 7.0, 1.0]);
    let one = rules.clone().scaling_of("area", Scaling::None).scaling(Scaling::MinMax);
    close(&areas(&one), &[1.0, 3.0, 3.0, 8.0]);
}

#[test]
fn targets_are_scaled_and_brought_back() -> Result<()> {
    // Mean 30, variance (400 + 100 + 0 + 900) / 4.
    let sd = 350f64.sqrt();
    let expected = [
        (Scaling::Standard, [-20.0 / sd, -10.0 / sd, 0.0, 30.0 / sd]),
        (Scaling::MinMax, [0.0, 0.2, 0.4, 1.0]),
        (Scaling::None, [10.0, 20.0, 30.0, 60.0]),
    ];
    for (scaling, expected) in expected {
        let prep = Preprocessor::regression("price").target_scaling(scaling).fit(&houses())?;
        let y = prep.transform(&houses())?.y().clone();
        assert_eq!((y.shape(), y.dtype()), (&[4, 1][..], DType::F32));
        close(&y.to_f64_vec(), &expected);
        close(&prep.inverse_target(&y)?.to_f64_vec(), &[10.0, 20.0, 30.0, 60.0]);
    }
    Ok(())
}

#[test]
fn missing_indicators_mark_what_was_missing() -> Result<()> {
    let rules = Preprocessor::regression("price").scaling(Scaling::None).missing_indicators(true).ignore(&["kind"]);
    let prep = rules.fit(&houses())?;
    // Nothing is missing in `district`.
    assert_eq!(prep.feature_names(), ["area", "area=(missing)", "district"]);
    let expected = [1.0, 0.0, 2.0, 3.0, 1.0, 1.0, 3.0, 0.0, 2.0, 8.0, 0.0, 10.0];
    assert_eq!(prep.transform(&houses())?.x().to_f64_vec(), expected);
    let again = Preprocessor::from_json(&prep.to_json()?)?;
    assert_eq!(again.transform(&houses())?.x().to_f64_vec(), expected);
    // A number that is missing for the first time is filled in, without a mark of its own.
    let test = houses().rows(&[0])?.drop(&["district"])?.with_column("district", [NAN])?;
    assert_eq!(prep.transform_features(&test)?.to_f64_vec(), [1.0, 0.0, 2.0]);
    // A column that is missing altogether has no kind; it is taken for numbers.
    let test = houses().rows(&[0])?.drop(&["area"])?.with_column("area", vec![None::<&str>])?;
    assert_eq!(prep.transform_features(&test)?.to_f64_vec(), [3.0, 1.0, 2.0]);
    Ok(())
}

#[test]
fn categories() -> Result<()> {
    let rules = Preprocessor::regression("price").ignore(&["area", "district"]);
    let prep = rules.fit(&houses())?;
    assert_eq!(prep.feature_names(), ["kind=flat", "kind=house", "kind=(missing)"]);
    let expected = [1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0];
    assert_eq!(prep.transform(&houses())?.x().to_f64_vec(), expected);

    let prep = rules.clone().drop_first(true).fit(&houses())?;
    assert_eq!(prep.feature_names(), ["kind=house", "kind=(missing)"]);
    assert_eq!(prep.transform(&houses())?.x().to_f64_vec(), [0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0]);

    // Numbers as categories, in the order of the numbers.
    let prep = Preprocessor::regression("price").ignore(&["area", "kind"]).categorical(&["district"]).fit(&houses())?;
    assert_eq!(prep.feature_names(), ["district=1", "district=2", "district=10"]);
    assert_eq!(prep.transform(&houses())?.x().to_f64_vec()[..6], [0.0, 1.0, 0.0, 1.0, 0.0, 0.0]);
    let castle = houses().rows(&[0])?.drop(&["district"])?.with_column("district", [3.0])?;
    assert_eq!(prep.transform(&castle)?.x().to_f64_vec(), [0.0; 3]);
    let strict = Preprocessor::regression("price").ignore(&["area", "kind"]).categorical(&["district"]);
    fails(
        strict.unseen(Unseen::Error).fit(&houses())?.transform(&castle),
        "transform: column `district` has `3` in row 0, which did not occur when fitting",
        "known are `1`, `2`, `10`; Unseen::Zeros allows others",
    );
    // Missing texts that the training part did not have are unseen ones.
    let whole = houses().rows(&[0, 2, 3])?;
    let prep = rules.clone().fit(&whole)?;
    assert_eq!(prep.transform(&houses().rows(&[1])?)?.x().to_f64_vec(), [0.0, 0.0]);
    fails(
        rules.unseen(Unseen::Error).fit(&whole)?.transform(&houses()),
        "transform: column `kind` has no value in row 1, which did not occur when fitting",
        "known are `flat`, `house`; Unseen::Zeros allows others",
    );
    Ok(())
}

#[test]
fn too_many_categories_are_probably_none() -> Result<()> {
    let names: Vec<String> = (0..300).map(|i| format!("n{i}")).collect();
    let ids = Column::from(names);
    let table = Table::from_columns([("id", ids), ("y", Column::from((0..300).map(f64::from).collect::<Vec<_>>()))])?;
    fails(
        Preprocessor::fit(&table, "y"),
        "fit: column `id` has 300 categories, more than 256",
        "leave the column out with ignore(&[\"id\"]), or raise max_categories",
    );
    assert_eq!(Preprocessor::regression("y").max_categories(300).fit(&table)?.num_features(), 300);
    fails(
        Preprocessor::classification("y").ignore(&["id"]).fit(&table.clone().with_column("x", vec![1.0; 300])?),
        "fit: column `y` has 300 categories, more than 256",
        "use Preprocessor::regression(\"y\") to predict a number",
    );
    let mut numbers: Vec<String> = (0..300).map(|i| i.to_string()).collect();
    numbers[7] = "unknown".to_string();
    let table = table.with_column("size", numbers)?;
    fails(
        Preprocessor::regression("y").ignore(&["id"]).fit(&table),
        "fit: column `size` has 300 categories, more than 256",
        "most are numbers: is `unknown` in row 7 a missing value? CsvOptions::missing names its marks",
    );
    Ok(())
}

#[test]
fn without_a_target_every_column_is_a_feature() -> Result<()> {
    let prep = Preprocessor::unsupervised().ignore(&["kind"]).fit(&houses())?;
    assert_eq!(
        (prep.feature_names(), prep.target_name()),
        (["area", "district", "price"].map(String::from).to_vec(), None)
    );
    fails(
        prep.transform(&houses()),
        "transform: this preprocessor was fitted without a target",
        "transform_features() gives the features alone",
    );
    fails(prep.inverse_target(&tensor![1.0]), "inverse_target: this preprocessor was fitted without a target", "");
    Ok(())
}

#[test]
fn classes_have_numbers_and_names() -> Result<()> {
    let prep = Preprocessor::classification("district").ignore(&["kind"]).fit(&houses())?;
    assert_eq!(prep.transform(&houses())?.y().to_vec::<i64>()?, [1, 0, 1, 2]);
    assert_eq!(prep.class_names(&Tensor::from_nested([2i64, 0])?)?, ["10", "1"]);
    fails(prep.class_names(&Tensor::from_nested([3i64])?), "class_names: class 3, there are 3 classes", "");
    fails(
        prep.class_names(&tensor![1.0]),
        "class_names: classes must be i64, not f32",
        "convert with to_dtype(DType::I64)",
    );
    fails(
        prep.inverse_target(&tensor![1.0]),
        "inverse_target: the target is a class, not a number",
        "class_names() turns class numbers into names",
    );
    let other = houses().rows(&[0])?.drop(&["district"])?.with_column("district", [7.0])?;
    fails(
        prep.transform(&other),
        "transform: the target `district` has `7` in row 0, which did not occur when fitting",
        "the classes are `1`, `2`, `10`",
    );
    fails(
        Preprocessor::classification("kind").fit(&houses().rows(&[0, 3])?),
        "fit: the target `kind` has a single class, `flat`",
        "",
    );
    fails(
        Preprocessor::regression("kind").fit(&houses()),
        "fit: the target `kind` has texts, expected numbers",
        "use Preprocessor::classification(\"kind\") to predict a class",
    );
    Ok(())
}

#[test]
fn columns_that_teach_nothing() -> Result<()> {
    let constant = houses().with_column("floors", vec![0.1; 4])?;
    let prep = Preprocessor::regression("price").ignore(&["area", "district", "kind"]).fit(&constant)?;
    assert_eq!(prep.transform(&constant)?.x().to_f64_vec(), [0.0; 4]);
    for column in [Column::from(vec![NAN; 4]), Column::from(vec![None::<&str>; 4])] {
        fails(
            Preprocessor::fit(&houses().with_column("empty", column)?, "price"),
            "fit: column `empty` has no values in the training part",
            "leave it out with ignore(&[\"empty\"])",
        );
    }
    fails(
        Preprocessor::fit(&houses().with_column("far", [1.0, 2.0, f64::INFINITY, 3.0])?, "price"),
        "fit: column `far` is infinite in row 2",
        "",
    );
    let far = houses().with_column("far", [f64::MAX, 0.0, -f64::MAX, 0.0])?;
    let prep = Preprocessor::regression("price").ignore(&["area", "district", "kind"]).fit(&far)?;
    close(&prep.transform(&far)?.x().to_f64_vec(), &[2f64.sqrt(), 0.0, -(2f64.sqrt()), 0.0]);
    fails(
        Preprocessor::regression("price").scaling(Scaling::MinMax).fit(&far),
        "fit: the numbers of column `far`, from -1.7976931348623157e308 to 1.7976931348623157e308, are too extreme to \
         be scaled",
        "",
    );
    fails(Preprocessor::fit(&houses().rows(&[])?, "price"), "fit: the training part has no rows", "");
    fails(Preprocessor::fit(&houses().select(&["price"])?, "price"), "fit: no columns are left as features", "");
    fails(
        Preprocessor::fit(&houses(), "area"),
        "fit: column `area` has no value in row 1",
        "table.drop_missing(&[\"area\"]) leaves out such rows",
    );
    Ok(())
}

#[test]
fn rules_must_apply() {
    let rules = || Preprocessor::regression("price");
    fails(
        rules().ignore(&["distric"]).fit(&houses()),
        "fit: the table has no column `distric`",
        "did you mean `district`? the columns are area, district, kind, price",
    );
    for rules in [rules().scaling_of("kind", Scaling::None), rules().impute_of("kind", Impute::Mean)] {
        fails(rules.fit(&houses()), "fit: column `kind` has categories, which are neither scaled nor imputed", "");
    }
    let both = rules().categorical(&["district"]).scaling_of("district", Scaling::None);
    fails(both.fit(&houses()), "fit: column `district` has categories, which are neither scaled nor imputed", "");
    fails(
        rules().scaling_of("price", Scaling::None).fit(&houses()),
        "fit: `price` is the target, a rule names it as a feature",
        "the target is no feature in any case: leave it out of the rule; target_scaling() scales it",
    );
}

#[test]
fn tables_of_another_kind_are_refused() -> Result<()> {
    let prep = Preprocessor::fit(&houses(), "price")?;
    let with = |name: &str, column: Column| houses().rows(&[0, 1])?.drop(&[name])?.with_column(name, column);
    fails(
        prep.transform(&with("area", Column::from(["12", "large"]))?),
        "transform: column `area` has texts (`large` in row 1), it had numbers when fitting",
        "give a number, or read the text with the CsvOptions of the table that was fitted",
    );
    fails(
        prep.transform(&with("kind", Column::from([1.0, 2.0]))?),
        "transform: column `kind` has numbers, it had texts when fitting",
        "read the file with CsvOptions::new().text(&[\"kind\"])",
    );
    fails(
        prep.transform(&with("area", Column::from([1.0, 1e300]))?),
        "transform: column `area` is 1e300 in row 1, beyond the range of f32",
        "",
    );
    fails(
        prep.transform(&with("price", Column::from([1.0, -1e300]))?),
        "transform: the target `price` is -1e300 in row 1, beyond the range of f32",
        "",
    );
    assert_eq!(prep.transform(&houses().rows(&[])?)?.x().shape(), [0, prep.num_features()]);
    Ok(())
}

#[test]
fn stratified_folds_have_every_class_in_proportion() -> Result<()> {
    // 60, 30 and 9 rows of three kinds, mixed.
    let kinds: Vec<&str> = (0..99).map(|i| ["a", "a", "b"][i % 3]).collect();
    let kinds: Vec<&str> = kinds.iter().enumerate().map(|(i, kind)| if i % 11 == 10 { "c" } else { *kind }).collect();
    let table = Table::from_columns([("kind", Column::from(kinds))])?;
    let (labels, names) = table.factorize("kind")?;
    assert_eq!(names, ["a", "b", "c"]);
    let count = |rows: &[usize], class: usize| rows.iter().filter(|row| labels[**row] == class).count();
    let all: Vec<usize> = (0..99).collect();
    for kfold in [KFold::new(5), KFold::new(5).shuffle(&mut Rng::seed(1))] {
        let mut tested = Vec::new();
        for fold in kfold.split_stratified(&labels)? {
            for class in 0..3 {
                let n = count(&all, class);
                assert!((n / 5..=n.div_ceil(5)).contains(&count(&fold.test, class)), "class {class} of {n}");
            }
            assert!((19..=20).contains(&fold.test.len()));
            let mut both = [fold.train, fold.test.clone()].concat();
            both.sort_unstable();
            assert_eq!(both, all);
            tested.extend(fold.test);
        }
        tested.sort_unstable();
        assert_eq!(tested, all);
    }
    let shuffled = |seed| -> Result<Vec<_>> {
        let folds = KFold::new(3).shuffle(&mut Rng::seed(seed)).split_stratified(&labels)?;
        Ok(folds.map(|fold| fold.test).collect())
    };
    assert_eq!(shuffled(1)?, shuffled(1)?);
    assert_ne!(shuffled(1)?, shuffled(2)?);

    // A class with fewer rows than folds is absent from some.
    let tests: Vec<_> = KFold::new(3).split_stratified(&[0, 1, 1, 0, 0, 0])?.map(|fold| fold.test.len()).collect();
    assert_eq!(tests, [2, 2, 2]);
    fails(
        KFold::new(3).split_stratified(&[0, 1]),
        "KFold: k is 3, more than the 2 rows there are",
        "every fold needs a row to test on",
    );
    fails(KFold::new(0).split_stratified(&[0, 1]), "KFold: k is 0, expected at least 2 folds", "");
    fails(
        houses().factorize("kind"),
        "factorize: column `kind` has no value in row 1",
        "table.drop_missing(&[\"kind\"]) leaves out such rows",
    );
    Ok(())
}

/// Numbers of rows, customers, orders: whole, all different, and named or dense.
#[test]
fn numbers_of_rows_are_noted() -> Result<()> {
    let notes = |name: &str, numbers: Vec<f64>| -> Result<usize> {
        let y: Vec<f64> = (0..numbers.len()).map(|i| (i % 5) as f64).collect();
        let table = Table::from_columns([(name, Column::from(numbers)), ("y", Column::from(y))])?;
        let prep = Preprocessor::fit(&table, "y")?;
        assert_eq!(Preprocessor::from_json(&prep.to_json()?)?, prep);
        assert_eq!(Preprocessor::regression("y").categorical(&[name]).fit(&table)?.notes().len(), 0);
        Ok(prep.notes().len())
    };
    let of = |n: usize, f: fn(usize) -> f64| (0..n).map(f).collect::<Vec<_>>();
    assert_eq!(notes("row", of(30, |i| i as f64))?, 1);
    // In any order, and after a split: with gaps.
    assert_eq!(notes("row", of(31, |i| 7000.0 + (i * 12 % 31) as f64))?, 1);
    assert_eq!(notes("row", of(30, |i| (i + i / 4) as f64))?, 1);
    // Far apart, as the name says or does not.
    assert_eq!(notes("customer_id", of(30, |i| (i * i * 1000) as f64))?, 1);
    assert_eq!(notes("area", of(30, |i| (i * i * 1000) as f64))?, 0);
    // Values that occur again, fractions, and few rows.
    assert_eq!(notes("id", of(30, |i| (i / 2) as f64))?, 0);
    assert_eq!(notes("id", of(30, |i| i as f64 + 0.5))?, 0);
    assert_eq!(notes("id", of(19, |i| i as f64))?, 0);
    Ok(())
}
