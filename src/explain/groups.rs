//! Which elements of an input are explained together.

use crate::data::Preprocessor;
use crate::error::{Error, Result, bug};
use crate::tensor::Tensor;

/// Elements of an example that are explained as one: the features that a column of a table was encoded into, a patch of a picture, a
/// token with its vector.
///
/// ```
/// use demotic::data::{Column, Preprocessor, Table};
/// use demotic::explain::{Explained, Groups, gradient_x_input};
/// use demotic::prelude::*;
///
/// let flats = Table::from_columns([
///     ("area", Column::from([50.0, 80.0, 110.0])),
///     ("district", Column::from(["north", "south", "north"])),
///     ("price", Column::from([100.0, 190.0, 220.0])),
/// ])?;
/// let prep = Preprocessor::fit(&flats, "price")?;
/// let columns = Groups::columns(&prep);
/// assert_eq!(columns.names(), ["area", "district"]);
///
/// // Three features become two columns again.
/// let model = Linear::new(3, 1, &mut Rng::seed(0))?;
/// let of_features = gradient_x_input(&Explained::layer(&model), &prep.transform_features(&flats)?)?;
/// assert_eq!(columns.sum(&of_features)?.shape(), [3, 2]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Groups {
    of: Vec<usize>,
    names: Vec<String>,
}

impl Groups {
    /// Each element by itself, of examples of this shape.
    #[must_use]
    pub fn each(shape: &[usize]) -> Self {
        let size = shape.iter().product();
        Self { of: (0..size).collect(), names: (0..size).map(|i| i.to_string()).collect() }
    }

    /// The columns of a table, each with all features that it was encoded into.
    #[must_use]
    pub fn columns(preprocessor: &Preprocessor) -> Self {
        let (mut of, mut names): (Vec<usize>, Vec<String>) = (Vec::new(), Vec::new());
        for (column, width) in preprocessor.features_of_columns() {
            of.extend(std::iter::repeat_n(names.len(), width));
            names.push(column.to_string());
        }
        Self { of, names }
    }

    /// Patches of pictures `[channels, height, width]` with sides of so many pixels, in rows; at the ends what is left. All channels of a
    /// pixel belong together.
    ///
    /// # Errors
    /// If the shape is another, has no pixels, or the patches have no sides.
    #[track_caller]
    pub fn patches(shape: &[usize], side: usize) -> Result<Self> {
        let &[channels, height, width] = shape else {
            let message = format!("pictures of shape {shape:?}, expected [channels, height, width]");
            return Err(Error::shape("patches", message));
        };
        if side == 0 || height * width * channels == 0 {
            return Err(Error::argument("patches", format!("patches of side {side} of pictures {shape:?}")));
        }
        let across = width.div_ceil(side);
        let of = (0..channels * height * width).map(|i| (i / width % height / side) * across + i % width / side);
        let count = across * height.div_ceil(side);
        let names = (0..count).map(|i| format!("row {}, column {}", i / across, i % across)).collect();
        Ok(Self { of: of.collect(), names })
    }

    /// The vectors of tokens `[tokens, features]`, with the tokens as names.
    ///
    /// # Errors
    /// If there are no features.
    #[track_caller]
    pub fn tokens<S: AsRef<str>>(tokens: &[S], features: usize) -> Result<Self> {
        let of = (0..tokens.len()).flat_map(|i| std::iter::repeat_n(i, features)).collect();
        Self::given(of, tokens.iter().map(|token| token.as_ref().to_string()).collect())
    }

    /// The number of the group that each element belongs to, and the groups' names.
    ///
    /// # Errors
    /// If there are no elements, or a group has no name.
    #[track_caller]
    pub fn given(of: Vec<usize>, names: Vec<String>) -> Result<Self> {
        match of.iter().max() {
            Some(last) if *last < names.len() => Ok(Self { of, names }),
            Some(last) => Err(Error::index("groups", format!("an element of group {last}, of {} groups", names.len()))),
            None => Err(Error::argument("groups", "there are no elements")),
        }
    }

    /// What the groups are called.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The group of each element.
    pub(super) fn of(&self) -> &[usize] {
        &self.of
    }

    #[track_caller]
    pub(super) fn check(&self, op: &'static str, x: &Tensor) -> Result<()> {
        let size: usize = x.shape().iter().skip(1).product();
        if size == self.of.len() {
            return Ok(());
        }
        let message = format!("groups of {} elements for inputs of shape {:?}", self.of.len(), x.shape());
        Err(Error::shape(op, message))
    }

    /// What the elements of each group add together: `[n, groups]` of `[n, ..]`.
    ///
    /// # Errors
    /// If the elements of an example are not as many.
    #[track_caller]
    pub fn sum(&self, values: &Tensor) -> Result<Tensor> {
        self.check("groups", values)?;
        values.expect_finite("groups", "the values")?;
        let (n, size) = (values.shape()[0], self.of.len());
        let mut sums = vec![0.0; n * self.len()];
        for (i, value) in values.to_f64_vec().into_iter().enumerate() {
            let group = i / size * self.len() + self.of[i % size];
            match sums.get_mut(group) {
                Some(sum) => *sum += value,
                None => return Err(bug!("groups", "element {i} has no group")),
            }
        }
        super::subject::found("groups", super::subject::tensor(sums, &[n, self.len()], values)?)
    }

    /// The number of its group at the place of each element: `[n, ..]` of `[n, groups]`, to draw them on a picture. `shape` is that of an
    /// example.
    ///
    /// # Errors
    /// If the shapes do not fit.
    #[track_caller]
    pub fn spread(&self, values: &Tensor, shape: &[usize]) -> Result<Tensor> {
        let &[n, groups] = values.shape() else {
            return Err(Error::shape("groups", format!("values of shape {:?}, expected [n, groups]", values.shape())));
        };
        if groups != self.len() || shape.iter().product::<usize>() != self.of.len() {
            let message = format!("values of shape {:?} for {} groups of {shape:?}", values.shape(), self.len());
            return Err(Error::shape("groups", message));
        }
        let index = self.of.iter().map(|group| *group as i64).collect();
        let flat = values.index_select(1, &Tensor::from_vec(index, [self.of.len()])?)?;
        flat.reshape([&[n], shape].concat())
    }
}
