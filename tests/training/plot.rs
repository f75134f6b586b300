//! Pictures: of anything, without colours, and of what is no picture.

use demotic::data::Table;
use demotic::prelude::*;
use demotic::train::embedding::pca;
use demotic::train::explain::{partial_dependence, permutation_importance};
use demotic::train::plot::{self, Bars, Chart, Heatmap, ImageGrid, Panels, Picture};

use crate::markup;

const NONE: [&str; 0] = [];

/// Whether something is drawn at no place.
fn nowhere(svg: &str) -> bool {
    ["\"NaN", "\"inf", "MNaN", "LNaN", " NaN ", " NaNL", "Minf", "Linf"].iter().any(|number| svg.contains(number))
}

/// Pictures of every kind. With `DEMOTIC_GALLERY=folder` they are kept there, for people to look at.
#[test]
fn a_gallery() -> Result<()> {
    let mut rng = Rng::seed(1);
    let mut pictures: Vec<(&str, Picture)> = Vec::new();
    let noisy: Vec<f64> = (0..600).map(|i| 3.0 * (-f64::from(i) / 150.0).exp() + 0.3 * rng.uniform() + 0.1).collect();
    let curves = Chart::new("Loss of single steps, and smoothed").labels("step", "loss (nats)").log_y();
    let slow = noisy.iter().map(|x| 1.5 * x);
    pictures.push(("curves", curves.smooth_line("training", noisy.clone(), 25).line("validation", slow).into()));
    let seven = (0..7).fold(Chart::new("Seven runs").labels("epoch", "loss"), |chart, i| {
        let of = (0..12).map(|e| 1.0 / (1.0 + f64::from(e) * 0.3) + 0.12 * f64::from(i));
        chart.line(format!("run {i}"), of)
    });
    pictures.push(("seven", seven.vertical(7.0, "epoch 7 kept").horizontal(0.6, "baseline").into()));

    let y = Tensor::normal([300, 1], 300.0, 80.0, &mut rng)?;
    let p = y.add(&Tensor::normal([300, 1], 0.0, 20.0, &mut rng)?)?;
    let units = |chart: Chart| chart.labels("actual price (10,000 yuan)", "predicted price (10,000 yuan)");
    pictures.push(("predicted", units(plot::predicted(&p, &y)?).into()));
    pictures.push(("residuals", plot::residuals(&p, &y)?.into()));
    pictures.push(("residual_histogram", plot::residual_histogram(&p, &y)?.into()));

    let two = Tensor::from_vec((0..400).map(|i| i64::from(i % 4 == 0)).collect(), [400])?;
    let logits =
        two.to_dtype(DType::F32).mul_scalar(2.0).add_scalar(-1.5).add(&Tensor::normal([400], 0.0, 1.0, &mut rng)?)?;
    let chances = logits.sigmoid();
    pictures.push(("roc", plot::roc(&chances, &two, &["ham", "spam"])?.into()));
    pictures.push(("precision_recall", plot::precision_recall(&chances, &two, &["ham", "spam"])?.into()));
    pictures.push(("lift", plot::lift(&chances, &two, &["ham", "spam"])?.into()));
    pictures.push(("calibration", plot::calibration(&chances, &two)?.into()));

    let names = ["setosa", "versicolor", "virginica"];
    let three = Tensor::from_vec((0..300).map(|i| i % 3).collect::<Vec<i64>>(), [300])?;
    let scores =
        three.one_hot(3)?.to_dtype(DType::F32).mul_scalar(1.5).add(&Tensor::normal([300, 3], 0.0, 1.0, &mut rng)?)?;
    let shares = scores.softmax(1)?;
    pictures.push(("roc_three", plot::roc(&shares, &three, &names)?.into()));
    pictures.push(("precision_recall_three", plot::precision_recall(&shares, &three, &names)?.into()));
    pictures.push(("calibration_three", plot::calibration(&shares, &three)?.into()));
    let matrix = metrics::confusion_matrix(&shares, &three, 3)?.with_names(names)?;
    pictures.push(("confusion", plot::confusion(&matrix).into()));

    let iris = Table::read_csv(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/data/iris.csv"))?;
    let prep = Preprocessor::classification("species").fit(&iris)?;
    let data = prep.transform(&iris)?;
    let mut model = sequential![Linear::new(4, 16, &mut rng)?, Relu, Linear::new(16, 3, &mut rng)?];
    let history = Trainer::new(losses::cross_entropy, Adam::new(0.02))
        .epochs(40)
        .batch_size(32)
        .validation(&data)
        .metric("accuracy", metrics::accuracy)
        .fit(&mut model, &data, &mut rng)?;
    pictures.push(("history", history.chart().into()));
    pictures.push(("accuracy", history.metric_chart("accuracy").into()));
    pictures.push(("weights", plot::weights(&model).into()));
    let loss = losses::cross_entropy(&model.forward(data.x(), &mut Mode::eval())?, data.y())?;
    pictures.push(("gradients", plot::gradients(&loss.backward()?, &model).into()));
    let pipeline = Pipeline::new(prep.clone(), model)?;
    let columns = ["sepal_length_cm", "sepal_width_cm", "petal_length_cm", "petal_width_cm"];
    let truth = iris.column("species")?.clone();
    let accuracy = |table: &Table| {
        let found = pipeline.classify(table)?;
        let right = found.iter().zip(truth.texts().unwrap()).filter(|(p, y)| Some(p.class()) == *y).count();
        Ok(right as f64 / found.len() as f64)
    };
    let found = permutation_importance(&iris, &columns, 20, &mut rng, accuracy)?;
    pictures.push(("importance", plot::importance(&found, "accuracy").into()));
    let virginica = |table: &Table| {
        Ok(pipeline.classify(table)?.iter().map(|p| p.probability_of("virginica").unwrap_or(0.0)).collect())
    };
    let dependence = partial_dependence(&iris, "petal_width_cm", 30, "probability of virginica", virginica)?;
    pictures.push(("dependence", plot::partial_dependence(&dependence)));
    let flat = pca(&data.x().to_dtype(DType::F64), 2)?;
    let species: Vec<String> = truth.texts().unwrap().map(|name| name.unwrap_or("").to_string()).collect();
    pictures.push(("pca", plot::embedding("Iris, principal components of its four columns", &flat, &species)?.into()));

    let words = ["the", "old", "house", "was", "sold", "in", "spring", "."];
    let weights = Tensor::normal([8, 8], 0.0, 1.5, &mut rng)?.softmax(1)?;
    pictures.push(("attention", plot::attention("Attention of head 0", &weights, &words, &words)?.into()));
    let long = Tensor::normal([128, 200], 0.0, 2.0, &mut rng)?.softmax(1)?;
    pictures.push(("attention_long", plot::attention("Attention of a long text", &long, &NONE, &NONE)?.into()));
    let correlation = tensor![[1.0, 0.87, -0.4], [0.87, 1.0, -0.02], [-0.4, -0.02, 1.0]];
    let correlation = Heatmap::new("Correlation", &correlation)?.range(-1.0, 1.0).rows(names).columns(names);
    pictures.push(("correlation", correlation.into()));
    let digits = Tensor::uniform([23, 1, 8, 8], 0.0, 1.0, &mut rng)?;
    let captions = (0..23).map(|i| format!("{} not {}", i % 10, (i + 3) % 10));
    pictures.push(("images", ImageGrid::new("Digits that are noise", &digits)?.columns(8).captions(captions).into()));
    let band = (0..40).map(f64::from).map(|x| (x, x.sqrt() - 0.5, x.sqrt() + 0.5));
    let banded = Chart::new("A forecast and its range").labels("hour", "load (MW)").band("middle 80 %", band);
    pictures.push(("band", banded.xy_line("forecast", (0..40).map(|x| (f64::from(x), f64::from(x).sqrt()))).into()));
    let small = |i: u32| Chart::new(format!("run {i}")).size(300.0, 220.0).line("loss", [3.0, 2.0, 1.0]);
    pictures.push(("panels", (0..4).fold(Panels::new("Four runs").columns(2), |all, i| all.add(small(i))).into()));

    let folder = std::env::var_os("DEMOTIC_GALLERY").map(std::path::PathBuf::from);
    for (name, picture) in &pictures {
        let svg = picture.to_svg()?;
        markup::check(&svg);
        assert!(svg.len() < 300_000, "{name}: {}", svg.len());
        if let Some(folder) = &folder {
            picture.save(folder.join(name).with_extension("svg"))?;
            picture.save(folder.join(name).with_extension("png"))?;
        }
    }
    Ok(())
}

#[test]
fn charts_of_anything() -> Result<()> {
    let dir = tempfile::tempdir().map_err(|e| Error::io("test", std::path::Path::new("temporary directory"), e))?;
    let strange = [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-300, 1e300, 3.0];
    let pairs = || strange.map(|y| (y, y));
    let hostile = "</title><script>alert(1)</script>\u{0}\u{202e}\n\"'&".repeat(30);
    let charts = [
        Chart::new("empty"),
        Chart::new("log").log_y().line("strange", strange),
        Chart::new("points").points("strange", pairs()).diagonal(),
        Chart::new("constant").line("one", [1.0]).line("two", [1.0, 1.0]).y_limits(0.5, 2.0),
        Chart::new("bars").bars("strange", strange.map(|x| (x, x, x))).bars("log", [(1.0, 2.0, 0.0)]).log_y().log_x(),
        Chart::new("histogram").histogram("strange", strange, 0).histogram("none", [], 9).histogram(
            "one",
            [2.0; 9],
            usize::MAX,
        ),
        Chart::new("band").band("strange", strange.map(|x| (x, x, -x))).smooth_line("s", strange, usize::MAX),
        Chart::new("limits").points("p", pairs()).x_limits(5.0, 1.0).y_limits(f64::NAN, -1.0).size(f64::NAN, 1e300),
        Chart::new(&hostile)
            .labels(&hostile, &hostile)
            .note(&hostile)
            .line(&hostile, [1.0, 2.0])
            .line(&hostile, [2.0])
            .horizontal(1.5, &hostile)
            .vertical(1.5, &hostile)
            .vertical(f64::NAN, "nowhere")
            .size(1.0, 1.0),
        (0..40).fold(Chart::new("forty"), |chart, i| chart.line(format!("series {i}"), [f64::from(i), 1.0])),
        Chart::new("many")
            .points("p", (0..100_000).map(|i| (f64::from(i), f64::from(i % 977))))
            .line("l", (0..100_000).map(f64::from)),
    ];
    for (i, chart) in charts.iter().enumerate() {
        for format in ["svg", "png"] {
            let path = dir.path().join(format!("{i}.{format}"));
            chart.save(&path)?;
            assert!(std::fs::metadata(&path).is_ok_and(|file| file.len() > 500), "{i}.{format}");
        }
        let svg = chart.to_svg()?;
        markup::check(&svg);
        assert!(!svg.contains("<script") && !nowhere(&svg), "{i}");
        assert!(svg.len() < 400_000, "{i}: {}", svg.len());
    }
    assert!(charts[10].to_svg()?.contains("4000 of 100,000 points are drawn"));
    let e = charts[0].save("chart.jpg").unwrap_err();
    assert_eq!(e.message(), "plot: chart.jpg: expected a name that ends in .svg or .png");
    assert!(charts[0].save(dir.path().join("no/such/folder.svg")).is_err());
    Ok(())
}

#[test]
fn other_pictures_of_anything() -> Result<()> {
    let strange = [0.0, -1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e-300, 1e300, 3.0];
    let bars = strange.iter().fold(Bars::new("strange").label("x"), |bars, x| bars.bar_with("<b>", *x, [-x, *x]));
    let many = (0..50).fold(Bars::new("many"), |bars, i| bars.bar(format!("bar {i}"), f64::from(-i)));
    assert!(many.to_svg()?.contains("the first 40 of 50") && !many.to_svg()?.contains("bar 40"));
    let matrix = Tensor::from_vec(strange.to_vec(), [2, 4])?;
    let maps = [
        Heatmap::new("strange", &matrix)?.rows(["<a>"]).columns(["too", "many", "names", "for", "it"]).labels("c", "r"),
        Heatmap::new("empty", &Tensor::zeros([0, 3])?)?,
        Heatmap::new("nothing", &Tensor::zeros([3, 0])?)?.range(1.0, 0.0),
        Heatmap::new("same", &Tensor::full([3, 3], -2.0)?)?.measure("m"),
        Heatmap::new("long", &Tensor::ones([1, 5000])?)?.range(f64::NAN, 2.0),
        Heatmap::new("large", &Tensor::zeros([700, 900])?)?.rows((0..700).map(|i| i.to_string())),
    ];
    let grids = [
        ImageGrid::new("none", &Tensor::zeros([0, 3, 4, 4])?)?,
        ImageGrid::new("colours", &Tensor::full([2, 3, 1000, 3], f64::NAN)?)?.captions(["<a>", "b", "c"]).columns(0),
        ImageGrid::new("many", &Tensor::zeros([300, 1, 2, 2])?)?.columns(usize::MAX),
    ];
    assert!(grids[2].to_svg()?.contains("the first 200 of 300"));
    let mut pictures: Vec<Picture> = vec![bars.into(), many.into(), Panels::new("empty").into()];
    pictures.extend(maps.iter().map(Picture::from));
    pictures.extend(grids.iter().map(Picture::from));
    let panels = pictures.iter().cycle().take(70).fold(Panels::new("all").columns(12), |all, one| all.add(one));
    assert!(panels.to_svg()?.contains("the first 60 of 70"));
    markup::check(&panels.to_svg()?);
    for picture in pictures {
        let svg = picture.to_svg()?;
        markup::check(&svg);
        assert!(!nowhere(&svg) && !svg.contains("<b>"), "{}", picture.title());
        assert_eq!(picture.to_png()?[..4], [0x89, b'P', b'N', b'G'], "{}", picture.title());
    }
    Ok(())
}

/// In a picture without colours, series differ by dashes, and by marks where there are few points.
#[test]
fn series_differ_without_colours() -> Result<()> {
    let svg = (0..7).fold(Chart::new(""), |chart, i| chart.line(format!("{i}"), vec![f64::from(i); 50])).to_svg()?;
    let mut dashes: Vec<&str> = svg
        .lines()
        .filter(|line| line.contains("stroke-width=\"2\""))
        .map(|line| line.split("stroke-linejoin=\"round\"").nth(1).unwrap())
        .collect();
    // A line in the chart and one in the legend for each.
    assert_eq!(dashes.len(), 14);
    dashes.sort_unstable();
    dashes.dedup();
    assert_eq!(dashes.len(), 7);
    Ok(())
}

#[test]
fn what_is_no_picture() -> Result<()> {
    let message = |e: Error| e.message();
    let three = Tensor::zeros([2, 3])?;
    assert_eq!(
        message(plot::predicted(&three, &Tensor::zeros([5])?).unwrap_err()),
        "predicted: the prediction has shape [2, 3], the target [5], expected one number for each"
    );
    assert_eq!(
        message(Heatmap::new("", &Tensor::zeros([3])?).unwrap_err()),
        "Heatmap: shape [3], expected [rows, columns]"
    );
    assert_eq!(
        message(plot::attention("", &three, &["a"], &["b", "c", "d"]).unwrap_err()),
        "attention: 1 names of queries for weights of shape [2, 3]"
    );
    assert_eq!(
        message(ImageGrid::new("", &Tensor::zeros([2, 2, 4, 4])?).unwrap_err()),
        "ImageGrid: pictures of shape [2, 2, 4, 4], expected [n, 1 or 3, height, width]"
    );
    assert_eq!(
        message(ImageGrid::new("", &Tensor::zeros([2, 1, 4, 0])?).unwrap_err()),
        "ImageGrid: pictures of shape [2, 1, 4, 0] have no pixels"
    );
    assert_eq!(
        message(plot::embedding("", &three, &NONE).unwrap_err()),
        "embedding: points of shape [2, 3], expected [n, 2]"
    );
    assert_eq!(
        message(plot::embedding("", &Tensor::zeros([2, 2])?, &["a"]).unwrap_err()),
        "embedding: 1 labels for 2 points"
    );
    let one = Tensor::from_nested([0i64, 0])?;
    assert_eq!(
        message(plot::roc(&three.softmax(1)?, &one, &NONE).unwrap_err()),
        "roc: all examples are of one class, so that it is not defined"
    );
    assert_eq!(
        message(plot::roc(&tensor![0.1, 0.2], &one, &NONE).unwrap_err()),
        "roc_curve: there is no positive example, so that it is not defined"
    );
    assert_eq!(
        message(metrics::reliability_curve(&tensor![0.1, 0.2], &one, 0).unwrap_err()),
        "reliability_curve: 0 bins, expected 1 to 1048576"
    );
    assert_eq!(message(pca(&three, 3).unwrap_err()), "pca: 3 dimensions of points of shape [2, 3], expected 1 to 2");
    assert_eq!(
        message(pca(&tensor![[1.0], [f64::NAN]], 1).unwrap_err()),
        "pca: coordinate 0 of point 1 is not finite, or beyond 1e120"
    );
    Ok(())
}
