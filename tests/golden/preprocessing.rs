//! Preprocessing and operations on tables against scikit-learn, category_encoders and pandas: `tests/golden/make_preprocessing.py` made
//! the numbers.

use demotic::data::{
    Aggregate, Column, Encoding, Impute, JoinKind, MissingCategory, Outliers, Scaling, Smoothing, SortOrder, Unseen,
};
use demotic::prelude::*;
use serde_json::Value as Json;

fn load(name: &str) -> Json {
    let path = format!("{}/tests/golden/tables/{name}.json", concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn list(json: &Json) -> &[Json] {
    json.as_array().unwrap()
}

/// NaN for what is missing.
fn numbers(json: &Json) -> Vec<f64> {
    list(json).iter().map(|x| x.as_f64().unwrap_or(f64::NAN)).collect()
}

/// The rows of a matrix, one after the other.
fn flat(json: &Json) -> Vec<f64> {
    list(json).iter().flat_map(numbers).collect()
}

fn texts(json: &Json) -> Column {
    list(json).iter().map(Json::as_str).collect()
}

fn one(name: &str, column: impl Into<Column>) -> Table {
    Table::from_columns([(name, column.into())]).unwrap()
}

#[track_caller]
fn close(got: &[f64], want: &[f64], tolerance: f64, what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (i, (a, b)) in got.iter().zip(want).enumerate() {
        let near = (a - b).abs() <= tolerance * b.abs().max(1.0) || (a.is_nan() && b.is_nan());
        assert!(near, "{what}, {i}: {a:e}, not {b:e}");
    }
}

/// After its way through a file.
fn saved(prep: &Preprocessor) -> Result<Preprocessor> {
    let again = Preprocessor::from_json(&prep.to_json()?)?;
    assert_eq!(again, *prep);
    Ok(again)
}

#[test]
fn every_scaler_and_back() -> Result<()> {
    let mut seen = 0;
    for case in list(&load("preprocessing")["scalers"]) {
        let (train, test) = (one("x", numbers(&case["train"])), one("x", numbers(&case["test"])));
        for (kind, expected) in case["scaled"].as_object().unwrap() {
            let what = format!("{} {kind}", case["name"]);
            let scaling = match kind.as_str() {
                "robust" => Scaling::Robust,
                "max abs" => Scaling::MaxAbs,
                "uniform" => Scaling::QuantileUniform,
                "normal" => Scaling::QuantileNormal,
                "yeo-johnson" => Scaling::YeoJohnson,
                "box-cox" => Scaling::BoxCox,
                "log" => Scaling::Log,
                "log1p" => Scaling::Log1p,
                _ => panic!("{kind}"),
            };
            seen += 1;
            let prep = saved(&Preprocessor::unsupervised().scaling(scaling).fit(&train)?)?;
            let x = prep.transform_features(&test)?.to_f64_vec();
            // Where a likelihood is greatest, it is flat: powers agree to the root of what a number holds.
            let tolerance = if kind.contains('-') { 2e-5 } else { 1e-6 };
            close(&x, &numbers(&expected["scaled"]), tolerance, &what);

            // Back, from what scikit-learn scaled, and as a target.
            let scaled = Tensor::from_vec(numbers(&expected["scaled"]), [x.len(), 1])?;
            let back = prep.inverse_features(&scaled)?;
            let want = numbers(&expected["back"]);
            close(back.column("x")?.numbers().unwrap(), &want, 1e-4, &what);
            let with = |table: &Table| {
                table.clone().with_column(
                    "other",
                    vec![1.0; table.num_rows()].into_iter().enumerate().map(|(i, x)| x + i as f64).collect::<Column>(),
                )
            };
            let target = saved(&Preprocessor::regression("x").target_scaling(scaling).fit(&with(&train)?)?)?;
            close(&target.transform(&with(&test)?)?.y().to_f64_vec(), &x, 0.0, &what);
            close(&target.inverse_target(&scaled)?.to_f64_vec(), &want, 1e-4, &what);
            close(target.inverse(&scaled)?.column("x")?.numbers().unwrap(), &want, 1e-4, &what);
        }
    }
    assert!(seen >= 30, "{seen}");
    Ok(())
}

#[test]
fn every_imputer() -> Result<()> {
    let case = &load("preprocessing")["imputers"];
    let (train, test) = (one("x", numbers(&case["train"])), one("x", numbers(&case["test"])));
    for (strategy, expected) in case["numbers"].as_object().unwrap() {
        let impute = match strategy.as_str() {
            "mean" => Impute::Mean,
            "median" => Impute::Median,
            "most_frequent" => Impute::MostFrequent,
            _ => Impute::Constant(-7.0),
        };
        let rules = Preprocessor::unsupervised().scaling(Scaling::None).missing_indicators(true);
        for rules in [rules.clone().impute(impute), rules.impute(Impute::Error).impute_of("x", impute)] {
            let prep = saved(&rules.fit(&train)?)?;
            assert_eq!(prep.feature_names(), ["x", "x=(missing)"]);
            close(&prep.transform_features(&test)?.to_f64_vec(), &flat(expected), 1e-6, strategy);
        }
    }
    let (train, other) = (one("x", texts(&case["texts"])), one("x", texts(&case["other"])));
    for (strategy, expected) in case["filled"].as_object().unwrap() {
        let missing = match strategy.as_str() {
            "most_frequent" => MissingCategory::MostFrequent,
            _ => MissingCategory::Constant("unknown".into()),
        };
        let rules = Preprocessor::unsupervised().missing_category(missing.clone());
        let prep = saved(&rules.fit(&train)?)?;
        let names: Vec<String> =
            list(&expected["categories"]).iter().map(|name| format!("x={}", name.as_str().unwrap())).collect();
        assert_eq!(prep.feature_names(), names);
        assert_eq!(prep.transform_features(&other)?.to_f64_vec(), flat(&expected["encoded"]), "{strategy}");
        // And where it was missing, as a feature of its own.
        let prep = rules.missing_indicator_of("x", true).fit(&train)?;
        let x = prep.transform_features(&other)?;
        let marks: Vec<f64> = x.to_f64_vec().into_iter().skip(names.len()).step_by(names.len() + 1).collect();
        assert_eq!((prep.feature_names().last().unwrap().as_str(), marks), ("x=(missing)", vec![1.0, 0.0, 0.0]));
        assert_eq!(prep.inverse_features(&x)?.column("x")?, other.column("x")?);
    }
    Ok(())
}

#[test]
fn outliers_are_clipped() -> Result<()> {
    let case = &load("preprocessing")["outliers"];
    let (train, test) = (one("x", numbers(&case["train"])), one("x", numbers(&case["test"])));
    for expected in list(&case["cases"]) {
        let name = expected["name"].as_str().unwrap();
        let outliers = match name {
            "iqr 1.5" => Outliers::Iqr(1.5),
            "sigmas 2" => Outliers::Sigmas(2.0),
            _ => Outliers::Quantiles { low: 0.05, high: 0.9 },
        };
        let rules = Preprocessor::unsupervised();
        let plain = saved(&rules.clone().clip_outliers(outliers).scaling(Scaling::None).fit(&train)?)?;
        close(&plain.transform_features(&test)?.to_f64_vec(), &numbers(&expected["clipped"]), 1e-6, name);
        let scaled = rules.clip_outliers_of("x", outliers).fit(&train)?;
        close(&scaled.transform_features(&test)?.to_f64_vec(), &numbers(&expected["scaled"]), 1e-6, name);
    }
    Ok(())
}

#[test]
fn one_hot_ordinal_frequency_and_hashes() -> Result<()> {
    let file = load("preprocessing");
    let case = &file["one_hot"];
    let (train, test) = (one("x", texts(&case["train"])), one("x", texts(&case["test"])));
    for expected in list(&case["cases"]) {
        let name = expected["name"].as_str().unwrap();
        let rules = Preprocessor::unsupervised();
        let rules = match name {
            "plain" => rules,
            "drop" => rules.drop_first(true),
            "at most 3" => rules.limit_categories(3),
            "at most 3, unknown rare" => rules.limit_categories_of("x", 3).unseen_of("x", Unseen::Rare),
            "at least 8" => rules.min_frequency(8).unseen(Unseen::Rare),
            "at least 5, at most 4" => rules.min_frequency(5).limit_categories(4).unseen(Unseen::Rare),
            _ => panic!("{name}"),
        };
        let prep = saved(&rules.fit(&train)?)?;
        let names: Vec<String> =
            list(&expected["names"]).iter().map(|name| format!("x={}", name.as_str().unwrap())).collect();
        assert_eq!(prep.feature_names(), names, "{name}");
        assert_eq!(prep.transform_features(&test)?.to_f64_vec(), flat(&expected["encoded"]), "{name}");
    }

    let holes = one("x", texts(&case["holes"]));
    let rules = Preprocessor::unsupervised().scaling(Scaling::None);
    let encoded = |rules: demotic::data::PreprocessorBuilder, values: Column| -> Result<Vec<f64>> {
        Ok(saved(&rules.fit(&holes)?)?.transform_features(&one("x", values))?.to_f64_vec())
    };
    let some = Column::from(vec![Some("c"), Some("z"), None, Some("a"), Some("f")]);
    assert_eq!(encoded(rules.clone().encode(Encoding::Ordinal), some)?, numbers(&case["ordinal"]));
    let some = Column::from(vec![Some("c"), Some("z"), None, Some("a")]);
    let shares = encoded(rules.clone().encode_of("x", Encoding::Frequency), some)?;
    close(&shares, &numbers(&case["shares"]), 1e-6, "shares");
    for expected in list(&case["hashed"]) {
        let features = expected["features"].as_u64().unwrap() as usize;
        let rules = rules.clone().encode(Encoding::Hashing { features });
        assert_eq!(rules.fit(&holes)?.num_features(), features);
        assert_eq!(encoded(rules, texts(&case["words"]))?, flat(&expected["encoded"]), "{features}");
    }
    Ok(())
}

#[test]
fn encoding_by_the_target() -> Result<()> {
    let file = load("preprocessing");
    let case = &file["target"];
    let test = one("x", texts(&case["test"]));
    for expected in list(&case["cases"]) {
        let (name, smooth) = (expected["name"].as_str().unwrap(), expected["smooth"].as_str().unwrap());
        let smoothing = match smooth {
            "auto" => Smoothing::Auto,
            rows => Smoothing::Rows(rows.parse().unwrap()),
        };
        let train = one("x", texts(&case["train"])).with_column("y", numbers(&case["targets"][name]))?;
        let rules = match name {
            "number" => Preprocessor::regression("y"),
            "binary" => Preprocessor::binary("y"),
            _ => Preprocessor::classification("y"),
        };
        let rules = rules.scaling(Scaling::None).encode_of("x", Encoding::Target(smoothing));
        let what = format!("{name} {smooth}");
        let prep = saved(&rules.fit(&train)?)?;
        close(&prep.transform_features(&test)?.to_f64_vec(), &flat(&expected["encoded"]), 1e-6, &what);

        let (same, data) = rules.fit_transform(&train, &KFold::new(5))?;
        close(&data.x().to_f64_vec(), &flat(&expected["out of fold"]), 1e-6, &what);
        assert_eq!(same.transform_features(&test)?.to_f64_vec(), prep.transform_features(&test)?.to_f64_vec());
        assert_eq!((same.notes().len(), prep.notes().len()), (0, 1));
        assert_eq!(data.y().to_f64_vec(), prep.transform(&train)?.y().to_f64_vec());
    }
    Ok(())
}

#[test]
fn weights_of_classes_and_lists_of_labels() -> Result<()> {
    let file = load("preprocessing");
    let case = &file["classes"];
    let y: Vec<i64> = list(&case["y"]).iter().map(|y| y.as_i64().unwrap()).collect();
    let data = TensorDataset::new(Tensor::zeros([y.len(), 1])?, Tensor::from_slice(&y, [y.len()])?)?;
    close(&data.class_weights()?.to_f64_vec(), &numbers(&case["weights"]), 1e-7, "classes");
    close(&data.sample_weights()?.to_f64_vec(), &numbers(&case["samples"]), 1e-7, "samples");

    let table = one("tags", texts(&case["lists"])).with_column("x", [1.0, 2.0, 3.0, 4.0])?;
    let prep = saved(&Preprocessor::label_lists("tags", ";").fit(&table)?)?;
    let names: Vec<&str> = list(&case["labels"]).iter().map(|name| name.as_str().unwrap()).collect();
    assert_eq!(prep.labels().unwrap(), names);
    assert_eq!(prep.transform(&table)?.y().to_f64_vec(), flat(&case["marks"]));
    Ok(())
}

#[test]
fn folds_and_parts() -> Result<()> {
    let file = load("preprocessing");
    let case = &file["splits"];
    let whole = |json: &Json| list(json).iter().map(|x| x.as_u64().unwrap() as usize).collect::<Vec<_>>();
    let counts = |y: &[usize], rows: &[usize]| {
        let mut counts = vec![0; y.iter().max().unwrap() + 1];
        rows.iter().for_each(|row| counts[y[*row]] += 1);
        counts
    };
    for fold in list(&case["folds"]) {
        let (n, k) = (fold["n"].as_u64().unwrap() as usize, fold["k"].as_u64().unwrap() as usize);
        let tests: Vec<Vec<usize>> = KFold::new(k).split(n)?.map(|fold| fold.test).collect();
        assert_eq!(tests, list(&fold["tests"]).iter().map(whole).collect::<Vec<_>>());
    }
    for fold in list(&case["strata"]) {
        let (y, k) = (whole(&fold["y"]), fold["k"].as_u64().unwrap() as usize);
        let got: Vec<Vec<usize>> = KFold::new(k).split_stratified(&y)?.map(|fold| counts(&y, &fold.test)).collect();
        assert_eq!(got, list(&fold["counts"]).iter().map(whole).collect::<Vec<_>>());
    }
    for part in list(&case["parts"]) {
        let y = whole(&part["y"]);
        let table = one("y", y.iter().map(|y| *y as f64).collect::<Vec<_>>())
            .with_column("row", (0..y.len()).map(|i| i as f64).collect::<Vec<_>>())?;
        let (train, _) = table.split_stratified(part["share"].as_f64().unwrap(), "y", &mut Rng::seed(0))?;
        let rows: Vec<usize> = train.column("row")?.numbers().unwrap().iter().map(|x| *x as usize).collect();
        assert_eq!(counts(&y, &rows), whole(&part["counts"]), "{}", part["share"]);
    }
    Ok(())
}

/// Columns of numbers, and of texts where there are any.
fn table(json: &Json) -> Table {
    let column = |values: &Json| match list(values).iter().any(Json::is_string) {
        true => texts(values),
        false => numbers(values).into(),
    };
    Table::from_columns(json.as_object().unwrap().iter().map(|(name, values)| (name.as_str(), column(values)))).unwrap()
}

/// The same columns by name, their numbers up to rounding.
#[track_caller]
fn same(got: &Table, want: &Json, what: &str) {
    let want = table(want);
    assert_eq!(got.num_columns(), want.num_columns(), "{what}");
    for (name, column) in want.columns() {
        let own = got.column(name).unwrap();
        match (own.numbers(), column.numbers()) {
            (Some(a), Some(b)) => close(a, b, 1e-12, &format!("{what} {name}")),
            _ => assert_eq!(own, column, "{what} {name}"),
        }
    }
}

#[test]
fn operations_of_pandas() -> Result<()> {
    let file = load("operations");
    let shops = table(&file["shops"]);
    use Aggregate::{Count, First, Last, Max, Mean, Median, Min, Std, Sum, Unique};
    let all = [Count, Unique, Sum, Mean, Median, Std, Min, Max, First, Last].map(|aggregate| ("price", aggregate));
    same(&shops.group_by(&["shop"], &all)?, &file["groups"]["shop"], "groups");
    same(&shops.group_by(&["shop", "day"], &all)?, &file["groups"]["shop day"], "groups of two");

    let (left, right) = (table(&file["left"]), table(&file["right"]));
    let joined = &file["joined"];
    for (name, kind) in [("inner", JoinKind::Inner), ("left", JoinKind::Left), ("right", JoinKind::Right)] {
        same(&left.join(&right, &["id"], kind)?, &joined[name], name);
    }
    let by = ["id", "x", "y"];
    let outer = table(&joined["outer"]).sort(&by)?;
    assert_eq!(
        left.join(&right, &["id"], JoinKind::Outer)?.sort(&by)?.select(&["id", "x", "same", "same_right", "y"])?,
        outer.select(&["id", "x", "same", "same_right", "y"])?
    );

    let order = [("shop", SortOrder::Ascending), ("price", SortOrder::Descending)];
    same(&shops.sort_by(&order)?, &file["sorted"], "sorted");
    same(&shops.value_counts("shop")?, &file["counts"], "counts");
    same(&shops.drop_duplicates(&["shop", "day"])?, &file["distinct"], "distinct");
    Ok(())
}
