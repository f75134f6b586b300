//! Sums of products, written as an equation.
//!
//! An equation names the dimensions of each operand by letters. Here it is carried out from left to right, two operands
//! at a time, each step as one matrix product: the dimensions that both have and the rest needs are its batch, those
//! that both have and nothing else needs are summed over, and the others are its rows and columns. All steps are
//! differentiable operations, and so is the whole.

use super::matmul::expect_fractions;
use super::shape::reshape;
use crate::error::{Error, Result};
use crate::tensor::dtype::literals;
use crate::tensor::layout::{Dims, plural};
use crate::tensor::{MAX_DIMS, Tensor};

/// # Einstein sums
impl Tensor {
    /// Einstein's summation convention: products of elements, summed over the dimensions that the result does not have.
    ///
    /// The equation has a term for each operand, with a letter for each dimension. Dimensions of the same letter run
    /// together; a letter twice in one term means its diagonal. After `->` stand the dimensions of the result; without
    /// it, the result has those whose letter occurs once, in alphabetical order. `...` stands for any further
    /// dimensions, which broadcast. Dimensions of size 1 broadcast as well.
    ///
    /// | equation | meaning |
    /// |---|---|
    /// | `ij,jk->ik` | matrix product |
    /// | `bhqd,bhkd->bhqk` | attention scores |
    /// | `i,j->ij` | outer product |
    /// | `...ij->...ji` | transpose |
    /// | `ii` | trace |
    /// | `bn,anm,bm->ba` | bilinear form |
    ///
    /// Gradients: those of the matrix products that it consists of.
    ///
    /// # Errors
    /// If the equation is malformed, or does not fit the number, types or shapes of the operands.
    ///
    /// ```
    /// use demotic::{Tensor, tensor};
    ///
    /// let (a, b) = (tensor![[1.0, 2.0], [3.0, 4.0]], tensor![[1.0, 0.0], [1.0, 1.0]]);
    /// assert_eq!(Tensor::einsum("ij,ij->i", &[&a, &b])?.to_vec::<f32>()?, [1.0, 7.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn einsum(equation: &str, operands: &[&Tensor]) -> Result<Tensor> {
        let _timer = crate::profile::op("einsum");
        let (terms, result) = parse(equation, operands)?;
        check_types(operands)?;
        if result.len() > MAX_DIMS {
            let message =
                format!("the result of `{equation}` has {} dimensions, at most {MAX_DIMS} are supported", result.len());
            return Err(Error::shape("einsum", message));
        }
        let sizes = sizes(&terms, operands)?;
        let mut factors = Vec::with_capacity(operands.len());
        for (x, labels) in operands.iter().zip(terms) {
            factors.push(Factor { x: (*x).clone(), labels }.with_diagonals()?.without_broadcasting(&sizes)?);
        }
        let mut rest = factors.into_iter();
        let Some(mut product) = rest.next() else {
            return Err(Error::argument("einsum", "no operands"));
        };
        while let Some(next) = rest.next() {
            let needed =
                |label: u8| result.contains(&label) || rest.as_slice().iter().any(|f| f.labels.contains(&label));
            let a = product.sum_except(&|label| needed(label) || next.labels.contains(&label))?;
            let b = next.sum_except(&|label| needed(label) || a.labels.contains(&label))?;
            product = a.times(&b, needed)?;
        }
        Ok(product.sum_except(&|label| result.contains(&label))?.in_order(&result)?.x)
    }
}

/// Products need one type, and it must be one with matrix products. A single operand may be of any.
#[track_caller]
fn check_types(operands: &[&Tensor]) -> Result<()> {
    let [first, others @ ..] = operands else { return Ok(()) };
    for (i, x) in others.iter().enumerate() {
        if x.dtype() != first.dtype() {
            let (a, b) = (first.dtype(), x.dtype());
            return Err(Error::dtype("einsum", format!("operand 0 is {a}, operand {} is {b}", i + 1)).with_help(
                format!("types are never converted silently: use to_dtype(DType::{a:?}){}", literals(a, b)),
            ));
        }
        expect_fractions(first, "einsum", "operand 0")?;
    }
    Ok(())
}

/// Letters stand for themselves; the dimensions of `...` have their distance from its end.
type Labels = Vec<u8>;

/// The labels of each operand's dimensions, and those of the result.
#[track_caller]
fn parse(equation: &str, operands: &[&Tensor]) -> Result<(Vec<Labels>, Labels)> {
    let text: String = equation.chars().filter(|c| !c.is_whitespace()).collect();
    let (inputs, output) = match text.split_once("->") {
        Some((inputs, output)) => (inputs, Some(output)),
        None => (text.as_str(), None),
    };
    let count = inputs.split(',').count();
    if count != operands.len() {
        let (n, s) = (operands.len(), plural(operands.len()));
        let message = format!("`{equation}` has {count} term{}, given {n} operand{s}", plural(count));
        return Err(Error::argument("einsum", message));
    }
    let mut terms = Vec::with_capacity(count);
    let mut ellipsis = 0;
    for (i, (term, x)) in inputs.split(',').zip(operands).enumerate() {
        let (before, after) = letters(term, equation)?;
        let named = before.len() + after.as_ref().map_or(0, |after| after.len());
        let fits = if after.is_some() { named <= x.rank() } else { named == x.rank() };
        if !fits {
            let message = format!(
                "term `{term}` names {named} dimension{}, operand {i} has shape {:?}",
                plural(named),
                x.shape()
            );
            return Err(Error::shape("einsum", message));
        }
        let others = x.rank() - named;
        ellipsis = others.max(ellipsis);
        terms.push(join(before, others, after));
    }
    let Some(output) = output else { return Ok((terms.clone(), implicit(&terms, ellipsis))) };
    let (before, after) = letters(output, equation)?;
    let others = if after.is_some() { ellipsis } else { 0 };
    let result = join(before, others, after);
    for (i, label) in result.iter().enumerate() {
        if result[..i].contains(label) {
            return Err(Error::argument("einsum", format!("{} twice in the result of `{equation}`", name(*label))));
        }
        if !terms.iter().any(|term| term.contains(label)) {
            return Err(Error::argument(
                "einsum",
                format!("{} of the result is in no term of `{equation}`", name(*label)),
            ));
        }
    }
    Ok((terms, result))
}

/// The letters before and after `...`; none after it if there is none.
#[track_caller]
fn letters(term: &str, equation: &str) -> Result<(Labels, Option<Labels>)> {
    let (before, after) = match term.split_once("...") {
        Some((before, after)) => (before, Some(after)),
        None => (term, None),
    };
    if let Some(c) = before.chars().chain(after.unwrap_or_default().chars()).find(|c| !c.is_ascii_alphabetic()) {
        return Err(Error::argument("einsum", format!("`{c}` in the term `{term}` of `{equation}`"))
            .with_help("dimensions are named by letters, `...` once in a term stands for the others"));
    }
    Ok((before.bytes().collect(), after.map(|after| after.bytes().collect())))
}

fn join(before: Labels, others: usize, after: Option<Labels>) -> Labels {
    let others = (0..others).rev().map(|i| i as u8);
    before.into_iter().chain(others).chain(after.unwrap_or_default()).collect()
}

/// The result of an equation without `->`: the dimensions of `...`, then the letters that occur once.
fn implicit(terms: &[Labels], ellipsis: usize) -> Labels {
    let count = |label: u8| terms.iter().flatten().filter(|other| **other == label).count();
    let letters = (b'A'..=b'z').filter(|label| count(*label) == 1);
    join(Labels::new(), ellipsis, Some(letters.collect()))
}

fn name(label: u8) -> String {
    match label.is_ascii_alphabetic() {
        true => format!("`{}`", char::from(label)),
        false => format!("dimension -{} of `...`", label + 1),
    }
}

/// The size of each label: that of the operands in which it is not 1.
#[track_caller]
fn sizes(terms: &[Labels], operands: &[&Tensor]) -> Result<[usize; 128]> {
    let mut sizes = [1; 128];
    let mut found = [0; 128];
    for (i, (term, x)) in terms.iter().zip(operands).enumerate() {
        for (d, (&label, &size)) in term.iter().zip(x.shape()).enumerate() {
            let first = term.iter().position(|other| *other == label).unwrap_or(d);
            if x.shape()[first] != size {
                let message = format!("{} has sizes {} and {size} in operand {i}", name(label), x.shape()[first]);
                return Err(Error::shape("einsum", message));
            }
            let known = &mut sizes[usize::from(label)];
            if size != 1 && *known != 1 && *known != size {
                let other = found[usize::from(label)];
                let message = format!("{} has size {known} in operand {other}, but {size} in operand {i}", name(label));
                return Err(Error::shape("einsum", message));
            }
            if size != 1 {
                (*known, found[usize::from(label)]) = (size, i);
            }
        }
    }
    Ok(sizes)
}

/// A tensor and the labels of its dimensions.
struct Factor {
    x: Tensor,
    labels: Labels,
}

impl Factor {
    fn size(&self, label: u8) -> usize {
        self.labels.iter().position(|other| *other == label).map_or(1, |d| self.x.shape()[d])
    }

    /// Every label once.
    #[track_caller]
    fn with_diagonals(mut self) -> Result<Self> {
        let twice = |labels: &Labels| {
            let b = (1..labels.len()).find(|b| labels[..*b].contains(&labels[*b]))?;
            Some((labels.iter().position(|label| *label == labels[b])?, b))
        };
        while let Some((a, b)) = twice(&self.labels) {
            self.x = self.x.diagonal(0, a as isize, b as isize)?;
            let label = self.labels.remove(b);
            self.labels.remove(a);
            self.labels.push(label);
        }
        Ok(self)
    }

    /// Without the dimensions of size 1 that are larger in other operands: their elements count for each of the
    /// others'.
    #[track_caller]
    fn without_broadcasting(self, sizes: &[usize; 128]) -> Result<Self> {
        let stays = |d: usize| self.x.shape()[d] == sizes[usize::from(self.labels[d])];
        let kept: Vec<usize> = (0..self.labels.len()).filter(|d| stays(*d)).collect();
        if kept.len() == self.labels.len() {
            return Ok(self);
        }
        let shape = Dims::collect(kept.iter().map(|d| self.x.shape()[*d]));
        let labels = kept.iter().map(|d| self.labels[*d]).collect();
        Ok(Self { x: reshape("reshape", &self.x, shape)?, labels })
    }

    /// Summed over the labels that are not kept.
    #[track_caller]
    fn sum_except(self, kept: &dyn Fn(u8) -> bool) -> Result<Self> {
        let dims: Vec<isize> = (0..self.labels.len()).filter(|d| !kept(self.labels[*d])).map(|d| d as isize).collect();
        if dims.is_empty() {
            return Ok(self);
        }
        let labels = self.labels.into_iter().filter(|label| kept(*label)).collect();
        Ok(Self { x: self.x.sum_dims(&dims, false)?, labels })
    }

    /// With its dimensions in another order.
    #[track_caller]
    fn in_order(&self, labels: &[u8]) -> Result<Self> {
        let place = |label: &u8| self.labels.iter().position(|other| other == label).map_or(0, |d| d as isize);
        let order: Vec<isize> = labels.iter().map(place).collect();
        let in_order = order.iter().enumerate().all(|(i, d)| i as isize == *d);
        let x = if in_order { self.x.clone() } else { self.x.permute(&order)? };
        Ok(Self { x, labels: labels.to_vec() })
    }

    /// The tensor as an operand of an element-wise product over `labels`: with size 1 for those that it does not have.
    #[track_caller]
    fn aligned(&self, labels: &[u8]) -> Result<Tensor> {
        let own: Labels = labels.iter().filter(|label| self.labels.contains(label)).copied().collect();
        let shape = Dims::collect(labels.iter().map(|label| self.size(*label)));
        reshape("reshape", &self.in_order(&own)?.x, shape)
    }

    /// The product of two factors, summed over the labels that both have and that are not needed any more.
    #[track_caller]
    fn times(&self, other: &Factor, needed: impl Fn(u8) -> bool) -> Result<Self> {
        let (a, b) = (self, other);
        let shared = |label: &&u8| b.labels.contains(label);
        let (batch, summed): (Labels, Labels) = a.labels.iter().filter(shared).partition(|label| needed(**label));
        let rows: Labels = a.labels.iter().filter(|label| !shared(label)).copied().collect();
        let columns: Labels = b.labels.iter().filter(|label| !a.labels.contains(label)).copied().collect();

        let labels = [&*batch, &rows, &columns].concat();
        if labels.len() > MAX_DIMS {
            let message =
                format!("an intermediate result has {} dimensions, at most {MAX_DIMS} are supported", labels.len());
            return Err(Error::shape("einsum", message).with_help("try the operands in another order"));
        }
        let size_of = |label: u8| if a.labels.contains(&label) { a.size(label) } else { b.size(label) };
        let sizes = |labels: &[u8]| Dims::collect(labels.iter().map(|label| size_of(*label)));

        if summed.is_empty() {
            // Nothing to sum: element by element, each broadcast along the other's own dimensions.
            return Ok(Self { x: a.aligned(&labels)?.mul(&b.aligned(&labels)?)?, labels });
        }
        if rows.is_empty() && columns.is_empty() && !batch.is_empty() {
            // A batch of inner products: many products of single rows by single columns would be slower.
            let order = [&*batch, &summed].concat();
            let product = Self { x: a.aligned(&order)?.mul(&b.aligned(&order)?)?, labels: order };
            return product.sum_except(&|label| !summed.contains(&label));
        }
        let count = |labels: &[u8]| sizes(labels).iter().product::<usize>();
        let (m, k, n) = (count(&rows), count(&summed), count(&columns));
        let x = a.in_order(&[&*batch, &rows, &summed].concat())?.x;
        let y = b.in_order(&[&*batch, &summed, &columns].concat())?.x;
        let product = match batch.is_empty() {
            true => x.reshape([m, k])?.matmul(&y.reshape([k, n])?)?,
            false => x.reshape([count(&batch), m, k])?.matmul(&y.reshape([count(&batch), k, n])?)?,
        };
        Ok(Self { x: product.reshape(&*sizes(&labels))?, labels })
    }
}
