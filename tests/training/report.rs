//! Reports: what is on the page, whatever the texts and however much there is. `.ci/report` looks at one in a browser.

use demotic::data::{Column, Table};
use demotic::prelude::*;
use demotic::train::Report;
use demotic::train::explain::{partial_dependence, permutation_importance};
use demotic::train::plot::{Chart, Heatmap};

use crate::markup;

/// What would do harm if it were taken for markup, in every place where texts go.
const HOSTILE: &str = "</title></style><script>alert(\"1\")</script><img src=x onerror='alert(2)'>&copy;\u{0}\u{1b}";

/// The page is well-formed, small enough, and asks nobody for anything.
#[track_caller]
fn checked(report: &Report) -> String {
    let page = report.to_html();
    markup::check(&page);
    assert!(page.len() <= 2_000_000, "{} bytes", page.len());
    let svg = "http://www.w3.org/2000/svg";
    for outside in ["<script", "<link", "<img", "<iframe", "@import", "url(", "\"http", "javascript:"] {
        assert!(!page.replace(svg, "").contains(outside), "{outside}");
    }
    page
}

fn iris() -> Result<Table> {
    Table::read_csv(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/data/iris.csv"))
}

#[test]
fn classes_from_the_data_to_the_timings() -> Result<()> {
    let mut rng = Rng::seed(1);
    let (train, test) = iris()?.split_stratified(0.6, "species", &mut rng)?;
    let prep = Preprocessor::classification("species").fit(&train)?;
    let (data, held_out) = (prep.transform(&train)?, prep.transform(&test)?);
    let mut model = sequential![Linear::new(4, 8, &mut rng)?, Relu, Linear::new(8, 3, &mut rng)?];
    let history = Trainer::new(losses::cross_entropy, Adam::new(0.02))
        .epochs(12)
        .validation(&held_out)
        .metric("accuracy", metrics::accuracy)
        .fit(&mut model, &data, &mut rng)?;
    let summary = model.summary([1, 4])?;
    let probabilities = model.predict(held_out.x())?.softmax(1)?;
    let accuracy = metrics::accuracy(&probabilities, held_out.y())?;
    let pipeline = Pipeline::new(prep.clone(), model)?;
    let score =
        |table: &Table| metrics::accuracy(&pipeline.model().predict(&prep.transform_features(table)?)?, held_out.y());
    let columns: Vec<&str> = test.column_names().take(4).collect();
    let found = permutation_importance(&test, &columns, 5, &mut rng, score)?;
    let virginica = |table: &Table| {
        Ok(pipeline.classify(table)?.iter().map(|p| p.probability_of("virginica").unwrap_or(0.0)).collect())
    };
    let dependence = partial_dependence(&test, "petal_width_cm", 12, "probability of virginica", virginica)?;
    let report = Report::new("Iris")
        .about("Three species of iris, told apart by four measures of their flowers.")
        .warning("Only 150 rows.")
        .data(&train, Some("species"))
        .model(&summary)
        .history(&history)
        .classification(&probabilities, held_out.y(), prep.classes().unwrap(), Some(&test))?
        .importance(&found, "accuracy")
        .dependence(&[dependence])
        .setting("learning rate", 0.02)
        .seed(1)
        .timing("training", 0.25);
    let page = checked(&report);
    let expected = [
        "<title>Iris</title>",
        "Only 150 rows.",
        "90 rows of 5 columns; no value is missing.",
        "sepal_width_cm",
        "Values of species",
        "Linear",
        "12 epochs",
        "<title>Loss</title>",
        "Confusion matrix",
        "<title>ROC</title>",
        "Precision and recall",
        "<title>Calibration</title>",
        "Worst mistakes",
        "Importance of the columns",
        "Partial dependence on petal_width_cm",
        "learning rate",
        "250 ms",
        "95 % interval",
        "log loss",
    ];
    for text in expected {
        assert!(page.contains(text), "{text}");
    }
    assert!(page.contains(&format!("<dt>accuracy</dt><dd>{accuracy:.4}")), "{accuracy}");
    // Each link leads somewhere.
    for (at, _) in page.match_indices("href=\"#") {
        let name = page[at + 7..].split('"').next().unwrap();
        assert!(page.contains(&format!("id=\"{name}\"")), "{name}");
    }
    // The same, from the same.
    assert_eq!(report.to_html(), page);
    if let Some(folder) = std::env::var_os("DEMOTIC_GALLERY") {
        report.save(std::path::Path::new(&folder).join("iris.html"))?;
    }
    Ok(())
}

#[test]
fn numbers_with_their_worst_mistakes() -> Result<()> {
    let mut rng = Rng::seed(2);
    let x = Tensor::normal([80], 100.0, 20.0, &mut rng)?;
    let mut off = Tensor::normal([80], 0.0, 2.0, &mut rng)?.to_f64_vec();
    off[17] = 50.0;
    let prediction = x.add(&Tensor::from_vec(off.iter().map(|x| *x as f32).collect(), [80])?)?;
    let names: Vec<String> = (0..80).map(|i| format!("house {i}")).collect();
    let rows = Table::from_columns([("name", names.iter().map(|name| Some(name.as_str())).collect::<Column>())])?;
    let report = Report::new("Prices").regression(&prediction.reshape([80, 1])?, &x, Some(&rows))?;
    let page = checked(&report);
    let mistakes = &page[page.find("Worst mistakes</h2>").unwrap()..];
    let first = mistakes.split("<tr>").nth(2).unwrap();
    assert!(first.contains(">17<") && first.contains("-50.00") && first.contains("house 17"), "{first}");
    for text in ["RMSE", "Predicted against actual", "Residuals", "median absolute error"] {
        assert!(page.contains(text), "{text}");
    }
    checked(&Report::new("one").regression(&tensor![1.0], &tensor![1.5], None)?);
    Ok(())
}

/// Two classes, a model that only knows one of them, and a test part that only has one.
#[test]
fn classes_that_leave_something_undefined() -> Result<()> {
    let target = Tensor::from_nested([0i64, 1, 1, 0])?;
    let sure = Report::new("two").classification(&tensor![0.2, 0.9, 0.4, 0.1], &target, &["no", "yes"], None)?;
    let page = checked(&sure);
    assert!(page.contains("<title>Lift</title>") && page.contains("1 of 4 are predicted wrong"));
    // The same targets as a preprocessor of two classes gives them.
    let floats = target.to_dtype(DType::F32).reshape([4, 1])?;
    let column = tensor![[0.2], [0.9], [0.4], [0.1]];
    let same = Report::new("two").classification(&column, &floats, &["no", "yes"], None)?;
    assert_eq!(same.to_html(), sure.to_html());
    let right = Report::new("right").classification(&tensor![0.2, 0.9, 0.8, 0.1], &target, &["no", "yes"], None)?;
    assert!(checked(&right).contains("Every example of the test part is predicted right."));
    let lonely = Tensor::from_nested([1i64, 1, 1, 1])?;
    let page =
        checked(&Report::new("one").classification(&tensor![0.2, 0.9, 0.8, 0.1], &lonely, &["no", "yes"], None)?);
    assert!(page.contains("not defined"), "{page}");
    Ok(())
}

#[test]
fn texts_are_no_markup() -> Result<()> {
    let mut rng = Rng::seed(3);
    let kinds = [HOSTILE, "b", HOSTILE, "b"];
    let table = Table::from_columns([
        (HOSTILE, Column::from([1.0, 2.0, 3.0, 4.0])),
        ("<b>x</b>", Column::from(kinds)),
        ("y", Column::from(["a", "b", HOSTILE, "a"])),
    ])?;
    let target = Tensor::from_nested([0i64, 1, 0, 1])?;
    let mut model = Linear::new(1, 2, &mut rng)?;
    let data = TensorDataset::new(Tensor::ones([4, 1])?, target.clone())?;
    let history = Trainer::new(losses::cross_entropy, Adam::new(0.1))
        .epochs(2)
        .metric(HOSTILE, metrics::accuracy)
        .fit(&mut model, &data, &mut rng)?;
    let found = permutation_importance(&table, &[HOSTILE], 2, &mut rng, |_| Ok(1.0))?;
    let dependence = partial_dependence(&table, "<b>x</b>", 5, HOSTILE, |_| Ok(vec![1.0; 4]))?;
    let report = Report::new(HOSTILE)
        .about(HOSTILE)
        .warning(HOSTILE)
        .fact(HOSTILE, HOSTILE, HOSTILE)
        .data(&table, Some("y"))
        .data(&table, Some(HOSTILE))
        .model(&HOSTILE)
        .history(&history)
        .classification(&tensor![0.9, 0.2, 0.1, 0.6], &target, &[HOSTILE, "<i>"], Some(&table))?
        .regression(&tensor![1.0, 2.0, 3.0, 4.0], &tensor![2.0, 2.0, 3.0, 4.0], Some(&table))?
        .importance(&found, HOSTILE)
        .dependence(&[dependence])
        .section(HOSTILE)
        .text(HOSTILE)
        .table(&table)
        .picture(Chart::new(HOSTILE).line(HOSTILE, [1.0]).line(HOSTILE, [2.0]).labels(HOSTILE, HOSTILE), HOSTILE)
        .setting(HOSTILE, HOSTILE)
        .timing(HOSTILE, f64::NAN);
    let page = checked(&report);
    assert!(page.contains("&lt;script&gt;alert(&quot;1&quot;)"));
    assert!(!page.contains("<b>") && !page.contains("<i>"));
    Ok(())
}

#[test]
fn however_much_there_is() -> Result<()> {
    let long = "long & <long> ".repeat(200_000);
    let wide = Table::from_columns((0..2000).map(|i| (format!("column {i}"), Column::from(vec![f64::from(i); 300]))))?;
    let mut report = Report::new(&long).about(&long).warning(&long).text(&long).setting(&long, &long).data(&wide, None);
    for i in 0..200 {
        report = report.section(format!("section {i} {long}")).table(&wide).fact(&long, &long, &long);
        report = report
            .picture(Chart::new("points").points("p", (0..50_000).map(|i| (f64::from(i), f64::from(i % 89)))), "");
    }
    let page = checked(&report);
    assert!(page.len() > 1_500_000 && page.contains("Left out: the page would be larger than 2 MB."), "{}", page.len());
    checked(&Report::new(""));
    let map = Heatmap::new("map", &Tensor::uniform([2000, 2000], 0.0, 1.0, &mut Rng::seed(0))?)?;
    assert!(checked(&Report::new("map").picture(map, "a map")).contains("data:image/png;base64,"));
    Ok(())
}

#[test]
fn what_no_page_is_made_of() -> Result<()> {
    let message = |report: Result<Report>| report.unwrap_err().message();
    let new = || Report::new("");
    let (two, target) = (tensor![0.5, 0.5], Tensor::from_nested([0i64, 1])?);
    let e = message(new().regression(&two, &tensor![1.0, 2.0, 3.0], None));
    assert_eq!(e, "Report: a prediction of shape [2] for 3 examples, expected a number for each");
    assert_eq!(
        message(new().regression(&tensor![f64::NAN], &tensor![1.0], None)),
        "Report: the prediction of example 0 is not finite"
    );
    assert_eq!(
        message(new().regression(&two, &two, Some(&Table::default()))),
        "Report: a table of 0 rows for 2 examples"
    );
    assert_eq!(message(new().classification(&two, &target, &["a"], None)), "Report: 1 names for 2 classes");
    let e = message(new().classification(&tensor![5.0, 1.0], &target, &["a", "b"], None));
    assert_eq!(e, "log_loss: row 0 of the prediction contains -4, which is not a probability");
    let dir = tempfile::tempdir().map_err(|e| Error::io("test", std::path::Path::new("temporary directory"), e))?;
    assert!(new().save(dir.path().join("no/such/page.html")).is_err());
    Ok(())
}
