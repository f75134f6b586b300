//! Numbers of steps, whatever type of whole numbers they have.

/// A number of steps, or of other things that are counted: `data.len() / 32`, `history.steps`, or `100`.
///
/// Negative numbers count as 0, which is an error wherever 0 is.
///
/// ```
/// use demotic::optimizers::schedule::Curve;
///
/// let (examples, epochs) = ([0; 640].len(), 20);
/// let curve = Curve::cosine(0.1, examples / 32 * epochs).warm_up(100);
/// assert_eq!(curve.at(100)?, 0.1);
/// # Ok::<(), demotic::Error>(())
/// ```
pub trait IntoCount {
    /// The number; the nearest one, if there is none like it.
    #[must_use]
    fn into_count(self) -> u64;
}

macro_rules! counts {
    ($($number:ty)*) => {
        $(impl IntoCount for $number {
            #[inline]
            fn into_count(self) -> u64 {
                self.try_into().unwrap_or(0)
            }
        })*
    };
}

// What a literal is where nothing else is known, an `i32`, has to be among them.
counts!(u64 usize u32 u16 u8 i64 i32);

impl<N: IntoCount + Copy> IntoCount for &N {
    #[inline]
    fn into_count(self) -> u64 {
        (*self).into_count()
    }
}
