//! Rows of a table in, numbers or classes out.

use std::path::Path;
use std::sync::Arc;

use super::{CSV, ClassPrediction, LabelPrediction, PREPROCESSOR, expect_logits};
use crate::data::{CsvOptions, Preprocessor, Table, Value};
use crate::error::{Error, Here, Result};
use crate::io::{Attachment, Metadata, ModelFile};
use crate::layers::{Architecture, IntoLayer, Layer, LayerExt, ModuleExt, register};
use crate::models::{LinearRegression, Mlp};
use crate::tensor::{DType, Tensor};

/// Rows that go through the model at once.
const ROWS: usize = 4096;

/// A model with its preprocessing: raw tables in, numbers in their own units or classes out.
///
/// ```
/// use demotic::data::{Column, Preprocessor, Table};
/// use demotic::models::Mlp;
/// use demotic::prelude::*;
///
/// let flowers = Table::from_columns([
///     ("petals", Column::from([3.0, 5.0, 3.0, 5.0])),
///     ("colour", Column::from(["white", "red", "white", "red"])),
///     ("species", Column::from(["lily", "rose", "lily", "rose"])),
/// ])?;
/// let mut rng = Rng::seed(0);
/// let prep = Preprocessor::classification("species").fit(&flowers)?;
/// let data = prep.transform(&flowers)?;
/// let mut model = Mlp::new(&[prep.num_features(), 8, 2], &mut rng)?;
/// let mut opt = Adam::new(0.05);
/// for _step in 0..50 {
///     let loss = losses::cross_entropy(&model.forward(data.x(), &mut Mode::train(&mut rng))?, data.y())?;
///     opt.step(&mut model, &loss.backward()?)?;
/// }
///
/// let pipeline = Pipeline::new(prep, model)?;
/// let found = pipeline.classify_row(&[("petals", 5.0.into()), ("colour", "red".into())])?;
/// assert_eq!(found.class(), "rose");
/// assert!(found.probability() > 0.9);
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// [`save`](Self::save) writes all of it into one file, and [`open`](Self::open) needs nothing else.
#[derive(Debug, Clone)]
pub struct Pipeline {
    preprocessor: Preprocessor,
    model: Box<dyn Layer>,
    /// The names of the classes, if that is what the model tells.
    classes: Option<Arc<[String]>>,
    /// The names of the labels, if it is those.
    labels: Option<Arc<[String]>>,
    /// How files of rows are read.
    csv: Option<CsvOptions>,
}

impl Pipeline {
    /// Puts both together. The model maps `[n, features]` to `[n, 1]` scaled targets, or to `[n, classes]` logits; with two
    /// classes also to `[n, 1]` logits of the second one; for labels to `[n, labels]` logits.
    ///
    /// # Errors
    /// If the preprocessor has no target, or the model does not take its features or gives something else, such as probabilities.
    #[track_caller]
    pub fn new(preprocessor: Preprocessor, model: impl IntoLayer) -> Result<Self> {
        let op = "Pipeline::new";
        let pipeline = Self::put_together(op, preprocessor, model.into_layer())?;
        if pipeline.classes.is_some() || pipeline.labels.is_some() {
            let row = Tensor::zeros([1, pipeline.preprocessor.num_features()])?;
            expect_logits(op, &*pipeline.model, &in_type_of(&*pipeline.model, &row))?;
        }
        Ok(pipeline)
    }

    #[track_caller]
    fn put_together(op: &'static str, preprocessor: Preprocessor, model: Box<dyn Layer>) -> Result<Self> {
        if preprocessor.target_names().is_empty() {
            let e = Error::state(op, "the preprocessor was fitted without a target");
            return Err(e.with_help("Preprocessor::fit(&table, target) says which column is predicted"));
        }
        let classes = preprocessor.classes().map(Arc::from);
        let labels = preprocessor.labels().map(Arc::from);
        let pipeline = Self { preprocessor, model, classes, labels, csv: None };
        // A row of zeros tells whether the parts fit.
        let row = Tensor::zeros([1, pipeline.preprocessor.num_features()])?;
        let output = pipeline.run(op, &row)?;
        match (&pipeline.classes, &pipeline.labels) {
            // Its values do not matter yet.
            (Some(classes), _) => drop(ClassPrediction::from_logits(op, classes, &output.zeros_like())?),
            (None, Some(labels)) => drop(LabelPrediction::from_logits(op, labels, &output.zeros_like())?),
            (None, None) => pipeline.check_numbers(op, &output)?,
        }
        Ok(pipeline)
    }

    /// Keeps how the file of the training part was read, so that rows and files with the same units, decimal commas, dates and marks of
    /// missing values are understood: [`predict_row`](Self::predict_row) and its kin take texts as they stand in such a file, and
    /// [`read_csv`](Self::read_csv) reads another one. [`save`](Self::save) saves it.
    ///
    /// ```
    /// use demotic::data::{CsvOptions, DatePart, ColumnOptions, Preprocessor};
    /// use demotic::models::LinearRegression;
    /// use demotic::prelude::*;
    ///
    /// let text = "sold;area;price\n1.3.2023;80,5 m²;161.000 €\n7.5.2023;100 m²;200.000 €\n2.1.2024;120 m²;240.000 €\n";
    /// let options = CsvOptions::new().delimiter(';').decimal_comma().thousands('.').strip(["m²", "€"])
    ///     .column("sold", ColumnOptions::new().date("%d.%m.%Y").parts([DatePart::Month]));
    /// let houses = options.read_from(text.as_bytes())?;
    /// let prep = Preprocessor::fit(&houses, "price")?;
    /// let data = prep.transform(&houses)?;
    /// let model = LinearRegression::fit(data.x(), data.y())?;
    ///
    /// let prices = Pipeline::new(prep, model)?.with_csv(options);
    /// let price = prices.predict_row(&[("sold", "15.03.2024".into()), ("area", "110,5 m²".into())])?;
    /// assert!((price - 221_000.0).abs() < 1000.0);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[must_use]
    pub fn with_csv(mut self, options: CsvOptions) -> Self {
        self.csv = Some(options);
        self
    }

    /// How files of rows are read, if that was [said](Self::with_csv).
    #[must_use]
    pub fn csv(&self) -> Option<&CsvOptions> {
        self.csv.as_ref()
    }

    /// Reads a file of rows to ask the model about, as [the options](Self::with_csv) say; the default ones, if there are none. The target
    /// and columns that were ignored in training may be absent.
    ///
    /// # Errors
    /// As for [`Table::read_csv_with`].
    #[track_caller]
    pub fn read_csv(&self, path: impl AsRef<Path>) -> Result<Table> {
        let default = CsvOptions::default();
        let options = self.csv.as_ref().unwrap_or(&default);
        let is_optional = |name: &str| self.preprocessor.is_optional(name);
        options.for_model(self.preprocessor.text_columns(), &is_optional).read(path)
    }

    /// One row as a table with the columns of training, and no others.
    #[track_caller]
    fn row(&self, op: &'static str, row: &[(&str, Value<'_>)]) -> Result<Table> {
        let table = match &self.csv {
            Some(options) => {
                let texts = self.preprocessor.text_columns();
                options.row(op, row, &|name| texts.contains(name))?
            }
            None => Table::from_row(row)?,
        };
        let source = |column: &str| self.csv.as_ref()?.source_of(column).map(str::to_string);
        self.preprocessor.check_row("transform_features", &Table::from_row(row)?, &source)?;
        self.preprocessor.check_columns_of("transform_features", &table)?;
        Ok(table)
    }

    /// What a row has that did not occur in training, a line for each column: [`Preprocessor::unseen`], of which the answer to a single row
    /// has no place to tell.
    ///
    /// # Errors
    /// If the row is none that the model can be asked about.
    #[track_caller]
    pub fn unseen_row(&self, row: &[(&str, Value<'_>)]) -> Result<Vec<String>> {
        Ok(self.preprocessor.unseen(&self.row("unseen_row", row)?))
    }

    /// The preprocessing.
    #[must_use]
    pub fn preprocessor(&self) -> &Preprocessor {
        &self.preprocessor
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &dyn Layer {
        &*self.model
    }

    /// Both parts.
    #[must_use]
    pub fn into_parts(self) -> (Preprocessor, Box<dyn Layer>) {
        (self.preprocessor, self.model)
    }

    /// The predicted number for each row, in the units of the target column. The table needs the columns that were features
    /// in training; others are ignored.
    ///
    /// # Errors
    /// If the target is a class, or the table cannot be [transformed](Preprocessor::transform_features).
    #[track_caller]
    pub fn predict(&self, table: &Table) -> Result<Vec<f64>> {
        let op = "predict";
        self.check_target_is_number(op, "classify", "label")?;
        let mut numbers = Vec::with_capacity(table.num_rows());
        self.run_table(op, table, |output| {
            self.check_numbers(op, &output)?;
            numbers.extend(self.preprocessor.inverse_target(&output.to_dtype(DType::F64))?.to_f64_vec());
            Ok(())
        })?;
        Ok(numbers)
    }

    /// The predicted number for one row: `&[("area", 120.0.into()), ("district", "north".into())]`. The target and columns that were
    /// ignored in training may be there. As in a table, a category that did not occur in training is none of those that did, by which the
    /// other columns answer alone; [`unseen_row`](Self::unseen_row) tells of it, and with [`Unseen::Error`](crate::data::Unseen::Error)
    /// it is an error.
    ///
    /// # Errors
    /// As for [`predict`](Self::predict), and if there is a column that was not there in training.
    #[track_caller]
    pub fn predict_row(&self, row: &[(&str, Value<'_>)]) -> Result<f64> {
        self.check_target_is_number("predict_row", "classify_row", "label_row")?;
        let found = self.predict(&self.row("predict_row", row)?)?;
        found.first().copied().ok_or_else(empty)
    }

    /// The predicted number for each row of a file: [`read_csv`](Self::read_csv), then [`predict`](Self::predict).
    ///
    /// # Errors
    /// As for those.
    #[track_caller]
    pub fn predict_csv(&self, path: impl AsRef<Path>) -> Result<Vec<f64>> {
        self.predict(&self.read_csv(path)?)
    }

    /// The class of each row, with probabilities.
    ///
    /// # Errors
    /// If the target is a number, the table cannot be [transformed](Preprocessor::transform_features), or the model's outputs
    /// are not numbers.
    #[track_caller]
    pub fn classify(&self, table: &Table) -> Result<Vec<ClassPrediction>> {
        let op = "classify";
        let classes = self.classes(op)?;
        let mut found = Vec::with_capacity(table.num_rows());
        self.run_table(op, table, |output| {
            found.extend(ClassPrediction::from_logits(op, classes, &output)?);
            Ok(())
        })?;
        Ok(found)
    }

    /// The class of one row. Of categories that did not occur in training, see [`predict_row`](Self::predict_row).
    ///
    /// # Errors
    /// As for [`classify`](Self::classify), and if there is a column that was not there in training.
    #[track_caller]
    pub fn classify_row(&self, row: &[(&str, Value<'_>)]) -> Result<ClassPrediction> {
        self.classes("classify_row")?;
        self.classify(&self.row("classify_row", row)?)?.pop().ok_or_else(empty)
    }

    /// The class of each row of a file: [`read_csv`](Self::read_csv), then [`classify`](Self::classify).
    ///
    /// # Errors
    /// As for those.
    #[track_caller]
    pub fn classify_csv(&self, path: impl AsRef<Path>) -> Result<Vec<ClassPrediction>> {
        self.classify(&self.read_csv(path)?)
    }

    /// The labels of each row, with probabilities.
    ///
    /// # Errors
    /// If the target is something else, the table cannot be [transformed](Preprocessor::transform_features), or the model's outputs are
    /// not numbers.
    #[track_caller]
    pub fn label(&self, table: &Table) -> Result<Vec<LabelPrediction>> {
        let op = "label";
        let Some(labels) = &self.labels else {
            let e = Error::state(op, "the target is not labels");
            return Err(e.with_help(
                "predict() gives numbers, classify() classes; Preprocessor::multi_label(&targets) makes labels",
            ));
        };
        let mut found = Vec::with_capacity(table.num_rows());
        self.run_table(op, table, |output| {
            found.extend(LabelPrediction::from_logits(op, labels, &output)?);
            Ok(())
        })?;
        Ok(found)
    }

    /// The labels of one row. Of categories that did not occur in training, see [`predict_row`](Self::predict_row).
    ///
    /// # Errors
    /// As for [`label`](Self::label), and if there is a column that was not there in training.
    #[track_caller]
    pub fn label_row(&self, row: &[(&str, Value<'_>)]) -> Result<LabelPrediction> {
        self.label(&self.row("label_row", row)?)?.pop().ok_or_else(empty)
    }

    /// The labels of each row of a file: [`read_csv`](Self::read_csv), then [`label`](Self::label).
    ///
    /// # Errors
    /// As for those.
    #[track_caller]
    pub fn label_csv(&self, path: impl AsRef<Path>) -> Result<Vec<LabelPrediction>> {
        self.label(&self.read_csv(path)?)
    }

    /// Writes the model, what it is made from, and the preprocessing into one file.
    ///
    /// # Errors
    /// If the model has no [`Architecture`], or the file system refuses.
    #[track_caller]
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        self.save_with(&Metadata::new(), path)
    }

    /// The same with metadata of your own.
    ///
    /// # Errors
    /// As for [`save`](Self::save).
    #[track_caller]
    pub fn save_with(&self, with: &(impl Attachment + ?Sized), path: impl AsRef<Path>) -> Result<()> {
        let mut parts = vec![(PREPROCESSOR, self.preprocessor.to_json()?)];
        if let Some(options) = &self.csv {
            let mut metadata = Metadata::new();
            metadata.insert_json(CSV, options)?;
            parts.extend(metadata.get(CSV).map(|json| (CSV, json.to_string())));
        }
        super::save(&*self.model, with, &parts, path.as_ref())
    }

    /// Reads a file that [`save`](Self::save) wrote, with any layer of this crate as its model, such as an [`Mlp`], a
    /// [`LinearRegression`] or a [`Sequential`](crate::layers::Sequential), or one that was [registered](register).
    ///
    /// # Errors
    /// If the file cannot be read or is malformed, has no preprocessing, or holds a kind of model that is not known.
    #[track_caller]
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        register::<Mlp>()?;
        register::<LinearRegression>()?;
        Self::from_file("open", &ModelFile::open("open", path.as_ref())?, ModelFile::build_layer)
    }

    /// The same for a model of type `M`.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    #[track_caller]
    pub fn open_as<M: Architecture + Layer + 'static>(path: impl AsRef<Path>) -> Result<Self> {
        let model = |file: &ModelFile| Ok(Box::new(file.build::<M>()?) as Box<dyn Layer>);
        Self::from_file("open", &ModelFile::open("open", path.as_ref())?, model)
    }

    #[track_caller]
    fn from_file(op: &'static str, file: &ModelFile, model: fn(&ModelFile) -> Result<Box<dyn Layer>>) -> Result<Self> {
        let metadata = file.metadata();
        let Some(json) = metadata.get(PREPROCESSOR) else {
            let e = file.error("holds a model, but no preprocessing");
            return Err(e.with_help(format!("{}::open(path) opens the model alone", file.kind())));
        };
        let preprocessor = Preprocessor::from_json(json).map_err(|e| file.because(e)).here()?;
        let csv = match metadata.get(CSV) {
            Some(_) => Some(metadata.get_json(CSV).map_err(|e| file.because(e)).here()?),
            None => None,
        };
        let pipeline = Self::put_together(op, preprocessor, model(file).here()?).map_err(|e| file.because(e)).here()?;
        Ok(Self { csv, ..pipeline })
    }

    #[track_caller]
    fn classes(&self, op: &'static str) -> Result<&Arc<[String]>> {
        let Some(classes) = &self.classes else {
            let what = if self.labels.is_some() { "labels" } else { "a number" };
            let e = Error::state(op, format!("the target is {what}, not a class"));
            return Err(
                e.with_help("predict() gives numbers; Preprocessor::classification(target) makes classes of them")
            );
        };
        Ok(classes)
    }

    #[track_caller]
    fn check_target_is_number(&self, op: &'static str, classify: &str, label: &str) -> Result<()> {
        let (what, help) = match (&self.classes, &self.labels) {
            (Some(_), _) => ("a class", format!("{classify}() names the classes")),
            (None, Some(_)) => ("labels", format!("{label}() names the labels")),
            (None, None) => return Ok(()),
        };
        Err(Error::state(op, format!("the target is {what}, not a number")).with_help(help))
    }

    /// What the model gives for features, without their units.
    #[track_caller]
    pub(crate) fn run(&self, op: &'static str, x: &Tensor) -> Result<Tensor> {
        let output = self.model.predict(&in_type_of(&*self.model, x))?;
        match output.shape() {
            [rows, ..] if *rows == x.shape()[0] => Ok(output),
            shape => {
                Err(Error::shape(op, format!("the model gives {shape:?} for {} rows, expected as many", x.shape()[0])))
            }
        }
    }

    /// Sends a table through the model, so many rows at once that outputs do not grow with the table.
    #[track_caller]
    fn run_table(&self, op: &'static str, table: &Table, mut each: impl FnMut(Tensor) -> Result<()>) -> Result<()> {
        let x = self.preprocessor.transform_features(table)?;
        for start in (0..table.num_rows()).step_by(ROWS) {
            let part = x.narrow(0, start, ROWS.min(table.num_rows() - start))?;
            each(self.run(op, &part)?)?;
        }
        Ok(())
    }

    #[track_caller]
    fn check_numbers(&self, op: &'static str, output: &Tensor) -> Result<()> {
        match output.shape() {
            [_] | [_, 1] => output.expect_float(op, "the model's output"),
            shape => {
                Err(Error::shape(op, format!("the model gives {shape:?}, expected [n, 1]: a number for each row")))
            }
        }
    }
}

#[track_caller]
fn empty() -> Error {
    Error::argument("Pipeline", "the row has no values")
}

/// Features in the type that a model computes with.
pub(super) fn in_type_of(model: &dyn Layer, x: &Tensor) -> Tensor {
    let mut dtype = x.dtype();
    if let Some((_, first)) = model.named_parameters().first()
        && first.dtype().is_float()
    {
        dtype = first.dtype();
    }
    x.to_dtype(dtype)
}

impl Attachment for Preprocessor {
    fn attach(&self, metadata: &mut Metadata) -> Result<()> {
        metadata.insert(PREPROCESSOR, self.to_json()?);
        Ok(())
    }
}
